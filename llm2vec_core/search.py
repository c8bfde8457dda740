"""Exact search by cosine over a few thousand embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import ndcg_score

from llm2vec_core.errors import InputError


@dataclass(frozen=True)
class Hit:
    """One result.

    Attributes:
        index: row of the text in the index.
        rank: from 1.
        cosine: with the query.
    """

    index: int
    rank: int
    cosine: float


class SearchIndex:
    """Embeddings, normalised once.

    Args:
        embeddings: shape (texts, hidden).

    Raises:
        InputError: if there are none.

    Example:
        >>> index = SearchIndex(np.array([[1.0, 0.0], [0.0, 1.0]]))
        >>> [(hit.index, hit.rank) for hit in index.search(np.array([0.1, 0.9]), top_k=2)]
        [(1, 1), (0, 2)]
    """

    def __init__(self, embeddings: np.ndarray) -> None:
        if embeddings.ndim != 2 or not len(embeddings):
            raise InputError(
                f"embeddings have shape {embeddings.shape}; expected (texts, hidden) with at least one text"
            )
        self._unit = _normalized(embeddings)

    def cosines(self, queries: np.ndarray) -> np.ndarray:
        """Cosine of each query with each text: (queries, hidden) -> (queries, texts)."""
        return _normalized(queries) @ self._unit.T

    def search(self, query: np.ndarray, top_k: int) -> list[Hit]:
        """The nearest texts, nearest first; equal cosines keep the order of the index.

        Args:
            query: shape (hidden,).
            top_k: how many; all if there are fewer.
        """
        cosines = self.cosines(query[None])[0]
        order = np.argsort(-cosines, kind="stable")[:top_k]
        return [Hit(int(i), rank, float(cosines[i])) for rank, i in enumerate(order, start=1)]


def ndcg_at_10(cosines: np.ndarray, relevant: Sequence[set[int]]) -> float:
    """Mean nDCG@10 over queries, each relevant text counting 1.

    Args:
        cosines: shape (queries, texts).
        relevant: for each query the rows of its relevant texts.

    Returns:
        From 0 (none among the first ten) to 1 (all in front).

    Example:
        >>> ndcg_at_10(np.array([[0.9, 0.1]]), [{0}])
        1.0
    """
    truth = np.zeros(cosines.shape)
    for row, rows in enumerate(relevant):
        truth[row, list(rows)] = 1.0
    return float(ndcg_score(truth, cosines, k=10))


def _normalized(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
