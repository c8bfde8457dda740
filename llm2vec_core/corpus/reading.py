"""How a file is understood, before its texts are read: what a preview shows and a choice of columns needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from llm2vec_core.corpus.delimited import column_labels, open_table, seems_header
from llm2vec_core.corpus.json_records import json_objects
from llm2vec_core.corpus.lines import open_text, without_end
from llm2vec_core.corpus.parquet import open_parquet
from llm2vec_core.corpus.source import Mended, TextSource, without_surrogates
from llm2vec_core.errors import InputError

ROWS_LOOKED_AT = 20_000
ROWS_SHOWN = 5
_TEXT_NAMES = ("text", "texts", "sentence", "passage", "content", "body", "title", "abstract", "question", "query")
_LABEL_NAMES = ("label", "label_text", "labels", "topic", "category", "class", "subject", "intent")


@dataclass(frozen=True)
class Column:
    """A column of a file.

    Attributes:
        name: as the file has it.
        characters: mean length of its texts; 0 if it holds none.
        texts: whether what it holds are texts, numbers written as texts aside.
        usable: whether it holds texts or numbers, and neither lists nor records.
    """

    name: str
    characters: float
    texts: bool
    usable: bool


@dataclass(frozen=True)
class FileReading:
    """How a file is understood.

    Attributes:
        encoding: of its bytes; "" for parquet.
        delimiter: its name, such as "semicolon"; "" where there is none.
        header: whether a table's first row holds the names of its columns; None where there is no table.
        columns: in their order.
        rows: the first rows, a value a column, as they would be shown.
        notes: what was guessed.
    """

    encoding: str
    delimiter: str
    header: bool | None
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    def guessed_columns(self) -> tuple[str, str | None]:
        """The column that probably holds the texts, and the one that probably holds labels.

        A usual name goes before; else the texts are where the longest are.

        Raises:
            InputError: if no column holds texts.
        """
        usable = {column.name.strip().lower(): column.name for column in reversed(self.columns) if column.usable}
        text = next((usable[name] for name in _TEXT_NAMES if name in usable), None)
        if text is None:
            candidates = [column for column in self.columns if column.texts] or [c for c in self.columns if c.usable]
            if not candidates:
                raise InputError(f"no column holds texts; there are {', '.join(self.names)}")
            text = max(candidates, key=lambda column: column.characters).name
        label = next((usable[name] for name in _LABEL_NAMES if name in usable and usable[name] != text), None)
        return text, label


def inspect_file(source: TextSource, *, header: bool | None = None) -> FileReading:
    """Look at a file's first rows.

    Args:
        source: a file; of standard input nothing may be read ahead. Its columns and its header are not looked at.
        header: of a table, whether its first row holds names; None to find it out.

    Raises:
        InputError: as :func:`~llm2vec_core.corpus.sources.read_records` does.
    """
    if source.path is None:
        raise InputError("the columns of standard input cannot be read ahead; name a file")
    source, mended = replace(source, columns=()), Mended()
    try:
        if source.kind == "parquet":
            return _parquet(source)
        if source.kind == "txt":
            return _lines(source, mended)
        if source.kind in ("csv", "tsv"):
            return _table(source, mended, header)
        return _objects(source, mended)
    except OSError as error:
        raise InputError(f"{source.name!r} cannot be read: {error.strerror or error}") from error


def column_names(source: TextSource) -> tuple[str, ...]:
    """The columns that a file has: of ``.jsonl`` those of all its records, of ``.txt`` one, the line.

    Args:
        source: a file; of standard input nothing may be read ahead.

    Raises:
        InputError: as :func:`~llm2vec_core.corpus.sources.read_records` does.
    """
    return inspect_file(source, header=source.header).names


def _lines(source: TextSource, mended: Mended) -> FileReading:
    with open_text(source, mended) as file:
        rows = [(without_end(line).rstrip("\r"),) for _, line in islice(file.lines(), ROWS_SHOWN)]
    return FileReading(file.encoding.name, "", None, _described(["text"], rows), tuple(rows), tuple(mended.notes))


def _table(source: TextSource, mended: Mended, header: bool | None) -> FileReading:
    with open_table(source, mended) as (file, dialect, parsed):
        rows = list(islice((row for _, row in parsed if row), 100))
    if header is None:
        header = seems_header(rows)
    names = column_labels(rows[0], header) if rows else []
    body = [tuple((row + [""] * len(names))[: len(names)]) for row in rows[int(header) :]]
    delimiter = str(dialect) if len(names) > 1 else ""
    shown = tuple(body[:ROWS_SHOWN])
    return FileReading(file.encoding.name, delimiter, header, _described(names, body), shown, tuple(mended.notes))


def _objects(source: TextSource, mended: Mended) -> FileReading:
    with open_text(source, Mended()) as file:
        encoding = file.encoding.name
    names: dict[str, None] = {}
    records: list[dict[str, Any]] = []
    for _, fields in islice(json_objects(source, mended), ROWS_LOOKED_AT):
        names.update(dict.fromkeys(fields))
        if len(records) < 100:
            records.append(fields)
    rows = [tuple(fields.get(name) for name in names) for fields in records]
    return FileReading(encoding, "", None, _described(list(names), rows), _shown(rows), tuple(mended.notes))


def _parquet(source: TextSource) -> FileReading:
    with open_parquet(source) as file:
        names = list(file.schema_arrow.names)
        batch = next(file.iter_batches(batch_size=100), None)
        values = [] if batch is None else [_values(column) for column in batch.columns]
    rows = list(zip(*values, strict=True))
    return FileReading("", "", None, _described(names, rows), _shown(rows), ())


def _values(column: Any) -> list[Any]:
    """Values of a column; bytes that are no UTF-8 as U+FFFD."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        raw = column.cast(pa.large_string()).cast(pa.large_binary()).to_pylist()
        return [None if value is None else value.decode("utf-8", "replace") for value in raw]
    if pa.types.is_temporal(column.type):  # Python's own dates end with the year 9999
        column = column.cast(pa.string())
    return column.to_pylist()


def _described(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> tuple[Column, ...]:
    columns = []
    for i, name in enumerate(names):
        there = [row[i] for row in rows if row[i] not in (None, "")]
        texts = [value for value in there if isinstance(value, str)]
        words = [text for text in texts if not _is_number(text)]
        usable = not any(isinstance(value, (list, dict, bytes)) for value in there)
        mean = sum(map(len, words)) / len(words) if words else 0.0
        columns.append(Column(name, mean, usable and len(words) * 2 > len(there), usable))
    return tuple(columns)


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _shown(rows: Sequence[Sequence[Any]]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple("" if value is None else without_surrogates(str(value)) for value in row) for row in rows[:ROWS_SHOWN]
    )
