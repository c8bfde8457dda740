"""Who is near whom, exactly, and how two embeddings disagree about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llm2vec_core.projection.base import prepared

_ROWS_AT_ONCE = 512


def exact_neighbors(embeddings: np.ndarray, count: int, *, include_self: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Nearest neighbours by Euclidean distance, from the full table of distances.

    Args:
        embeddings: shape (points, hidden).
        count: neighbours a point.
        include_self: let each point be its own first neighbour, as UMAP wants it.

    Returns:
        Indices and distances, both of shape (points, count).
    """
    from sklearn.neighbors import NearestNeighbors

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


def neighbor_overlap(a: np.ndarray, b: np.ndarray, count: int = 10, *, metric: str = "cosine") -> np.ndarray:
    """For each point the share of its nearest neighbours that two embeddings have in common.

    Args:
        a: shape (points, hidden).
        b: shape (points, other hidden), the same points.
        count: neighbours compared; at most points - 1.
        metric: "cosine" or "euclidean".

    Returns:
        float of shape (points,), from 0 (all neighbours new) to 1 (the same).

    Example:
        >>> rows = np.random.default_rng(0).normal(size=(20, 4))
        >>> float(neighbor_overlap(rows, 2 * rows).min())
        1.0
    """
    count = min(count, len(a) - 1)
    first, second = (exact_neighbors(prepared(x, metric), count)[0] for x in (a, b))
    return shared_neighbors(first, second)


def shared_neighbors(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The share of each row's indices that stand in the other's row too.

    Args:
        first: indices of shape (points, count).
        second: the same shape.

    Returns:
        float of shape (points,).

    Example:
        >>> shared_neighbors(np.array([[1, 2]]), np.array([[2, 3]])).tolist()
        [0.5]
    """
    return (first[:, :, None] == second[:, None, :]).any(axis=2).mean(axis=1)


def neighbor_ranks(embeddings: np.ndarray, neighbors: np.ndarray, *, metric: str = "cosine") -> np.ndarray:
    """At which rank given points stand among each point's neighbours.

    Args:
        embeddings: shape (points, hidden).
        neighbors: indices of shape (points, count), such as neighbours in another space; never a point itself.
        metric: "cosine" or "euclidean".

    Returns:
        int of shape (points, count): 1 is the nearest; equally near points share the better rank.

    Example:
        >>> line = np.array([[0.0], [1.0], [3.0], [7.0], [15.0]])
        >>> neighbor_ranks(line, np.array([[1, 4], [0, 4], [1, 4], [2, 4], [3, 0]]), metric="euclidean").tolist()
        [[1, 4], [1, 4], [1, 4], [1, 4], [1, 4]]
    """
    rows = prepared(embeddings, metric).astype(np.float64)
    squares = (rows**2).sum(axis=1)
    ranks = np.empty(neighbors.shape, dtype=np.int64)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        distances = squares[None] - 2 * rows[part] @ rows.T
        own = np.arange(start, start + len(distances))
        distances[np.arange(len(distances)), own] = np.inf
        asked = np.take_along_axis(distances, neighbors[part], axis=1)
        # What rounding alone separates (duplicates) counts as equally near.
        limit = asked - 1e-9 * (np.abs(asked) + 1e-9)
        for column in range(neighbors.shape[1]):
            ranks[part, column] = (distances < limit[:, column, None]).sum(axis=1) + 1
    return ranks


@dataclass(frozen=True)
class Neighbor:
    """A neighbour of a point.

    Attributes:
        row: of the neighbour.
        rank: here, from 1.
        cosine: with the point, here.
        other_rank: in the other embedding.
    """

    row: int
    rank: int
    cosine: float
    other_rank: int


@dataclass(frozen=True)
class Neighborhoods:
    """A point and its nearest neighbours in two embeddings.

    Attributes:
        row: of the point.
        sides: neighbours in the first embedding and in the second, nearest first.
    """

    row: int
    sides: tuple[list[Neighbor], list[Neighbor]]

    @property
    def shared(self) -> set[int]:
        """Rows that are among the nearest in both."""
        first, second = ({neighbor.row for neighbor in side} for side in self.sides)
        return first & second


def neighborhoods(a: np.ndarray, b: np.ndarray, row: int, count: int = 10, *, metric: str = "cosine") -> Neighborhoods:
    """The nearest neighbours of one point in two embeddings, each with its rank in the other.

    Args:
        a: shape (points, hidden).
        b: shape (points, other hidden), the same points.
        row: of the point.
        count: neighbours; at most points - 1.
        metric: "cosine" or "euclidean".

    Example:
        >>> first = np.array([[0.0], [1.0], [3.0], [5.0], [7.0]])
        >>> second = np.array([[0.0], [3.0], [1.0], [5.0], [7.0]])
        >>> found = neighborhoods(first, second, 0, count=1, metric="euclidean")
        >>> [(neighbor.row, neighbor.other_rank) for side in found.sides for neighbor in side]
        [(1, 2), (2, 2)]
    """
    ranks, cosines = [], []
    for embeddings in (a, b):
        rows = prepared(embeddings, metric).astype(np.float64)
        distances = ((rows - rows[row]) ** 2).sum(axis=1)
        distances[row] = -1.0  # itself first, even among duplicates
        order = np.argsort(distances, kind="stable")
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        ranks.append(rank)
        unit = prepared(embeddings).astype(np.float64)
        cosines.append(unit @ unit[row])

    def side(here: int) -> list[Neighbor]:
        nearest = np.argsort(ranks[here], kind="stable")[1 : min(count, len(a) - 1) + 1]
        return [
            Neighbor(int(i), int(ranks[here][i]), float(cosines[here][i]), int(ranks[1 - here][i])) for i in nearest
        ]

    return Neighborhoods(row, (side(0), side(1)))
