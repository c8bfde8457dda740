"""Search a Lance dataset by cosine: exactly while it is small, by an IVF-PQ index once that pays, filtered by columns.

IVF-PQ: vectors are sorted into cells around centroids and stored as a few bytes each; a query reads the cells nearest
to it and compares the best candidates again with their full vectors (Jégou et al., "Product quantization for nearest
neighbor search", 2011). How many cells a search has to read is measured when the index is built.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from llm2vec_core.corpus.lance_files import (
    PROBE_KEY,
    ROWS_PER_FILE,
    join_shards,
    lance_settings,
    open_lance,
    system_errors,
)
from llm2vec_core.corpus.parts import PROBE
from llm2vec_core.errors import InputError

EXACT_BELOW = 100_000
# Lance's own proportion: a cell is read in one piece.
ROWS_PER_CELL = 8192
INDEX, INDEX_KEY = "embedding_ivf_pq", "llm2vec_core.index"
TOP = 10
FIRST_CELLS, WANTED_RECALL, MOST_QUERIES = 20, 0.95, 100
# Candidates that are compared again with their full vectors, for each hit that is asked for; and at most.
REFINE, MOST_REFINE = 10, 160
# Rounding and fewer bits leave 0.998 and more; other weights, directions or pooling far less.
SAME_ENCODER = 0.98
_BATCH_ROWS = 8192


@dataclass(frozen=True)
class IndexReport:
    """What :func:`build_index` did.

    Attributes:
        rows: of the dataset.
        cells: of the index; 0 where there is none, because every row is compared.
        cells_read: by each search.
        refine: candidates that are compared again with their full vectors, for each hit that is asked for.
        recall: of the 10 nearest rows, the share that a search finds; mean over ``queries``. 1 without an index.
        queries: rows of the dataset that were searched for.
    """

    rows: int
    cells: int = 0
    cells_read: int = 0
    refine: int = 0
    recall: float = 1.0
    queries: int = 0


@dataclass(frozen=True)
class CorpusHit:
    """One result.

    Attributes:
        row: of the text in the corpus.
        rank: from 1.
        cosine: with the query.
        text: None if the dataset holds none.
        kept: the other columns.
    """

    row: int
    rank: int
    cosine: float
    text: str | None = None
    kept: dict[str, Any] = field(default_factory=dict)


class LanceCorpus:
    """A dataset that is open for search; nothing of it is read before that.

    Args:
        path: of the dataset.

    Raises:
        InputError: if it cannot be read, or has an index that was built for other distances.
        MissingPackageError: without the extra ``search``.

    Example:
        >>> import tempfile
        >>> from llm2vec_core.corpus.encoding import CorpusEncoding
        >>> def lengths(texts, progress):
        ...     return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     out = Path(folder) / "lengths.lance"
        ...     report = CorpusEncoding(out, {}).run(lengths, ["a", "bb", "cccc"])
        ...     hits = LanceCorpus(out).search(np.array([2.0, 1.0]), 2, where="row > 0")
        ...     [(hit.rank, hit.text) for hit in hits]
        [(1, 'bb'), (2, 'cccc')]
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._dataset = open_lance(path)
        self.hidden = self._dataset.schema.field("embedding").type.list_size
        self._cells_read = self._refine = self._indexed = 0
        indices = _vector_indices(self._dataset)
        if foreign := [name for name in indices if name != INDEX]:
            raise InputError(
                f"the index {foreign[0]!r} of {self.name!r} was built by another program, perhaps for other distances: "
                f"index build {self.name}"
            )
        if indices:
            found = json.loads(self._dataset.config().get(INDEX_KEY, "{}"))
            self._cells_read, self._refine = found.get("cells_read", FIRST_CELLS), found.get("refine", REFINE)
            self._indexed = indices[INDEX]

    def __len__(self) -> int:
        return self._dataset.count_rows()

    @property
    def unindexed(self) -> int:
        """Rows that came after the index was built; each search compares all of them, which takes time."""
        return len(self) - self._indexed if self._cells_read else 0

    def refuse_other_encoder(self, encode: Callable[[Sequence[str]], np.ndarray], settings: dict[str, Any]) -> None:
        """Stop unless queries are encoded by what encoded the corpus.

        Args:
            encode: texts to embeddings, as the corpus was encoded.
            settings: of the query's encoder, to name what differs.

        Raises:
            InputError: if vectors have another length, or a fixed text has another vector.
        """
        stored = json.loads((self._dataset.schema.metadata or {}).get(PROBE_KEY.encode(), b"[]"))
        probe = encode([PROBE])[0]
        if len(probe) != self.hidden:
            raise InputError(
                f"{self.name!r} has vectors of {self.hidden} numbers, but the query's encoder makes {len(probe)}; name "
                "the model that it was encoded with (--model)"
            )
        # Datasets of other programs have no probe.
        if not stored or _cosine(np.asarray(stored), probe) >= SAME_ENCODER:
            return
        then = lance_settings(self._dataset)
        differing = [name for name in {**settings, **then} if name in settings and then.get(name) != settings[name]]
        changes = [f"{name} was {then.get(name)!r:.80} and is {settings[name]!r:.80}" for name in differing]
        raise InputError(
            f"{self.name!r} was built on other embeddings than the query's encoder makes: "
            f"{[*changes, 'its weights or its options changed'][0]}; name the model that it was encoded with"
        )

    def search(self, query: np.ndarray, top_k: int, where: str | None = None) -> list[CorpusHit]:
        """The nearest rows, nearest first; equal cosines in the order of the corpus.

        Args:
            query: shape (hidden,).
            top_k: how many; fewer if fewer rows pass the filter.
            where: SQL over the columns that a row must satisfy, such as ``topic = 'water' AND row < 1000``.

        Raises:
            InputError: for a query of another length or without a direction, or a filter that cannot be understood.
        """
        if query.shape != (self.hidden,):
            raise InputError(f"the query has shape {query.shape}; {self.name!r} holds vectors of {self.hidden}")
        if not np.isfinite(query).all() or not query.any():
            raise InputError("the query's vector is zero, NaN or infinite; its encoder is broken")
        nearest: dict[str, Any] = {
            "column": "embedding", "q": query.astype(np.float32), "k": top_k, "metric": "cosine",
            "use_index": bool(self._cells_read),
        }  # fmt: skip
        if self._cells_read:
            # At least so many: a narrow filter makes the search go on to further cells.
            nearest |= {"minimum_nprobes": self._cells_read, "refine_factor": self._refine}
        names = [name for name in self._dataset.schema.names if name != "embedding"]
        try:
            table = self._dataset.to_table(columns=[*names, "_distance"], nearest=nearest, filter=where, prefilter=True)
        except (ValueError, OSError) as error:
            if where is None:
                raise InputError(f"{self.name!r} cannot be searched ({error!s:.80})") from error
            raise InputError(
                f"the filter {where!r:.80} cannot be used ({_first_sentence(error)}); it is SQL over "
                f"{', '.join(names)}, such as row < 1000"
            ) from error
        rows = sorted(table.to_pylist(), key=lambda row: (row["_distance"], row["row"]))
        return [_hit(rank, row) for rank, row in enumerate(rows, start=1)]


def build_index(path: Path, *, exact_below: int = EXACT_BELOW, rows_per_cell: int = ROWS_PER_CELL) -> IndexReport:
    """Join shards, join small files, and build an index if the dataset is large enough to need one.

    Args:
        path: of the dataset, or of the folder of its shards.
        exact_below: rows from which there is an index; fewer are compared one by one.
        rows_per_cell: of the index, in the mean.

    Raises:
        InputError: if the dataset cannot be read, or a shard is missing.
        OSError: if it cannot be written; with ``errno.ENOSPC`` where the disk is full. The dataset is then as it was.
        MissingPackageError: without the extra ``search``.
    """
    with system_errors():
        join_shards(path)
        dataset = open_lance(path)
        dataset.optimize.compact_files(target_rows_per_fragment=ROWS_PER_FILE)
        for name in _vector_indices(dataset):
            dataset.drop_index(name)
        rows = dataset.count_rows()
        report = IndexReport(rows)
        if rows >= exact_below:
            report = _build_ivf_pq(dataset, rows, max(1, rows // rows_per_cell))
            found = {"cells_read": report.cells_read, "refine": report.refine, "recall": report.recall}
            dataset.update_config({INDEX_KEY: json.dumps(found)})
        # Versions before this one name files that nobody needs any more.
        dataset.cleanup_old_versions(older_than=timedelta(0))
    return report


def _build_ivf_pq(dataset: Any, rows: int, cells: int) -> IndexReport:
    hidden = dataset.schema.field("embedding").type.list_size
    # Eight numbers share a byte, so that 384 float32 become 48 bytes. Lance trains a cell on 256 rows at least.
    width = next(width for width in (8, 4, 2, 1) if hidden % width == 0)
    dataset.create_index(
        "embedding", "IVF_PQ", name=INDEX, metric="cosine", num_partitions=cells, num_sub_vectors=hidden // width
    )
    queries, worst = _exact_queries(dataset, rows)

    def measured(cells_read: int, refine: int) -> IndexReport:
        recall = _recall(dataset, queries, worst, cells_read, refine)
        return IndexReport(rows, cells, cells_read, refine, recall, len(queries))

    report = measured(min(FIRST_CELLS, cells), REFINE)
    while report.recall < WANTED_RECALL:
        # A neighbour is missed in a cell that was not read, or among candidates that their few bytes put too far down.
        more = {
            (min(2 * report.cells_read, cells), report.refine),
            (report.cells_read, min(4 * report.refine, MOST_REFINE)),
        }
        further = [measured(*reading) for reading in sorted(more - {(report.cells_read, report.refine)})]
        if not further:
            break
        report = max(further, key=lambda found: found.recall)
    return report


def _exact_queries(dataset: Any, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to search for, and the cosine of their tenth nearest neighbour; one pass over the dataset."""
    places = np.unique(np.linspace(0, rows - 1, min(rows, MOST_QUERIES)).astype(np.int64))
    queries = _unit(_vectors(dataset.take(places.tolist(), columns=["embedding"])["embedding"]))
    # Each finds itself as well.
    best = np.full((len(queries), TOP + 1), -np.inf, dtype=np.float32)
    for batch in dataset.to_batches(columns=["embedding"], batch_size=_BATCH_ROWS):
        cosines = queries @ _unit(_vectors(batch.column("embedding"))).T
        best = -np.sort(-np.concatenate([best, cosines], axis=1), axis=1)[:, : TOP + 1]
    return queries, best[:, -1]


def _recall(dataset: Any, queries: np.ndarray, worst: np.ndarray, cells_read: int, refine: int) -> float:
    found = []
    for query, cosine in zip(queries, worst, strict=True):
        nearest = {
            "column": "embedding", "q": query, "k": TOP + 1, "metric": "cosine", "minimum_nprobes": cells_read,
            "maximum_nprobes": cells_read, "refine_factor": refine,
        }  # fmt: skip
        distances = dataset.to_table(columns=["_distance"], nearest=nearest)["_distance"].to_numpy()
        # Of rows with equal vectors any will do. Itself does not count.
        found.append(((1 - distances >= cosine - 1e-5).sum() - 1) / TOP)
    return float(np.mean(found))


def _vector_indices(dataset: Any) -> dict[str, int]:
    """The indices over the embeddings, and how many rows each covers."""
    return {i.name: i.num_rows_indexed for i in dataset.describe_indices() if "embedding" in i.field_names}


def _vectors(column: Any) -> np.ndarray:
    chunks = column.chunks if hasattr(column, "chunks") else [column]
    return np.concatenate([chunk.flatten().to_numpy() for chunk in chunks]).reshape(len(column), -1)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12)) if a.shape == b.shape else 0.0


def _first_sentence(error: Exception) -> str:
    return str(error).removeprefix("Invalid user input: ").split(". ")[0].split(", /")[0][:120]


def _hit(rank: int, row: dict[str, Any]) -> CorpusHit:
    kept = {name: value for name, value in row.items() if name not in ("row", "text", "_distance")}
    return CorpusHit(row["row"], rank, 1 - row["_distance"], row.get("text"), kept)
