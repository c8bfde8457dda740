"""Pictures of embeddings in two dimensions: PCA at once, UMAP when it is ready.

umap-learn takes seconds to import and compiles on its first use, so it is imported where it is used.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from llm2vec_core.errors import InputError

MIN_POINTS = 5


def pca_2d(embeddings: np.ndarray) -> np.ndarray:
    """The two directions in which unit-length embeddings vary most.

    Args:
        embeddings: shape (points, hidden).

    Returns:
        float32 of shape (points, 2).

    Raises:
        InputError: for fewer than :data:`MIN_POINTS` points.
    """
    return PCA(n_components=2, svd_solver="full").fit_transform(_checked(embeddings)).astype(np.float32)


def umap_2d(embeddings: np.ndarray, *, n_neighbors: int = 15, min_dist: float = 0.1, seed: int = 0) -> np.ndarray:
    """UMAP (McInnes et al., 2018) of unit-length embeddings.

    The neighbours are exact, from one matrix product, instead of approximate: faster for a few thousand
    points, and the same on each machine.

    Args:
        embeddings: shape (points, hidden).
        n_neighbors: how many neighbours shape the map; at most points - 1 are used.
        min_dist: how close points may lie.
        seed: of the layout.

    Returns:
        float32 of shape (points, 2).

    Raises:
        InputError: for fewer than :data:`MIN_POINTS` points.
    """
    unit = _checked(embeddings)
    with warnings.catch_warnings():
        # It tells each time that its tensorflow part is missing.
        warnings.simplefilter("ignore", ImportWarning)
        import umap
    neighbors = min(n_neighbors, len(unit) - 1)
    indices, distances = exact_neighbors(unit, neighbors + 1, include_self=True)
    with warnings.catch_warnings():
        # A seed makes UMAP single-threaded, and it says so each time.
        warnings.filterwarnings("ignore", message="n_jobs value", category=UserWarning)
        warnings.filterwarnings("ignore", message="precomputed_knn", category=UserWarning)
        reducer = umap.UMAP(
            n_neighbors=neighbors,
            min_dist=min_dist,
            metric="euclidean",
            random_state=seed,
            precomputed_knn=(indices[:, :neighbors], distances[:, :neighbors].astype(np.float32)),
            # PCA as the start keeps the map near the first picture.
            init=(10.0 * pca_2d(unit) / np.abs(pca_2d(unit)).max()).astype(np.float32),
        )
        return np.asarray(reducer.fit_transform(unit), dtype=np.float32)


def align(reference: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """Shift, turn, mirror and scale one map onto another (orthogonal Procrustes).

    What still differs afterwards is real: points that changed their neighbours, not a map that
    happened to be turned.

    Args:
        reference: shape (points, 2).
        moving: shape (points, 2), the same points in the same order.

    Returns:
        ``moving`` in the frame of ``reference``, shape (points, 2).

    Example:
        >>> square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
        >>> bool(np.allclose(align(square, 3.0 * square @ [[0, 1], [-1, 0]] + 5.0), square))
        True
    """
    center_a, center_b = reference.mean(axis=0), moving.mean(axis=0)
    a, b = reference - center_a, moving - center_b
    rotation, trace = orthogonal_procrustes(b, a)
    scale = trace / max(float((b**2).sum()), 1e-12)
    return scale * b @ rotation + center_a


def exact_neighbors(embeddings: np.ndarray, count: int, *, include_self: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Nearest neighbours by Euclidean distance, from the full table of distances.

    Args:
        embeddings: shape (points, hidden).
        count: neighbours a point.
        include_self: let each point be its own first neighbour, as UMAP wants it.

    Returns:
        Indices and distances, both of shape (points, count).
    """
    finder = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(embeddings)
    if not include_self:
        distances, indices = finder.kneighbors()
        return indices, distances
    distances, indices = finder.kneighbors(embeddings)
    # A duplicate of a point may come before the point itself; UMAP needs the point first.
    own = np.arange(len(embeddings))
    for row in np.flatnonzero(indices[:, 0] != own):
        place = np.flatnonzero(indices[row] == row)
        other = place[0] if len(place) else -1
        indices[row, other], distances[row, other] = indices[row, 0], distances[row, 0]
        indices[row, 0], distances[row, 0] = row, 0.0
    return indices, distances


def neighbor_label_accuracy(embeddings: np.ndarray, labels: np.ndarray, count: int = 10) -> float:
    """Share of points whose label is the most frequent one among their nearest neighbours.

    Args:
        embeddings: shape (points, hidden); compared by cosine.
        labels: shape (points,).
        count: neighbours that vote; a tie goes to the label of the nearest one among those tied.

    Returns:
        From 0 to 1.
    """
    indices, _ = exact_neighbors(_checked(embeddings), min(count, len(embeddings) - 1))
    right = 0
    for row, neighbors in enumerate(indices):
        votes = labels[neighbors].tolist()
        right += max(votes, key=lambda label: (votes.count(label), -votes.index(label))) == labels[row]
    return right / len(labels)


def neighbor_overlap(a: np.ndarray, b: np.ndarray, count: int = 10) -> np.ndarray:
    """For each point the share of its nearest neighbours that two embeddings have in common.

    Args:
        a: shape (points, hidden).
        b: shape (points, other hidden), the same points.
        count: neighbours compared.

    Returns:
        float of shape (points,), from 0 (all neighbours new) to 1 (the same).
    """
    count = min(count, len(a) - 1)
    first, second = (exact_neighbors(_checked(x), count)[0] for x in (a, b))
    return np.array([len(set(p) & set(q)) / count for p, q in zip(first.tolist(), second.tolist(), strict=True)])


def _checked(embeddings: np.ndarray) -> np.ndarray:
    if embeddings.ndim != 2 or len(embeddings) < MIN_POINTS:
        raise InputError(f"{len(embeddings)} texts are too few for a map; give at least {MIN_POINTS}")
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings / np.maximum(lengths, 1e-12)
