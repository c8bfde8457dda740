"""How well cosines tell pairs that mean the same from pairs that do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.evaluation.sts import cosine_of_pairs


@dataclass(frozen=True)
class PairCosines:
    """Cosines of pairs of known relation, in the order of the pairs.

    Attributes:
        by_label: by relation, such as "similar" or "unrelated", float64 of shape (pairs,).
    """

    by_label: Mapping[str, np.ndarray]

    def separation(self, other: str = "unrelated") -> float:
        """Chance that a similar pair has the higher cosine than a pair of another kind (the area under ROC).

        Hanley and McNeil, 1982; ties count half.

        Args:
            other: the other kind.

        Example:
            >>> PairCosines({"similar": np.array([0.9, 0.4]), "unrelated": np.array([0.5, 0.1])}).separation()
            0.75
        """
        high, low = self.by_label["similar"][:, None], self.by_label[other][None]
        return float(((high > low) + 0.5 * (high == low)).mean())


def measure_pairs(encoder: LLM2Vec, pairs: Mapping[str, Sequence[tuple[str, str]]]) -> PairCosines:
    """Embed pairs of texts and compare the two of each.

    Args:
        encoder: pools as its settings say.
        pairs: by relation; each kind has at least one pair.

    Raises:
        ModelError: if the encoder answers with NaN.
    """
    texts = [text for found in pairs.values() for pair in found for text in pair]
    embeddings = encoder.encode(texts).astype(np.float64)
    cosines = cosine_of_pairs(embeddings[0::2], embeddings[1::2])
    ends = np.cumsum([len(found) for found in pairs.values()])[:-1]
    return PairCosines(dict(zip(pairs, np.split(cosines, ends), strict=True)))
