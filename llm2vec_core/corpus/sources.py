"""Texts from files, one after another: memory holds a line, never a file.

A row is a line of a ``.txt`` file, blank lines included, or a record of a ``.csv``, ``.tsv``, ``.jsonl``, ``.json`` or
``.parquet`` file. Only a line feed, or a carriage return before one, ends a line of text: U+2028 and the other
characters at which ``str.splitlines`` cuts are part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from llm2vec_core.corpus.delimited import read_table
from llm2vec_core.corpus.encodings import HEAD_BYTES, refuse_container
from llm2vec_core.corpus.json_records import read_json
from llm2vec_core.corpus.lines import open_text, without_end
from llm2vec_core.corpus.parquet import read_parquet
from llm2vec_core.corpus.source import STDIN, Mended, TextSource
from llm2vec_core.errors import InputError


def open_source(
    name: str,
    columns: tuple[str, ...] = ("text",),
    *,
    kind: str | None = None,
    header: bool = True,
    numbers: bool = False,
    optional: Iterable[str] = (),
    lists: Iterable[str] = (),
    labels: Iterable[str] = (),
    encoding: str | None = None,
    hint: str = "",
    header_hint: str = "",
    encoding_hint: str = "",
) -> TextSource:
    """Name a file, or standard input, as a source of texts; what follows is as in :class:`TextSource`.

    Args:
        name: a path, or "-" for standard input.
        columns: the fields to read.
        kind: a key of :data:`KINDS`; by default the file's suffix, "txt" for standard input.
        header: whether a table begins with the names of its columns.
        numbers: whether numbers count as texts.
        optional: columns that may be missing.
        lists: columns that may hold lists of texts.
        labels: columns that hold no text to encode, but what belongs to one.
        encoding: of the bytes; None to find it out.
        hint: how users name another column.
        header_hint: how they say that a table has no header.
        encoding_hint: how they name an encoding.

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
        if path is not None and path.is_file():
            with path.open("rb") as stream:
                refuse_container(stream.read(HEAD_BYTES), shown)
        raise InputError(f"{shown!r} is of no known kind; name one of {', '.join(KINDS)} (--input-format)")
    if kind == "parquet" and path is None:
        raise InputError("parquet cannot be read from standard input; name the file")
    source = TextSource(
        shown,
        path,
        kind,
        columns,
        header,
        numbers,
        frozenset(optional),
        frozenset(lists),
        frozenset(labels),
        encoding,
        hint,
        header_hint,
        encoding_hint,
    )
    if kind == "txt" and source.labels:
        raise source.no_column(columns[-1], columns[:1])
    return source


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


def read_texts(sources: Iterable[TextSource], mended: Mended | None = None) -> Iterator[str]:
    """Yield the first wanted column of each row, source after source.

    Args:
        sources: where from.
        mended: what had to be replaced is noted here.
    """
    for source in sources:
        for values in read_records(source, mended):
            yield values[0]


def read_labelled(sources: Iterable[TextSource], mended: Mended | None = None) -> Iterator[str | tuple[str, ...]]:
    """Yield each row's text, with the values of further wanted columns behind it if there are any.

    Args:
        sources: where from.
        mended: what had to be replaced is noted here.
    """
    for source in sources:
        for values in read_records(source, mended):
            yield values if len(values) > 1 else values[0]


def _read_txt(source: TextSource, mended: Mended) -> Iterator[tuple[str, ...]]:
    with open_text(source, mended) as file:
        for _, line in file.lines():
            yield (line.removesuffix("\r") if file.encoding.carriage_returns else without_end(line),)


KINDS: dict[str, Callable[[TextSource, Mended], Iterator[tuple[str, ...]]]] = {
    "txt": _read_txt,
    "jsonl": read_json,
    "json": read_json,
    "csv": read_table,
    "tsv": read_table,
    "parquet": read_parquet,
}
