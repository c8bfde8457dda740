"""Principal component analysis: the flat view that keeps most of the variance, at once and without choices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llm2vec_core.projection.base import all_equal, prepared


@dataclass(frozen=True)
class PcaLayout:
    """Positions and how much of the embeddings' variance they hold.

    Attributes:
        points: float32 of shape (points, dimensions).
        explained: share of the variance on each axis, from 0 to 1, shape (dimensions,).
    """

    points: np.ndarray
    explained: np.ndarray


def pca_layout(embeddings: np.ndarray, dimensions: int = 2, *, metric: str = "cosine") -> PcaLayout:
    """The directions in which embeddings vary most.

    Args:
        embeddings: shape (points, hidden).
        dimensions: 2 or 3; those that the data do not fill are 0.
        metric: "cosine" (of unit-length embeddings) or "euclidean" (as they are).

    Returns:
        Positions and explained shares. Where all embeddings are equal, both are 0.

    Raises:
        InputError: as :func:`llm2vec_core.projection.prepared`.

    Example:
        >>> line = np.outer(np.arange(5.0), [3.0, 4.0])
        >>> pca_layout(line, metric="euclidean").explained.round(3).tolist()
        [1.0, 0.0]
    """
    from sklearn.decomposition import PCA

    rows = prepared(embeddings, metric)
    points = np.zeros((len(rows), dimensions), dtype=np.float32)
    explained = np.zeros(dimensions)
    if not all_equal(rows):
        found = PCA(n_components=min(dimensions, *rows.shape), svd_solver="full")
        points[:, : found.n_components] = found.fit_transform(rows)
        explained[: found.n_components] = found.explained_variance_ratio_
    return PcaLayout(points, explained)


def pca_2d(embeddings: np.ndarray) -> np.ndarray:
    """The two directions in which unit-length embeddings vary most.

    Args:
        embeddings: shape (points, hidden).

    Returns:
        float32 of shape (points, 2).

    Raises:
        InputError: for fewer than :data:`llm2vec_core.projection.MIN_POINTS` points.
    """
    return pca_layout(embeddings).points
