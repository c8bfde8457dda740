"""Exact search by cosine over embeddings: one matrix product, with ties in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np

from llm2vec_core.arguments import check_arguments
from llm2vec_core.errors import InputError

# Of a chunk: then one of twice the size can still be watched and stopped.
QUICK_SECONDS = 1.0


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


@dataclass(frozen=True)
class Ranking:
    """All texts of an index, as one query orders them.

    Attributes:
        order: rows, nearest first; shape (texts,).
        cosines: of each row with the query, in the order of the index; shape (texts,).
    """

    order: np.ndarray
    cosines: np.ndarray

    def hits(self, top_k: int) -> list[Hit]:
        """The first ``top_k``, or all if there are fewer."""
        return [Hit(int(row), rank, float(self.cosines[row])) for rank, row in enumerate(self.order[:top_k], start=1)]

    def ranks(self) -> np.ndarray:
        """The rank of each row, from 1; int64 of shape (texts,).

        Example:
            >>> Ranking(np.array([2, 0, 1]), np.array([0.5, 0.1, 0.9])).ranks().tolist()
            [2, 3, 1]
        """
        ranks = np.empty(len(self.order), dtype=np.int64)
        ranks[self.order] = np.arange(1, len(self.order) + 1)
        return ranks


class SearchIndex:
    """Embeddings, normalised once.

    Every text is compared: 20,000 vectors of 384 numbers take some 15 ms on one core, so there is nothing to gain
    from an approximate index, and the answers are exact. The index holds one copy of the vectors (20,000 x 384 in
    float32 are 30.7 MB).

    Args:
        embeddings: shape (texts, hidden).

    Raises:
        InputError: if there are none, or a number is not finite.

    Example:
        >>> index = SearchIndex(np.array([[1.0, 0.0], [0.0, 1.0]]))
        >>> [(hit.index, hit.rank) for hit in index.search(np.array([0.1, 0.9]), top_k=2)]
        [(1, 1), (0, 2)]
    """

    def __init__(self, embeddings: np.ndarray) -> None:
        check_arguments(SearchIndex.__init__, locals())
        if embeddings.ndim != 2 or not len(embeddings):
            raise InputError(
                f"embeddings have shape {embeddings.shape}; expected (texts, hidden) with at least one text"
            )
        if not np.isfinite(embeddings).all():
            raise InputError("the embeddings hold NaN or infinity; their encoder is broken")
        self._unit = _normalized(embeddings)
        self._first = _first_of_equals(self._unit)

    def __len__(self) -> int:
        return len(self._unit)

    def vectors(self, rows: Sequence[int]) -> np.ndarray:
        """The vectors of some texts, scaled to length 1; shape (rows, hidden)."""
        return self._unit[np.asarray(rows, dtype=np.int64)]

    def cosines(self, queries: np.ndarray) -> np.ndarray:
        """Cosine of each query with each text: (queries, hidden) -> (queries, texts)."""
        # Equal rows get one value: a matrix product may round them differently, depending on where they stand.
        return (_normalized(queries) @ self._unit.T)[:, self._first]

    def rank(self, query: np.ndarray) -> Ranking:
        """All texts, nearest first; equal cosines keep the order of the index.

        Args:
            query: shape (hidden,).

        Raises:
            InputError: if the query has another length than the texts' vectors.
        """
        cosines = self._cosines_with(query)
        return Ranking(np.argsort(-cosines, kind="stable"), cosines)

    def search(self, query: np.ndarray, top_k: int) -> list[Hit]:
        """The nearest texts, nearest first; equal cosines keep the order of the index.

        Only the nearest are sorted, so a large index costs little more than its matrix product.

        Args:
            query: shape (hidden,).
            top_k: how many; all if there are fewer.

        Raises:
            InputError: if the query has another length than the texts' vectors.
        """
        cosines = self._cosines_with(query)
        if top_k < 1:
            return []
        if top_k >= len(self):
            rows = np.argsort(-cosines, kind="stable")
        else:
            # All that reach the last place, so that of equal ones the first in the index are taken.
            last = np.partition(cosines, len(self) - top_k)[len(self) - top_k]
            near = np.flatnonzero(cosines >= last)
            rows = near[np.argsort(-cosines[near], kind="stable")][:top_k]
        return [Hit(int(row), rank, float(cosines[row])) for rank, row in enumerate(rows, start=1)]

    def _cosines_with(self, query: np.ndarray) -> np.ndarray:
        if query.shape != self._unit.shape[1:]:
            raise InputError(f"the query has shape {query.shape}; the index holds vectors of {self._unit.shape[1]}")
        return self.cosines(query[None])[0]


def _normalized(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _first_of_equals(rows: np.ndarray) -> np.ndarray:
    """For each row the first one that is equal to it; int64 of shape (rows,)."""
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault(row.tobytes(), i) for i, row in enumerate(rows)])


def build_index(
    encode: Callable[[Sequence[str]], np.ndarray],
    texts: Sequence[str],
    *,
    chunk: int = 64,
    largest_chunk: int | None = None,
    max_bytes: int | None = None,
) -> Generator[tuple[int, int], None, SearchIndex]:
    """Index texts, some at a time, so that it can be watched and left.

    Equal texts are encoded once: it saves time, and both get the very same vector.

    Args:
        encode: texts into embeddings of shape (texts, hidden).
        texts: at least one.
        chunk: how many are encoded at once.
        largest_chunk: up to which the chunk doubles while one takes less than a second: the encoder pads less when it
            sees more texts. None: it stays.
        max_bytes: the largest index that is allowed; None for any.

    Yields:
        How many different texts are encoded, and how many there are.

    Returns:
        The index, a row for each text.

    Raises:
        InputError: if the index would be larger than allowed, once the first chunk shows how long vectors are.

    Example:
        >>> def lengths(texts):
        ...     return np.array([[len(text), 1.0] for text in texts])
        >>> steps = build_index(lengths, ["a", "bb", "a"])
        >>> next(steps)
        (2, 2)
    """
    check_arguments(build_index, locals())
    different = list(dict.fromkeys(texts))
    # Alike in length, so that little is padded.
    order = sorted(range(len(different)), key=lambda i: len(different[i]))
    vectors: np.ndarray | None = None
    start = 0
    while start < len(order):
        rows = order[start : start + chunk]
        begun = monotonic()
        embeddings = encode([different[i] for i in rows])
        if vectors is None:
            hidden = embeddings.shape[1]
            if max_bytes is not None and (size := len(texts) * hidden * 4) > max_bytes:
                raise InputError(
                    f"An index of {len(texts):,} texts with vectors of {hidden:,} numbers takes {size / 2**20:,.0f} "
                    f"MiB; at most {max_bytes / 2**20:,.0f} fit. Give at most {int(max_bytes / hidden / 4):,} texts, "
                    "or choose a smaller model."
                )
            vectors = np.empty((len(different), hidden), dtype=np.float32)
        vectors[rows] = embeddings
        if largest_chunk is not None and monotonic() - begun < QUICK_SECONDS:
            chunk = min(2 * chunk, largest_chunk)
        start += len(rows)
        yield start, len(order)
    if vectors is None:
        raise InputError("There is no text; an index needs at least one.")
    position = {text: i for i, text in enumerate(different)}
    return SearchIndex(vectors[[position[text] for text in texts]])
