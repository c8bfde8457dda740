"""Groups that nobody labelled, found on the full vectors and numbered alike in two embeddings."""

from __future__ import annotations

import numpy as np

from llm2vec_core.errors import InputError
from llm2vec_core.projection.base import all_equal, prepared

NO_CLUSTER = -1


def kmeans_clusters(embeddings: np.ndarray, count: int, *, metric: str = "cosine", seed: int = 0) -> np.ndarray:
    """K-means: every point goes to the nearest of ``count`` centres.

    Args:
        embeddings: shape (points, hidden).
        count: of clusters; at least 2, at most as many as there are points.
        metric: "cosine" (of unit-length embeddings) or "euclidean".
        seed: of the first centres; the best of four tries is kept.

    Returns:
        int of shape (points,), numbered from 0, the largest first. All 0 where all embeddings are equal.

    Raises:
        InputError: for a count out of range.
    """
    from sklearn.cluster import KMeans

    rows = prepared(embeddings, metric)
    if not 2 <= count <= len(rows):
        raise InputError(f"{count} clusters were asked for; choose from 2 to the number of texts, {len(rows):,}")
    if all_equal(rows):
        return np.zeros(len(rows), dtype=np.int64)
    # More centres than different points would leave some empty.
    count = min(count, len(np.unique(rows.round(6), axis=0)))
    return _by_size(KMeans(count, n_init=4, random_state=seed).fit_predict(rows))


def hdbscan_clusters(embeddings: np.ndarray, smallest: int = 5, *, metric: str = "cosine") -> np.ndarray:
    """HDBSCAN (Campello et al., 2013): clusters are where points are dense; strays belong to none.

    Args:
        embeddings: shape (points, hidden).
        smallest: points that make a cluster, at least 2.
        metric: "cosine" (of unit-length embeddings) or "euclidean".

    Returns:
        int of shape (points,), numbered from 0, the largest first; :data:`NO_CLUSTER` for strays.
    """
    from sklearn.cluster import HDBSCAN

    rows = prepared(embeddings, metric)
    if all_equal(rows):
        return np.zeros(len(rows), dtype=np.int64)
    # With one neighbour for the density (the point itself) few texts are called strays.
    found = HDBSCAN(min_cluster_size=max(2, smallest), min_samples=2, copy=True).fit_predict(rows)
    return _by_size(found)


def matched_clusters(reference: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Number clusters after those of another embedding that they share most points with.

    Args:
        reference: int of shape (points,); :data:`NO_CLUSTER` for strays.
        clusters: the same points' clusters elsewhere.

    Returns:
        ``clusters`` with other numbers; those without a partner get numbers that the reference does not use.

    Example:
        >>> matched_clusters(np.array([0, 0, 1, 1]), np.array([1, 1, 0, -1])).tolist()
        [0, 0, 1, -1]
    """
    from scipy.optimize import linear_sum_assignment

    count_a, count_b = int(reference.max()) + 1, int(clusters.max()) + 1
    if count_a <= 0 or count_b <= 0:
        return clusters
    both = (reference >= 0) & (clusters >= 0)
    table = np.zeros((count_a, count_b))
    np.add.at(table, (reference[both], clusters[both]), 1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    names = dict(zip(columns.tolist(), rows.tolist(), strict=True))
    fresh = count_a
    for own in range(count_b):
        if own not in names:
            names[own], fresh = fresh, fresh + 1
    return np.array([names.get(int(own), NO_CLUSTER) for own in clusters])


def _by_size(clusters: np.ndarray) -> np.ndarray:
    kept = clusters[clusters >= 0]
    if not len(kept):
        return clusters.astype(np.int64)
    sizes = np.bincount(kept)
    places = np.empty(len(sizes), dtype=np.int64)
    places[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return np.where(clusters >= 0, places[np.maximum(clusters, 0)], NO_CLUSTER)
