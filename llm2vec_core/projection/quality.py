"""How well groups stand apart, and how far a picture can be trusted. Formulas are scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from llm2vec_core.projection.base import MIN_POINTS, all_equal, prepared
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


@dataclass(frozen=True)
class MapQuality:
    """Measures of a picture and of the embeddings behind it; None where one is not defined.

    Attributes:
        silhouette: of the groups, on the embeddings.
        silhouette_picture: the same on the picture.
        accuracy: of the neighbours' vote for the label, on the embeddings.
        accuracy_picture: the same on the picture.
        trust: trustworthiness of the picture.
    """

    silhouette: float | None
    silhouette_picture: float | None
    accuracy: float | None
    accuracy_picture: float | None
    trust: float | None


def map_quality(
    embeddings: np.ndarray,
    points: np.ndarray,
    labels: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    count: int = 10,
    *,
    metric: str = "cosine",
) -> MapQuality:
    """Every measure of a picture, as far as its labels allow.

    Args:
        embeddings: shape (points, hidden).
        points: their positions in the picture, shape (points, dimensions).
        labels: one a point, "" for none; these the neighbours vote for.
        groups: one a point, "" for none, such as clusters; the silhouette is theirs. By default the labels.
        count: neighbours that vote, and that trustworthiness looks at.
        metric: of the embeddings; in the picture distances are Euclidean.

    Example:
        >>> points = np.repeat(np.eye(2), 3, axis=0) + 0.01 * np.random.default_rng(0).normal(size=(6, 2))
        >>> found = map_quality(points, points, ["a"] * 3 + ["b"] * 3, count=2, metric="euclidean")
        >>> found.accuracy, found.accuracy_picture, found.trust
        (1.0, 1.0, 1.0)
    """
    flat = not all_equal(points)

    def on_both(measure: Callable[..., float | None], names: np.ndarray) -> tuple[float | None, float | None]:
        known = names != ""
        if known.sum() < MIN_POINTS:
            return None, None
        on_picture = measure(points, names, metric="euclidean", known=known) if flat else None
        return measure(embeddings, names, metric=metric, known=known), on_picture

    silhouettes: tuple[float | None, float | None] = (None, None)
    votes: tuple[float | None, float | None] = (None, None)
    if (shown := labels if groups is None else groups) is not None:
        silhouettes = on_both(label_silhouette, np.array(shown))
    if labels is not None and len(set(labels) - {""}) > 1:
        votes = on_both(partial(neighbor_label_accuracy, count=count), np.array(labels))
    return MapQuality(*silhouettes, *votes, neighborhood_trust(embeddings, points, count, metric=metric))
