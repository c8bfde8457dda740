"""Words for groups of texts that lie together on a picture, by class-based TF-IDF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm2vec_core.projection.base import all_equal
from llm2vec_core.projection.clusters import NO_CLUSTER

WORDS = 3
# A word describes a group if at least this share of its texts, and at least two of them, contain it, and if that is
# at least so many times the share in the other groups.
SMALLEST_SHARE, FEWEST_TEXTS, SMALLEST_LIFT = 0.12, 2, 3.0
# Fewer points make no groups worth naming.
FEWEST_POINTS = 20
# The beginning of a long text says what it is about, and is read in time.
CHARACTERS = 2_000
_WORD = r"(?u)\b[^\W\d_]{3,}\b"


@dataclass(frozen=True)
class NamedGroup:
    """Points that lie together, and the words of their texts.

    Attributes:
        row: of the point nearest to the middle of the group.
        size: number of points.
        words: most characteristic first.
    """

    row: int
    size: int
    words: tuple[str, ...]


def class_tfidf(texts: Sequence[str], clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Class-based TF-IDF (Grootendorst, 2022): all texts of a cluster count as one document.

    The weight of a word in a cluster is its share of the cluster's words times ``log(1 + A / f)``, with ``f`` its count
    in all clusters and ``A`` the mean number of words of a cluster. English stop words are left out.

    Args:
        texts: the texts.
        clusters: int of shape (texts,), numbered from 0; :data:`~llm2vec_core.projection.NO_CLUSTER` for none.

    Returns:
        (weights, shares, words): weights and the share of each cluster's texts that contain the word, both of shape
        (clusters, words), and the words. No columns where no text has a word.

    Example:
        >>> weights, shares, words = class_tfidf(["river water", "river bank", "bank money"], np.array([0, 0, 1]))
        >>> words[weights[0].argmax()], shares[0, words.index("river")].item()
        ('river', 1.0)
    """
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import CountVectorizer

    count = int(clusters.max()) + 1
    try:
        vectorizer = CountVectorizer(stop_words="english", token_pattern=_WORD)
        found = vectorizer.fit_transform([text[:CHARACTERS] for text in texts])
    except ValueError:  # nothing but stop words, digits or signs
        return np.zeros((count, 0)), np.zeros((count, 0)), []
    rows = np.flatnonzero(clusters != NO_CLUSTER)
    members = csr_matrix((np.ones(len(rows)), (clusters[rows], rows)), shape=(count, len(texts)))
    counts = (members @ found).toarray()
    shares = (members @ (found > 0)).toarray() / np.maximum(members.sum(axis=1).A1[:, None], 1)
    total = counts.sum(axis=0)
    idf = np.log1p(counts.sum() / count / np.maximum(total, 1))
    weights = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) * idf
    return weights, shares, vectorizer.get_feature_names_out().tolist()


def cluster_words(texts: Sequence[str], clusters: np.ndarray, count: int = WORDS) -> list[tuple[str, ...]]:
    """The most characteristic words of each cluster.

    Args:
        texts: the texts.
        clusters: as of :func:`class_tfidf`.
        count: of words, at most.

    Returns:
        Words of each cluster, most characteristic first. Words that are rare in the cluster, or hardly rarer in the
        others, are left out, and so is a word that begins as one before it does ("rivers" after "river"): a cluster may
        have none.

    Example:
        >>> cluster_words(["a river", "two rivers", "river water"] + ["bank money"] * 2, np.array([0, 0, 0, 1, 1]))
        [('river',), ('bank', 'money')]
    """
    if clusters.max() < 0:
        return []
    weights, shares, names = class_tfidf(texts, clusters)
    sizes = np.bincount(clusters[clusters != NO_CLUSTER], minlength=len(weights))[:, None]
    inside = shares * sizes
    outside = (inside.sum(axis=0) - inside) / np.maximum(sizes.sum() - sizes, 1)
    describes = (shares >= SMALLEST_SHARE) & (inside >= FEWEST_TEXTS - 1e-9) & (shares >= SMALLEST_LIFT * outside)
    found = []
    for cluster in range(len(weights)):
        chosen: list[str] = []
        for column in np.argsort(-weights[cluster], kind="stable"):
            if len(chosen) == count or weights[cluster, column] <= 0:
                break
            word = names[column]
            if describes[cluster, column] and not any(word.startswith(w) or w.startswith(word) for w in chosen):
                chosen.append(word)
        found.append(tuple(chosen))
    return found


def named_groups(points: np.ndarray, texts: Sequence[str]) -> tuple[list[NamedGroup], list[NamedGroup]]:
    """Groups of points that lie together, coarse and fine, with the words of their texts.

    Args:
        points: positions on the picture, shape (points, 2); neither turning nor scaling them changes the groups.
        texts: one a point.

    Returns:
        (coarse, fine), each the largest first. A coarse group without fine ones within it is in both. Groups without
        characteristic words are left out; a picture that is one group has none.
    """
    if len(points) < FEWEST_POINTS or all_equal(points):
        return [], []
    coarse = _dense(points, max(5, len(points) // 25), "eom")
    fine = _dense(points, max(5, len(points) // 60), "leaf")
    if coarse.max() < 1:
        return [], []
    middles = [int(np.bincount(coarse[fine == c] + 1).argmax()) - 1 for c in range(fine.max() + 1)]
    whole = [group for cluster, group in _named(points, texts, coarse) if cluster not in middles]
    named = [[group for _, group in _named(points, texts, clusters)] for clusters in (coarse, fine)]
    return _by_size(named[0]), _by_size(named[1] + whole)


def _dense(points: np.ndarray, smallest: int, method: str) -> np.ndarray:
    from sklearn.cluster import HDBSCAN

    found = HDBSCAN(min_cluster_size=smallest, min_samples=5, cluster_selection_method=method, copy=True)
    return found.fit_predict(points)


def _named(points: np.ndarray, texts: Sequence[str], clusters: np.ndarray) -> list[tuple[int, NamedGroup]]:
    found = []
    for cluster, words in enumerate(cluster_words(texts, clusters)):
        rows = np.flatnonzero(clusters == cluster)
        middle = ((points[rows] - points[rows].mean(axis=0)) ** 2).sum(axis=1).argmin()
        if words:
            found.append((cluster, NamedGroup(int(rows[middle]), len(rows), words)))
    return found


def _by_size(groups: list[NamedGroup]) -> list[NamedGroup]:
    return sorted(groups, key=lambda group: (-group.size, group.row))
