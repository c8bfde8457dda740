"""Texts from files, one after another: memory holds a line, never a file.

A row is a line of a ``.txt`` file, blank lines included, or a record of a ``.csv``, ``.tsv``, ``.jsonl`` or
``.parquet`` file. Only a line feed, or a carriage return before one, ends a line: U+2028 and the other
characters at which ``str.splitlines`` cuts are part of the text.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from llm2vec_core.errors import InputError

STDIN = "-"
# A longer line is a file of another kind: reading on would fill the memory.
MAX_LINE_BYTES = 64 * 2**20
PARQUET_ROWS = 256
PLACES_KEPT = 5
_UTF8_MARK, _UTF16_MARKS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class TextSource:
    """A place that texts come from; made by :func:`open_source`.

    Attributes:
        name: file name, or "-" for standard input.
        path: None for standard input.
        kind: a key of :data:`KINDS`.
        columns: fields to read; a ``.txt`` file has one, the line.
        header: whether a table (csv, tsv) begins with the names of its columns; without, the columns
            are taken by position.
        numbers: whether numbers and truth values count as texts.
    """

    name: str
    path: Path | None
    kind: str
    columns: tuple[str, ...]
    header: bool = True
    numbers: bool = False


@dataclass
class Mended:
    """What could not be read as it stood and was replaced.

    Attributes:
        strict: raise instead of replacing.
        rows: lines or rows that were mended.
        places: the first of them, such as "notes.txt, line 3".
    """

    strict: bool = False
    rows: int = 0
    places: list[str] = field(default_factory=list)

    def decode(self, raw: bytes, name: str, number: int) -> str:
        r"""UTF-8 to text; what is no UTF-8 becomes U+FFFD.

        Args:
            raw: the bytes.
            name: of the file.
            number: of the line or row, from 1.

        Raises:
            InputError: in strict mode, with the first wrong byte.

        Example:
            >>> mended = Mended()
            >>> mended.decode(b"na\xefve", "notes.txt", 3), mended.places
            ('na\ufffdve', ['notes.txt, line 3'])
        """
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            wrong = f"byte {error.start + 1} (0x{raw[error.start]:02x}) is no valid UTF-8"
            self._note(name, number, wrong)
            return raw.decode("utf-8", errors="replace")

    def text(self, value: Any, name: str, number: int) -> str:
        """A field's value as text: null becomes an empty text, a lone surrogate U+FFFD.

        Raises:
            InputError: for a value that is neither text nor null; in strict mode for whatever would
                be mended.
        """
        if value is None:
            self._note(name, number, "the text is null")
            return ""
        if not isinstance(value, str):
            raise InputError(f"{name}, line {number}: expected a text, found {value!r:.60}")
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            self._note(name, number, "half a surrogate pair is no character")
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return value

    def _note(self, name: str, number: int, wrong: str) -> None:
        place = f"{name}, line {number}"
        if self.strict:
            raise InputError(f"{place}: {wrong}; mend the file, or read it without --strict, which replaces it")
        self.rows += 1
        if len(self.places) < PLACES_KEPT:
            self.places.append(place)


def open_source(
    name: str,
    columns: tuple[str, ...] = ("text",),
    *,
    kind: str | None = None,
    header: bool = True,
    numbers: bool = False,
) -> TextSource:
    """Name a file, or standard input, as a source of texts. Nothing is read yet.

    Args:
        name: a path, or "-" for standard input.
        columns: the fields to read.
        kind: a key of :data:`KINDS`; by default the file's suffix, "txt" for standard input.
        header: as in :class:`TextSource`.
        numbers: likewise.

    Raises:
        InputError: if there is no such file, or its kind is unknown.

    Example:
        >>> open_source("-").kind
        'txt'
    """
    path = None if name == STDIN else Path(name)
    shown = STDIN if path is None else path.name
    if path is not None and not path.exists():
        raise InputError(f"there is no file {shown!r}; name a text file, or - for standard input")
    if path is not None and path.is_dir():
        raise InputError(f"{shown!r} is a folder; name the files in it")
    kind = kind or ("txt" if path is None else path.suffix.lower().removeprefix("."))
    if kind not in KINDS:
        raise InputError(f"{shown!r} is of no known kind; name one of {', '.join(KINDS)} (--input-format)")
    if kind == "parquet" and path is None:
        raise InputError("parquet cannot be read from standard input; name the file")
    return TextSource(shown, path, kind, columns, header, numbers)


def read_records(source: TextSource, mended: Mended | None = None) -> Iterator[tuple[str, ...]]:
    """Yield the wanted columns of each row.

    Args:
        source: where from.
        mended: what had to be replaced is noted here.

    Raises:
        InputError: for a missing column or a line that cannot be read; the message names both.
    """
    try:
        yield from KINDS[source.kind](source, mended or Mended())
    except OSError as error:
        raise InputError(f"{source.name!r} cannot be read: {error.strerror or error}") from error


def column_names(source: TextSource) -> tuple[str, ...]:
    """The columns that a file has; of ``.jsonl`` those of its first record, of ``.txt`` one, the line.

    Args:
        source: a file; of standard input nothing may be read ahead.

    Raises:
        InputError: as :func:`read_records` does.
    """
    if source.path is None:
        raise InputError("the columns of standard input cannot be read ahead; name a file")
    if source.kind == "txt":
        return source.columns[:1]
    if source.kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return tuple(pq.read_schema(source.path).names)
        except pa.ArrowInvalid as error:
            raise InputError(f"{source.name} is no readable parquet file: {error!s:.120}") from error
    lines = (line for _, line in _lines(source, Mended()) if line.strip())
    first = next(lines, "")
    if source.kind == "jsonl":
        return tuple(_json_object(first, replace(source, columns=()), 1)) if first else ()
    if source.kind == "tsv" and first:
        return tuple(_without_end(first).split("\t"))
    return tuple(next(csv.reader([first]), ()))


def read_texts(sources: Iterable[TextSource], mended: Mended | None = None) -> Iterator[str]:
    """Yield the first wanted column of each row, source after source.

    Args:
        sources: where from.
        mended: what had to be replaced is noted here.
    """
    for source in sources:
        for values in read_records(source, mended):
            yield values[0]


def _read_txt(source: TextSource, mended: Mended) -> Iterator[tuple[str, ...]]:
    for _, line in _lines(source, mended):
        yield (_without_end(line),)


def _read_jsonl(source: TextSource, mended: Mended) -> Iterator[tuple[str, ...]]:
    for number, line in _lines(source, mended):
        if line.strip():
            fields = _json_object(line, source, number)
            values = (_shown(fields[name], source) for name in source.columns)
            yield tuple(mended.text(value, source.name, number) for value in values)


def _shown(value: Any, source: TextSource) -> Any:
    return str(value) if source.numbers and isinstance(value, (bool, int, float)) else value


def _json_object(line: str, source: TextSource, number: int) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{source.name}, line {number}: no JSON: {line.strip()!r:.60}") from error
    missing = [name for name in source.columns if not isinstance(fields, dict) or name not in fields]
    if missing:
        found = f"fields {', '.join(fields)}" if isinstance(fields, dict) else f"{line.strip()!r:.60}"
        raise InputError(f"{source.name}, line {number}: no field {missing[0]!r} (--column names it); found {found}")
    return fields


def _read_csv(source: TextSource, mended: Mended) -> Iterator[tuple[str, ...]]:
    # The limit also stops a quotation mark that is never closed from swallowing the file.
    csv.field_size_limit(MAX_LINE_BYTES)
    reader = csv.reader((line for _, line in _lines(source, mended)), strict=True)
    try:
        yield from _table(((reader.line_num, row) for row in reader), source)
    except csv.Error as error:
        raise InputError(
            f"{source.name}, line {reader.line_num}: no CSV ({error}); is a quotation mark open?"
        ) from error


def _read_tsv(source: TextSource, mended: Mended) -> Iterator[tuple[str, ...]]:
    lines = ((number, _without_end(line)) for number, line in _lines(source, mended))
    yield from _table(((number, line.split("\t") if line else []) for number, line in lines), source)


def _table(rows: Iterator[tuple[int, list[str]]], source: TextSource) -> Iterator[tuple[str, ...]]:
    width, wanted = len(source.columns), range(len(source.columns))
    if source.header:
        _, names = next(rows, (0, []))
        wanted = [_position(name, names, source) for name in source.columns]
        width = len(names)
    for number, row in rows:
        if not row:
            continue  # A blank line is no record: an empty text is written "".
        if len(row) != width:
            raise InputError(f"{source.name}, line {number}: {len(row)} fields where {width} are expected")
        yield tuple(row[position] for position in wanted)


def _position(column: str, names: list[str], source: TextSource) -> int:
    if column not in names:
        raise InputError(f"{source.name} has no column {column!r}; it has {', '.join(names) or 'none'} (--column)")
    return names.index(column)


def _read_parquet(source: TextSource, mended: Mended) -> Iterator[tuple[str, ...]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # A buffer keeps memory small even if the file is one huge row group.
        with pq.ParquetFile(source.path, buffer_size=2**20, pre_buffer=False) as file:
            for name in source.columns:
                _position(name, file.schema_arrow.names, source)
            number = 0
            for batch in file.iter_batches(batch_size=PARQUET_ROWS, columns=list(source.columns)):
                for values in zip(*(_raw_values(batch.column(name), source) for name in source.columns), strict=True):
                    number += 1
                    yield tuple(_parquet_text(value, source.name, number, mended) for value in values)
    except pa.ArrowInvalid as error:
        raise InputError(f"{source.name} is no readable parquet file: {error!s:.120}") from error


def _raw_values(column: Any, source: TextSource) -> list[bytes | None]:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    if source.numbers and any(is_kind(column.type) for is_kind in kinds):
        column = column.cast(pa.string())
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise InputError(f"a column of {source.name} holds {column.type}; expected texts (--column names another)")
    # As bytes, because a text in it may be no valid UTF-8.
    return column.cast(pa.binary() if pa.types.is_string(column.type) else pa.large_binary()).to_pylist()


def _parquet_text(value: bytes | None, name: str, number: int, mended: Mended) -> str:
    return mended.text(None, name, number) if value is None else mended.decode(value, name, number)


def _lines(source: TextSource, mended: Mended) -> Iterator[tuple[int, str]]:
    with _stream(source) as stream:
        for number in count(1):
            raw = stream.readline(MAX_LINE_BYTES + 1)
            if not raw:
                return
            if len(raw) > MAX_LINE_BYTES:
                raise InputError(
                    f"{source.name}, line {number}: longer than {MAX_LINE_BYTES // 2**20} MiB; is it a text file?"
                )
            if number == 1:
                raw = _without_mark(raw, source)
            yield number, mended.decode(raw, source.name, number)


@contextmanager
def _stream(source: TextSource) -> Iterator[BinaryIO]:
    if source.path is None:
        yield sys.stdin.buffer
    else:
        with source.path.open("rb") as stream:
            yield stream


def _without_mark(raw: bytes, source: TextSource) -> bytes:
    if raw.startswith(_UTF16_MARKS):
        raise InputError(f"{source.name} is UTF-16; convert it first: iconv -f UTF-16 -t UTF-8")
    return raw.removeprefix(_UTF8_MARK)


def _without_end(line: str) -> str:
    return line[:-2] if line.endswith("\r\n") else line.removesuffix("\n")


KINDS: dict[str, Callable[[TextSource, Mended], Iterator[tuple[str, ...]]]] = {
    "txt": _read_txt,
    "jsonl": _read_jsonl,
    "csv": _read_csv,
    "tsv": _read_tsv,
    "parquet": _read_parquet,
}
