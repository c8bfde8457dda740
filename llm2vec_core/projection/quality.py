"""How well groups stand apart, and how far a picture can be trusted. Formulas are scikit-learn's."""

from __future__ import annotations

import numpy as np

from llm2vec_core.projection.base import all_equal, prepared
from llm2vec_core.projection.neighbors import exact_neighbors


def neighbor_label_accuracy(
    embeddings: np.ndarray,
    labels: np.ndarray,
    count: int = 10,
    *,
    metric: str = "cosine",
    known: np.ndarray | None = None,
) -> float:
    """Share of points whose label is the most frequent one among their nearest neighbours.

    Args:
        embeddings: shape (points, hidden).
        labels: shape (points,).
        count: neighbours that vote; a tie goes to the label of the nearest one among those tied.
        metric: "cosine" or "euclidean".
        known: which points have a label, shape (points,); the others neither count nor vote.

    Returns:
        From 0 to 1.

    Raises:
        InputError: if fewer than :data:`llm2vec_core.projection.MIN_POINTS` points have a label.
    """
    if known is not None:
        embeddings, labels = embeddings[known], labels[known]
    indices, _ = exact_neighbors(prepared(embeddings, metric), min(count, len(embeddings) - 1))
    right = 0
    for row, neighbors in enumerate(indices):
        votes = labels[neighbors].tolist()
        right += max(votes, key=lambda label: (votes.count(label), -votes.index(label))) == labels[row]
    return right / len(labels)


def label_silhouette(
    embeddings: np.ndarray, labels: np.ndarray, *, metric: str = "cosine", known: np.ndarray | None = None
) -> float | None:
    """Mean silhouette (Rousseeuw, 1987): nearer to the own group than to the next one?

    Args:
        embeddings: shape (points, hidden).
        labels: shape (points,).
        metric: "cosine" (distance is 1 - cosine) or "euclidean".
        known: which points have a label, shape (points,); the others are left out.

    Returns:
        From -1 (among strangers) over 0 (between groups) to 1 (far from all others). None where it is not
        defined: one group alone, or a group for each point.

    Example:
        >>> rows = np.array([[0.0], [0.0], [1.0], [1.0], [1.0]])
        >>> label_silhouette(rows, np.array([0, 0, 1, 1, 1]), metric="euclidean")
        1.0
    """
    from sklearn.metrics import silhouette_score

    if known is not None:
        embeddings, labels = embeddings[known], labels[known]
    if not 2 <= len(set(labels.tolist())) < len(labels) or all_equal(embeddings):
        return None
    return float(silhouette_score(prepared(embeddings, metric), labels, metric=metric))


def neighborhood_trust(
    embeddings: np.ndarray, points: np.ndarray, count: int = 10, *, metric: str = "cosine"
) -> float | None:
    """Trustworthiness (Venna and Kaski, 2001): are those who are near in the picture near in truth?

    Args:
        embeddings: shape (points, hidden).
        points: their positions in the picture, shape (points, dimensions).
        count: neighbours looked at; fewer where there are too few points for the formula.
        metric: of the embeddings.

    Returns:
        From 0 to 1 (every neighbour in the picture is one in truth). None where all embeddings are equal.
    """
    from sklearn.manifold import trustworthiness

    rows = prepared(embeddings, metric)
    if all_equal(rows):
        return None
    # The formula holds for fewer than half of the points.
    count = max(1, min(count, (len(rows) - 1) // 2))
    return float(trustworthiness(rows, points, n_neighbors=count))
