"""Files of embeddings: written from parts in bounded memory, and read back.

| suffix | holds |
|---|---|
| ``.parquet`` | ``row`` (int64), ``text`` unless left out, ``embedding`` (fixed-size list of float32) |
| ``.npy`` | the float32 matrix alone, shape (rows, hidden) |
| ``.jsonl`` | one object a line: ``{"row": 0, "text": "...", "embedding": [...]}`` |
| ``.csv`` | ``row``, ``text`` unless left out, one column an element (``0``, ``1``, ...); no text can be a formula |
| ``.lance`` | a folder; as ``.parquet``, and it can be indexed and filtered (:mod:`llm2vec_core.corpus.lance_files`) |

Columns of the input that are kept stand between ``text`` and ``embedding``; ``.npy`` has none.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from llm2vec_core.corpus import lance_files
from llm2vec_core.corpus.shards import check_rows, is_sharded, read_manifest, shard_files
from llm2vec_core.errors import InputError

SETTINGS_KEY = b"llm2vec_core"
# Statistics of a million numbers help no reader; "row" keeps its own, so that a range of rows is found at once.
PARQUET_OPTIONS = {"compression": "zstd", "use_dictionary": False, "write_statistics": ["row"]}


def embedding_table(
    first_row: int,
    texts: Sequence[str] | None,
    embeddings: np.ndarray,
    kept: Mapping[str, Sequence[str]] | None = None,
) -> pa.Table:
    """Rows as an Arrow table.

    Args:
        first_row: position of the first text in the input.
        texts: None leaves the column out.
        embeddings: float32 of shape (rows, hidden).
        kept: other columns of the input, by name.

    Example:
        >>> embedding_table(7, ["a"], np.zeros((1, 2), dtype=np.float32)).to_pylist()
        [{'row': 7, 'text': 'a', 'embedding': [0.0, 0.0]}]
    """
    rows = pa.array(np.arange(first_row, first_row + len(embeddings), dtype=np.int64))
    values = pa.array(np.ascontiguousarray(embeddings, dtype=np.float32).reshape(-1))
    columns = {"row": rows}
    if texts is not None:
        columns["text"] = pa.array(texts, type=pa.string())
    columns |= {name: pa.array(column, type=pa.string()) for name, column in (kept or {}).items()}
    columns["embedding"] = pa.FixedSizeListArray.from_arrays(values, embeddings.shape[1])
    return pa.table(columns)


def matrix(table: pa.Table) -> np.ndarray:
    """The embeddings of a table of :func:`embedding_table`: float32 of shape (rows, hidden)."""
    values = pa.concat_arrays([chunk.flatten() for chunk in table["embedding"].chunks])
    return values.to_numpy().reshape(table.num_rows, -1)


def write_parquet(file: BinaryIO, parts: Iterable[pa.Table], rows: int, settings: dict[str, Any]) -> None:
    """Write parts, each as a row group; the settings go into the file's metadata."""
    writer = None
    try:
        for part in parts:
            table = part.replace_schema_metadata({SETTINGS_KEY: json.dumps(settings)})
            writer = writer or pq.ParquetWriter(file, table.schema, **PARQUET_OPTIONS)
            writer.write_table(table)
    finally:
        if writer:
            writer.close()


def write_npy(file: BinaryIO, parts: Iterable[pa.Table], rows: int, settings: dict[str, Any]) -> None:
    """Write one matrix; its header needs the number of rows beforehand."""
    for number, part in enumerate(parts):
        values = matrix(part)
        if number == 0:
            header = {"descr": "<f4", "fortran_order": False, "shape": (rows, values.shape[1])}
            np.lib.format.write_array_header_1_0(file, header)
        file.write(values.astype("<f4", copy=False).tobytes())


def write_jsonl(file: BinaryIO, parts: Iterable[pa.Table], rows: int, settings: dict[str, Any]) -> None:
    """Write one object a line; each number as short as float32 allows."""
    for part in parts:
        records = part.drop_columns(["embedding"]).to_pylist()
        for record, vector in zip(records, matrix(part), strict=True):
            # float32 -> its shortest decimal -> the Python float that prints as that decimal.
            numbers = vector.astype("U").astype(np.float64).tolist()
            line = json.dumps({**record, "embedding": numbers}, ensure_ascii=False)
            file.write(line.encode("utf-8") + b"\n")


def write_csv(file: BinaryIO, parts: Iterable[pa.Table], rows: int, settings: dict[str, Any]) -> None:
    """Write one line a row, for spreadsheets; each number as short as float32 allows."""
    for number, part in enumerate(parts):
        lines = io.StringIO()
        writer = csv.writer(lines)
        values = matrix(part)
        names = [name for name in part.column_names if name != "embedding"]
        if number == 0:
            writer.writerow([*names, *range(values.shape[1])])
        columns = [
            [no_formula(value) if isinstance(value, str) else value for value in part[name].to_pylist()]
            for name in names
        ]
        writer.writerows([*told, *vector] for *told, vector in zip(*columns, values.astype("U"), strict=True))
        file.write(lines.getvalue().encode("utf-8"))


def no_formula(text: str) -> str:
    """A text that a spreadsheet takes for a text: behind an apostrophe if it would run it.

    (What OWASP recommends against "CSV injection".)

    Example:
        >>> no_formula("=HYPERLINK(1)"), no_formula("a = b")
        ("'=HYPERLINK(1)", 'a = b')
    """
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


OUTPUTS: dict[str, Callable[[BinaryIO, Iterable[pa.Table], int, dict[str, Any]], None]] = {
    ".parquet": write_parquet,
    ".npy": write_npy,
    ".jsonl": write_jsonl,
    ".csv": write_csv,
}
SUFFIXES = (*OUTPUTS, lance_files.SUFFIX)


def refuse_suffix(out: Path) -> None:
    """Stop before anything is encoded for a format that cannot be written.

    Raises:
        InputError: for an unknown suffix.
        MissingPackageError: for ``.lance`` without its extra.
    """
    if out.suffix not in SUFFIXES:
        raise InputError(f"{out.name!r}: an output ends in {', '.join(SUFFIXES)}")
    if out.suffix == lance_files.SUFFIX:
        lance_files.require_lance()


def write_output(
    out: Path, temporary: Path, parts: Iterable[pa.Table], rows: int, settings: dict[str, Any], probe: list[float]
) -> None:
    """Write parts as one output, which appears under its name only when it is complete and on the disk.

    Args:
        out: its suffix is one of :data:`SUFFIXES`.
        temporary: where it is written meanwhile, on the same disk.
        parts: tables of :func:`embedding_table`.
        rows: of all of them.
        settings: with what they were made.
        probe: what the encoder makes of a fixed text; ``.lance`` keeps it.
    """
    if out.suffix == lance_files.SUFFIX:
        with whole_folder(out, temporary):
            lance_files.write_lance(temporary, parts, settings, probe)
        return
    with whole_file(out, temporary) as file:
        OUTPUTS[out.suffix](file, parts, rows, settings)


def load_embeddings(path: Path) -> tuple[np.ndarray, list[str] | None]:
    """Read a ``.parquet`` or ``.npy`` file of embeddings, a ``.lance`` dataset, or a folder of all their shards.

    Args:
        path: the file, or the folder.

    Returns:
        float32 of shape (rows, hidden), and the texts if the file has them.

    Raises:
        InputError: if the file holds no embeddings, or a shard is missing.
    """
    if lance_files.is_lance(path):
        return lance_files.read_lance(path)
    if path.is_dir():
        shards = [load_embeddings(file) for file in shard_files(path)]
        check_rows(path, [len(embeddings) for embeddings, _ in shards])
        joined = [text for _, part in shards for text in part or ()]
        return np.concatenate([embeddings for embeddings, _ in shards]), joined or None
    try:
        if path.suffix == ".npy":
            embeddings, texts = np.load(path, allow_pickle=False), None
        else:
            with pq.ParquetFile(path) as file:
                names = file.schema_arrow.names
                table = file.read(columns=[name for name in ("text", "embedding") if name in names])
            embeddings = matrix(table)
            texts = table["text"].to_pylist() if "text" in names else None
    except (OSError, ValueError, KeyError, AttributeError, EOFError) as error:
        raise InputError(f"{path.name!r} holds no embeddings made by the encode command ({error!s:.80})") from error
    if embeddings.ndim != 2 or not np.issubdtype(embeddings.dtype, np.floating):
        raise InputError(f"{path.name!r} holds {embeddings.dtype} of shape {embeddings.shape}; expected (rows, hidden)")
    return embeddings.astype(np.float32, copy=False), texts


def stored_settings(path: Path) -> dict[str, Any]:
    """With what the embeddings of a file, dataset or folder of shards were made; empty if it does not say."""
    if lance_files.is_lance(path):
        return lance_files.lance_settings(lance_files.open_lance(path))
    if path.is_dir():
        return read_manifest(path)["settings"]
    if path.suffix != ".parquet":
        return {}
    return json.loads((pq.read_schema(path).metadata or {}).get(SETTINGS_KEY, b"{}"))


def has_embeddings(path: Path) -> bool:
    """Whether a file is one of embeddings, judged by its suffix and columns, or a folder one of their shards."""
    if path.is_dir():
        return lance_files.is_lance(path) or (is_sharded(path) and path.suffix in (".npy", ".parquet", ".lance"))
    if path.suffix == ".npy":
        return path.is_file()
    try:
        return path.suffix == ".parquet" and "embedding" in pq.read_schema(path).names
    except (OSError, pa.ArrowInvalid):
        return False


@contextmanager
def whole_file(target: Path, temporary: Path | None = None) -> Iterator[BinaryIO]:
    """Write a file that appears under its name only when it is complete and on the disk.

    Args:
        target: the file; one that is there is replaced at the end.
        temporary: written meanwhile, on the same disk; by default beside the target.
    """
    temporary = temporary or target.with_name(target.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def whole_folder(target: Path, temporary: Path) -> Iterator[None]:
    """Write a folder that appears under its name only when it is complete and on the disk.

    Args:
        target: the folder; one that is there is replaced at the end.
        temporary: to be made and filled meanwhile, on the same disk; what an earlier run left there is removed.
    """
    old = temporary.with_name("old.tmp")
    for leftover in (temporary, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        yield
        for file in temporary.rglob("*"):
            if file.is_file():
                with file.open("rb") as written:
                    os.fsync(written.fileno())
        if target.exists():
            target.replace(old)
        temporary.replace(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)
