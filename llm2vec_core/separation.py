"""How well does an encoder separate labelled pairs? Cosines, and measures that do not depend on their raw height.

Many encoders give every two texts a high cosine, because all their vectors point into one narrow cone: anisotropy
(Ethayarajh, 2019). So what counts is not how high the cosine of a good pair is, but how far above that of a bad one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from llm2vec_core.arguments import check_arguments
from llm2vec_core.bundled_data import SentencePair
from llm2vec_core.evaluation.bootstrap import RESAMPLES, SEED, Estimate, estimate
from llm2vec_core.evaluation.sts import cosine_of_pairs


class Encodes(Protocol):
    """Whatever turns texts into vectors."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Shape (texts, hidden)."""


@dataclass(frozen=True)
class PairCosines:
    """Cosines of labelled pairs under one encoder.

    Attributes:
        by_label: by label, float64 of shape (pairs,), in the order of the pairs, so that two encoders can be
            compared pair by pair.
    """

    by_label: Mapping[str, np.ndarray]

    def mean(self, label: str) -> float:
        """Mean cosine of the pairs of a label; of unrelated pairs, it measures anisotropy."""
        return float(self.by_label[label].mean())

    def separation(self, above: str = "similar", below: str = "unrelated") -> Estimate:
        """Chance that a pair of the one label has the higher cosine than a pair of the other (area under ROC).

        Example:
            >>> cosines = PairCosines({"similar": np.array([0.5, 0.9]), "unrelated": np.array([0.1, 0.2, 0.6, 0.7])})
            >>> cosines.separation().score
            0.75
        """
        wins = _wins(self.by_label[above], self.by_label[below])
        return estimate(float(wins.mean()), _replicates(wins))

    def area(self, above: str = "similar", below: str = "unrelated") -> float:
        """:meth:`separation` without its interval, for curves that are drawn while something goes on."""
        return float(_wins(self.by_label[above], self.by_label[below]).mean())

    def above(self, other: PairCosines, above: str = "similar", below: str = "unrelated") -> Estimate:
        """How far this encoder's separation is above another's, on the same resamples of the same pairs."""
        mine, theirs = (_wins(each.by_label[above], each.by_label[below]) for each in (self, other))
        return estimate(float(mine.mean() - theirs.mean()), _replicates(mine) - _replicates(theirs))

    def margin(self, above: str = "similar", below: str = "unrelated") -> float:
        """Distance of the two means in units of their common standard deviation (Cohen's d).

        Example:
            >>> cosines = PairCosines({"similar": np.array([0.8, 1.0]), "unrelated": np.array([0.2, 0.4])})
            >>> round(cosines.margin(), 2)
            6.0
        """
        high, low = self.by_label[above], self.by_label[below]
        spread = float(np.sqrt((high.var() + low.var()) / 2))
        return float(high.mean() - low.mean()) / spread if spread else 0.0


def measure_pairs(encoder: Encodes, pairs: Sequence[SentencePair]) -> PairCosines:
    """Embed labelled pairs and keep their cosines.

    Args:
        encoder: anything with ``encode``.
        pairs: with their labels.

    Example:
        >>> from llm2vec_core.encoder import LLM2Vec
        >>> encoder = LLM2Vec.from_preset("mini:mntp")
        >>> found = measure_pairs(encoder, [SentencePair("A river.", "A river.", "similar")])
        >>> found.by_label["similar"].round(4).tolist()
        [1.0]
    """
    check_arguments(measure_pairs, locals())
    embeddings = encoder.encode([text for pair in pairs for text in (pair.sentence1, pair.sentence2)])
    cosines = cosine_of_pairs(*(embeddings[side::2].astype(np.float64) for side in (0, 1)))
    labels = np.array([pair.label for pair in pairs])
    return PairCosines({str(label): cosines[labels == label] for label in dict.fromkeys(labels)})


def labelled_pairs(pairs: Mapping[str, Sequence[tuple[str, str]]]) -> list[SentencePair]:
    """Pairs that are kept by label, as :func:`measure_pairs` takes them.

    Example:
        >>> [pair.label for pair in labelled_pairs({"similar": [("a", "b")], "unrelated": [("c", "d")]})]
        ['similar', 'unrelated']
    """
    return [SentencePair(first, second, label) for label, found in pairs.items() for first, second in found]


def _wins(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """1 where the pair of the row is above the pair of the column, 0.5 where they are equal: (rows, columns)."""
    gap = high[:, None] - low[None, :]
    return np.where(gap > 0, 1.0, np.where(gap == 0, 0.5, 0.0))


def _replicates(wins: np.ndarray) -> np.ndarray:
    """The mean of ``wins`` on resamples of rows and of columns, the same for all encoders; shape (1000,)."""
    rows, columns = _draws(*wins.shape)
    return np.einsum("br,rc,bc->b", rows, wins, columns, optimize=True)


@lru_cache(maxsize=8)
def _draws(*sizes: int) -> tuple[np.ndarray, ...]:
    """How often each pair is drawn, as a share; one array of shape (1000, size) a size."""
    generator = np.random.default_rng(SEED)
    return tuple(generator.multinomial(size, np.full(size, 1 / size), size=RESAMPLES) / size for size in sizes)
