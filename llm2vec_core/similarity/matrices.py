"""Numbers of a matrix of similarities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm2vec_core.bundled_data import sentence_pairs
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.sts import cosine_of_pairs
from llm2vec_core.protocol import Encoder

# Cosines of float32 vectors that ought to be equal differ by about this much; such a difference is no order.
SAME = 1e-5


@dataclass(frozen=True)
class Structure:
    """What is known about several texts before any encoder has seen them.

    Attributes:
        meanings: one label a text; texts with the same label mean the same (or are about the same).
        wordings: one label a text; texts with the same label look alike (the same first words, say). None if
            nothing is known about that: then every pair of different meaning counts as a pair to keep apart.
    """

    meanings: tuple[str, ...]
    wordings: tuple[str, ...] | None = None

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Which pairs belong together, and which only look as if they did.

        Returns:
            Two boolean arrays of shape (texts, texts), true above the diagonal only: same meaning but not the
            same wording; same wording but not the same meaning (any other meaning, without wordings).

        Example:
            >>> together, apart = Structure(("a", "a", "b"), ("x", "y", "x")).pairs()
            >>> np.argwhere(together).tolist(), np.argwhere(apart).tolist()
            ([[0, 1]], [[0, 2]])
        """
        meaning = _equal(self.meanings)
        upper = np.triu(np.ones_like(meaning), 1).astype(bool)
        if self.wordings is None:
            return meaning & upper, ~meaning & upper
        wording = _equal(self.wordings)
        return meaning & ~wording & upper, wording & ~meaning & upper


@dataclass(frozen=True)
class Nearest:
    """Each text's nearest other text under two encoders.

    Attributes:
        first: its row number under the first encoder, shape (texts,).
        second: under the second.
        changed: whether they really differ: two texts at the same distance are no change.
    """

    first: np.ndarray
    second: np.ndarray
    changed: np.ndarray


def cosine_matrix(embeddings: np.ndarray) -> np.ndarray:
    """Cosine of each embedding with each other.

    Args:
        embeddings: shape (texts, hidden). A row of zeros has cosine 0 with everything.

    Returns:
        float64 of shape (texts, texts), symmetric, from -1 to 1.

    Example:
        >>> cosine_matrix(np.array([[1.0, 0.0], [1.0, 1.0]])).round(3).tolist()
        [[1.0, 0.707], [0.707, 1.0]]
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return np.clip(rows @ rows.T, -1.0, 1.0)


def percentiles(cosines: np.ndarray, unrelated: np.ndarray) -> np.ndarray:
    """Share of unrelated pairs that are less alike than each of these cosines.

    A cosine of 0.9 says nothing where unrelated texts have 0.9 too (anisotropy; Ethayarajh, 2019); its place among
    unrelated pairs can be compared between encoders.

    Args:
        cosines: any shape.
        unrelated: cosines of unrelated pairs under the same encoder, shape (pairs,).

    Returns:
        Of the same shape, from 0 to 1. Cosines that differ by rounding alone count as equal.

    Raises:
        InputError: without unrelated pairs.

    Example:
        >>> percentiles(np.array([0.1, 0.5, 0.9]), np.array([0.2, 0.4, 0.6, 0.8])).tolist()
        [0.0, 0.5, 1.0]
    """
    if len(unrelated) == 0:
        raise InputError("percentiles need at least one unrelated pair")
    return np.searchsorted(np.sort(unrelated), np.asarray(cosines) - SAME) / len(unrelated)


def unrelated_cosines(
    encoder: Encoder, instruction: str | None = None, *, pooling_mode: str | None = None
) -> np.ndarray:
    """Cosines of the bundled unrelated pairs.

    Args:
        encoder: any.
        instruction: put in front of every text.
        pooling_mode: by default the encoder's own.

    Returns:
        Sorted, shape (pairs,).

    Example:
        >>> from llm2vec_core import LLM2Vec
        >>> unrelated_cosines(LLM2Vec.from_preset("mini")).shape
        (80,)
    """
    texts = [
        text for pair in sentence_pairs() if pair.label == "unrelated" for text in (pair.sentence1, pair.sentence2)
    ]
    embeddings = encoder.encode(texts, instruction, pooling_mode=pooling_mode)
    return np.sort(cosine_of_pairs(embeddings[0::2], embeddings[1::2]))


def nearest_texts(first: np.ndarray, second: np.ndarray) -> Nearest:
    """Each text's nearest other text under two encoders.

    Args:
        first: cosines under one encoder, shape (texts, texts), at least 2 texts.
        second: under the other.

    Raises:
        InputError: for fewer than two texts.

    Example:
        >>> first = np.array([[1.0, 0.9, 0.1], [0.9, 1.0, 0.2], [0.1, 0.2, 1.0]])
        >>> second = np.array([[1.0, 0.3, 0.8], [0.3, 1.0, 0.2], [0.8, 0.2, 1.0]])
        >>> found = nearest_texts(first, second)
        >>> found.first.tolist(), found.second.tolist(), found.changed.tolist()
        ([1, 0, 1], [2, 0, 0], [True, False, True])
    """
    if len(first) < 2:
        raise InputError("a nearest other text needs at least two texts")
    nearest = []
    for cosines in (first, second):
        # Rounded, so that of equally near texts the first one is taken and not the one that rounding favours.
        others = np.round(cosines, 5)
        np.fill_diagonal(others, -np.inf)
        nearest.append(others.argmax(axis=1))
    a, b = nearest
    rows = np.arange(len(first))
    changed = (first[rows, b] < first[rows, a] - SAME) | (second[rows, a] < second[rows, b] - SAME)
    return Nearest(a, b, changed)


def separation_of_structure(cosines: np.ndarray, structure: Structure) -> float:
    """Chance that a pair of the same meaning has the higher cosine than a pair that only looks alike.

    The area under the ROC curve over all comparisons of one such pair with one such pair: 1 means that meaning
    decides, 0 that wording does, 0.5 is a coin. Equal cosines count half.

    Args:
        cosines: shape (texts, texts).
        structure: of these texts.

    Raises:
        InputError: if the structure has no pair of one of the two kinds, or belongs to another number of texts.

    Example:
        >>> cosines = np.array([[1.0, 0.9, 0.4], [0.9, 1.0, 0.1], [0.4, 0.1, 1.0]])
        >>> separation_of_structure(cosines, Structure(("a", "a", "b")))
        1.0
    """
    if len(structure.meanings) != len(cosines):
        raise InputError(f"{len(structure.meanings)} labels do not belong to {len(cosines)} texts")
    together, apart = structure.pairs()
    if not together.any() or not apart.any():
        raise InputError("a separation needs a pair that belongs together and a pair that does not")
    gaps = cosines[together][:, None] - cosines[apart][None, :]
    return float(np.where(np.abs(gaps) <= SAME, 0.5, gaps > 0).mean())


def _equal(labels: Sequence[str]) -> np.ndarray:
    names = np.asarray(labels, dtype=object)
    return names[:, None] == names[None, :]
