"""Labelled data from parquet files, refused with a reason where it cannot be used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from llm2vec_core.errors import InputError

TEXT_COLUMNS = ("text", "title", "sentence1", "sentence2")


def columns_of(file: Path) -> frozenset[str]:
    """The names of a file's columns.

    Raises:
        InputError: if it is missing or no parquet file.
    """
    if not file.is_file():
        raise InputError(f"there is no file {file.name!r} in the folder of evaluation sets")
    try:
        return frozenset(pq.read_schema(file).names)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{file.name} is empty or no parquet file: write it again") from error


def read_table(file: Path, needed: Iterable[str], aliases: Mapping[str, str] | None = None) -> pa.Table:
    """Read a file that has these columns, with no value missing in them.

    Args:
        file: a parquet file.
        needed: names of columns.
        aliases: other names of such columns, and what they are called here.

    Returns:
        All columns.

    Raises:
        InputError: if the file or a column is missing, if it has no rows, if a value is missing, or if a column
            of texts holds something else.
    """
    needed, there = sorted(needed), columns_of(file)
    renamed = {name: own for name, own in (aliases or {}).items() if name in there and own not in there}
    missing = [name for name in needed if name not in there and name not in renamed.values()]
    if missing:
        raise InputError(f"{file.name} has no column {', '.join(missing)}")
    table = pq.read_table(file)
    table = table.rename_columns([renamed.get(name, name) for name in table.column_names])
    if not table.num_rows:
        raise InputError(f"{file.name} has no rows")
    for name in needed:
        column = table[name]
        if pa.types.is_dictionary(column.type):  # pandas' categories
            column = column.cast(column.type.value_type)
            table = table.set_column(table.column_names.index(name), name, column)
        if column.null_count:
            row = pc.index(pc.is_null(column), True).as_py()
            raise InputError(f"{file.name}: row {row} has no value in column {name}")
        if name in TEXT_COLUMNS and not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            raise InputError(f"{file.name}: column {name} holds {column.type} and no texts")
    return table


def rows_of_split(table: pa.Table, split: str, name: str) -> pa.Table:
    """The rows of a split; all of them where no column says which.

    Raises:
        InputError: if there are none.
    """
    if "split" not in table.column_names:
        return table
    rows = table.filter(pc.equal(table["split"], split))
    if not rows.num_rows:
        found = ", ".join(sorted(map(str, pc.unique(table["split"]).to_pylist())))
        raise InputError(f"{name} has no rows of the split {split!r}, only {found}")
    return rows


def spread(count: int, limit: int | None) -> np.ndarray:
    """At most ``limit`` of so many rows, evenly spread: files are often sorted by label.

    Example:
        >>> spread(9, 3).tolist(), spread(2, 3).tolist()
        ([0, 3, 6], [0, 1])
    """
    if limit is None or limit >= count:
        return np.arange(count)
    return np.arange(limit) * count // limit
