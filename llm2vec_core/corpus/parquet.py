"""Columns of parquet files, a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llm2vec_core.corpus.encodings import refuse_container
from llm2vec_core.corpus.source import Mended, TextSource
from llm2vec_core.errors import InputError

PARQUET_ROWS = 256


@contextmanager
def open_parquet(source: TextSource) -> Iterator[Any]:
    """Open a parquet file.

    Raises:
        InputError: if it is none, or broken.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if source.path is None:
        raise InputError("a parquet file cannot be read from standard input: give its name")
    with source.path.open("rb") as stream:
        head = stream.read(64)
    if not head.startswith(b"PAR1"):
        refuse_container(head, source.name)
    try:
        # A buffer keeps memory small even if the file is one huge row group.
        with pq.ParquetFile(source.path, buffer_size=2**20, pre_buffer=False) as file:
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
        raise InputError(f"{source.name} is no readable parquet file: {error!s:.120}") from error


def read_parquet(source: TextSource, mended: Mended) -> Iterator[tuple[str, ...]]:
    """Yield the wanted columns of each row of a ``.parquet`` file."""
    with open_parquet(source) as file:
        names = file.schema_arrow.names
        for name in source.columns:
            if names.count(name) > 1:
                raise InputError(f"{source.name} has the column {name!r} {names.count(name)} times")
            if name not in names and name not in source.optional:
                raise source.no_column(name, names)
        there = [name for name in source.columns if name in names]
        number = 0
        for batch in file.iter_batches(batch_size=PARQUET_ROWS, columns=there):
            values = {name: _raw_values(batch.column(name), name, source) for name in there}
            for i in range(batch.num_rows):
                number += 1
                row = (values[name][i] if name in values else None for name in source.columns)
                yield tuple(
                    mended.decode(value, source.name, number)
                    if isinstance(value, bytes)
                    else source.text(value, name, number, mended)
                    for name, value in zip(source.columns, row, strict=True)
                )


def check_parquet(file: Path, columns: Sequence[str], *, rows: int, unpacked: int, characters: int) -> None:
    """Refuse a file from elsewhere that would take too much to read: a page of equal bytes unpacks to a thousand times.

    Args:
        file: whose texts are not read, but for the lengths of the values in these columns.
        columns: that will be read; those that hold lists or records are left to the reader.
        rows: at most so many.
        unpacked: bytes that the whole file may unpack to.
        characters: of the longest text; a character is at most four bytes.

    Raises:
        InputError: saying what is too much, or that the file is broken.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(file)
        known = [f.name for f in schema if f.name in columns and not pa.types.is_nested(f.type)]
        with pq.ParquetFile(file, read_dictionary=known, pre_buffer=False) as parquet:
            found = parquet.metadata
            if found.num_rows > rows:
                raise InputError(f"{file.name} has {found.num_rows:,} rows; at most {rows:,} fit.")
            size = sum(found.row_group(i).total_byte_size for i in range(found.num_row_groups))
            if size > unpacked:
                raise InputError(f"{file.name} unpacks to {size / 2**20:,.0f} MiB; at most {unpacked >> 20} MiB fit.")
            # Kept as a dictionary, a long value that is repeated in each row takes its room once.
            for batch in parquet.iter_batches(batch_size=1024, columns=known):
                for column in batch.columns:
                    values = column.dictionary if isinstance(column, pa.DictionaryArray) else column
                    if not pa.types.is_string(values.type) and not pa.types.is_large_string(values.type):
                        continue
                    longest = pc.max(pc.binary_length(values)).as_py() or 0
                    if longest > 4 * characters:
                        raise InputError(
                            f"{file.name} holds a text of {longest:,} bytes; at most {characters:,} characters fit."
                        )
    except (pa.ArrowException, OSError) as error:  # the latter for broken metadata
        raise InputError(f"{file.name} is no readable parquet file: {error!s:.120}") from error


def _raw_values(column: Any, name: str, source: TextSource) -> list[Any]:
    import pyarrow as pa

    kind = pa.types
    if kind.is_dictionary(column.type):
        column = column.dictionary_decode()
    if kind.is_string_view(column.type):
        column = column.cast(pa.large_string())
    numbers = (kind.is_integer, kind.is_floating, kind.is_boolean, kind.is_decimal, kind.is_temporal)
    if source.takes_numbers(name) and any(is_kind(column.type) for is_kind in numbers):
        return column.cast(pa.string()).to_pylist()
    if kind.is_string(column.type) or kind.is_large_string(column.type):
        # As bytes, because a text in it may be no valid UTF-8.
        return column.cast(pa.binary() if kind.is_string(column.type) else pa.large_binary()).to_pylist()
    is_list = kind.is_list(column.type) or kind.is_large_list(column.type) or kind.is_fixed_size_list(column.type)
    if kind.is_null(column.type) or (is_list and name in source.lists):
        return column.to_pylist()
    hint = f" ({source.hint})" if source.hint else ""
    raise InputError(f"column {name!r} of {source.name} holds {column.type!s:.80}; expected texts{hint}")
