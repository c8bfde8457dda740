"""The parts of a job: what is still to be encoded, how its vectors are written, and who does it (an engine)."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import numpy as np
import pyarrow.parquet as pq

from llm2vec_core.corpus.outputs import PARQUET_OPTIONS, embedding_table, whole_file
from llm2vec_core.corpus.shards import Corpus, Record, fields
from llm2vec_core.errors import InputError, ModelError

PROBE = "Would these weights give the vectors that they gave before?"
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# (texts, progress) -> float32 (texts, hidden); progress takes (texts done, texts in all) of this call.
Encode = Callable[[Sequence[str], Callable[[int, int], None]], np.ndarray]


@dataclass(frozen=True)
class Part:
    """A run of rows that become one file.

    Attributes:
        number: of the part, from 0.
        first_row: number of its first text among the job's.
        records: its texts, with the values of kept columns behind them if there are any.
    """

    number: int
    first_row: int
    records: Sequence[Record]

    @property
    def texts(self) -> list[str]:
        """What is encoded."""
        return [fields(item)[0] for item in self.records]


@dataclass(frozen=True)
class PartWriter:
    """Writes parts, in whichever process or machine they were encoded; a part is whole or not there.

    Attributes:
        folder: of the parts.
        out: name of the output, for messages.
        first_row: number of the job's first text in the corpus.
        keep_texts: whether parts hold their texts.
        kept: names of the columns whose values stand behind the texts.
    """

    folder: Path
    out: str
    first_row: int = 0
    keep_texts: bool = True
    kept: tuple[str, ...] = ()

    def path(self, number: int) -> Path:
        """Where a part lies."""
        return self.folder / f"part-{number:06d}.parquet"

    def __call__(self, part: Part, embeddings: np.ndarray) -> None:
        """Write a part.

        Args:
            part: its texts.
            embeddings: float32 of shape (texts, hidden).

        Raises:
            ModelError: for numbers that are not finite.
            InputError: if the disk is full or cannot be written.
        """
        first = self.first_row + part.first_row
        if not np.isfinite(embeddings).all():
            worst = first + int(np.flatnonzero(~np.isfinite(embeddings).all(axis=1))[0])
            raise ModelError(
                f"the encoder gives NaN or infinity for row {worst}; its weights or its dtype are at fault"
            )
        texts, *kept = (list(column) for column in zip(*map(fields, part.records), strict=True))
        columns = dict(zip(self.kept, kept, strict=True))
        table = embedding_table(first, texts if self.keep_texts else None, embeddings, columns)
        table = table.replace_schema_metadata({b"texts": digest(part.records)})
        path = self.path(part.number)
        # A name of its own: an actor that is taken for dead may still be writing when its part is encoded again.
        temporary = path.with_name(f"{path.name}.{uuid4().hex}.tmp")
        with disk_errors(self.out, part.first_row), whole_file(path, temporary) as file:
            pq.write_table(table, file, **PARQUET_OPTIONS)


class Engine(Protocol):
    """Encodes parts: here, or in processes and on machines of its own."""

    def probe(self) -> np.ndarray:
        """What the encoder makes of :data:`PROBE`; float32 of shape (hidden,)."""
        ...

    def run(self, pending: Iterator[Part], write: PartWriter, within: Callable[[int], None]) -> Iterator[int]:
        """Encode and write parts.

        Args:
            pending: the parts, in order; finding out which are pending is part of iterating.
            write: writes one.
            within: may be told how many rows of the part at work are encoded.

        Yields:
            The number of rows of each part that is written, in whatever order.
        """
        ...


class InProcess:
    """The engine that encodes one part after another, here.

    Args:
        encode: texts into embeddings.
    """

    def __init__(self, encode: Encode) -> None:
        self._encode = encode

    def probe(self) -> np.ndarray:
        """As of :class:`Engine`."""
        return self._encode([PROBE], lambda *_: None)[0]

    def run(self, pending: Iterator[Part], write: PartWriter, within: Callable[[int], None]) -> Iterator[int]:
        """As of :class:`Engine`."""
        for part in pending:
            write(part, self._encode(part.texts, lambda done, _: within(done)))
            yield len(part.records)


def digest(records: Sequence[Record]) -> bytes:
    """Of a part's texts and kept values, by which it is known again."""
    return Corpus.survey(records).digest.encode("ascii")


@contextmanager
def disk_errors(name: str, rows: int = 0) -> Iterator[Any]:
    """Say what a full disk or a place that cannot be written means for the output of this name."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise InputError(
                f"the disk is full, so {name!r} could not be finished. The first {rows:,} rows are kept beside it; "
                "free some space and give the same command again: it goes on behind them"
            ) from error
        raise InputError(f"{name!r} cannot be written: {error.strerror or error}") from error
