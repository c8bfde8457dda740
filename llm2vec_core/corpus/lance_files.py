"""Lance datasets of embeddings: one format for a laptop and a cluster, with an index and filters.

A dataset is a folder. Its rows are those of a parquet output (``row``, ``text`` unless left out, kept columns,
``embedding``), so Lance, LanceDB, pandas, polars and DuckDB read it as it is. The shards of a dataset lie in its folder
as datasets of their own until :func:`join_shards` makes them one, without reading or writing a row.

Format: https://lance.org/format/
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from llm2vec_core.corpus.shards import MANIFEST, check_rows, is_sharded, shard_files
from llm2vec_core.errors import InputError
from llm2vec_core.extras import require

SUFFIX = ".lance"
SETTINGS_KEY, PROBE_KEY = "llm2vec_core", "llm2vec_core.probe"
# One file holds so many rows; few large files are what scans and index builds want.
ROWS_PER_FILE = 2**20
_DATA, _VERSIONS = "data", "_versions"
# Lance says which error of the system it met in its message alone.
_SYSTEM_ERRORS = {f"(os error {code})": code for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)}


def require_lance() -> None:
    """Stop unless Lance is installed; nothing is imported.

    Raises:
        MissingPackageError: naming the extra.
    """
    require("search", "lance", what=f"a {SUFFIX} dataset")


def is_lance(path: Path) -> bool:
    """Whether a path is a Lance dataset, judged by its name and the folder of its versions."""
    return path.suffix == SUFFIX and (path / _VERSIONS).is_dir()


def write_lance(folder: Path, parts: Iterable[pa.Table], settings: dict[str, Any], probe: list[float]) -> None:
    """Write parts as one dataset, in one transaction: before it, there is no dataset.

    Args:
        folder: of the dataset; must not exist.
        parts: at least one table as of :func:`llm2vec_core.corpus.outputs.embedding_table`.
        settings: with what the embeddings were made; kept in the schema's metadata.
        probe: what the encoder makes of a fixed text, by which a search knows it again.

    Raises:
        OSError: as the system has it; with its ``errno`` where the disk is full.
    """
    import lance

    tables = iter(parts)
    first = next(tables)
    metadata = {SETTINGS_KEY: json.dumps(settings), PROBE_KEY: json.dumps(probe)}
    schema = first.schema.with_metadata(metadata)
    batches = (batch for table in chain([first], tables) for batch in table.to_batches())
    with system_errors():
        lance.write_dataset(
            pa.RecordBatchReader.from_batches(schema, (batch.replace_schema_metadata(metadata) for batch in batches)),
            folder,
            max_rows_per_file=ROWS_PER_FILE,
        )


@contextmanager
def system_errors() -> Iterator[None]:
    """Give an error of Lance's the ``errno`` that its message tells."""
    try:
        yield
    except OSError as error:
        code = next((code for text, code in _SYSTEM_ERRORS.items() if text in str(error)), None)
        if code is None:
            raise
        raise OSError(code, os.strerror(code)) from error


def open_lance(path: Path) -> Any:
    """Open a dataset that the encode command made.

    Args:
        path: of its folder.

    Returns:
        A ``lance.LanceDataset``.

    Raises:
        InputError: if it is none, its shards are not joined, or a column is missing or of another type.
        MissingPackageError: without the extra.
    """
    require_lance()
    import lance

    if not is_lance(path):
        if is_sharded(path):
            raise InputError(f"the shards of {path.name!r} are not joined yet: index build {path.name}")
        raise InputError(f"{path.name!r} is no Lance dataset; encode --out {path.stem}{SUFFIX} makes one")
    try:
        dataset = lance.dataset(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name!r} is no Lance dataset that can be read ({error!s:.80})") from error
    _check_columns(dataset.schema, path.name)
    return dataset


def _check_columns(schema: pa.Schema, name: str) -> None:
    kind = pa.types
    wanted = {
        "row": ("int64", kind.is_int64),
        "text": ("texts", lambda t: kind.is_string(t) or kind.is_large_string(t)),
        "embedding": (
            "a fixed_size_list of float",
            lambda t: kind.is_fixed_size_list(t) and kind.is_float32(t.value_type),
        ),
    }
    for column, (described, fits) in wanted.items():
        if column not in schema.names:
            if column == "text":
                continue
            shown = ", ".join(schema.names[:20])
            raise InputError(
                f"{name!r} has no column {column!r}; it has {shown}. The encode command makes one that has"
            )
        if not fits(found := schema.field(column).type):
            raise InputError(f"column {column!r} of {name!r} holds {found!s:.80}; expected {described}")


def read_lance(path: Path) -> tuple[np.ndarray, list[str] | None]:
    """All embeddings of a dataset, float32 of shape (rows, hidden), and the texts if it has them.

    Raises:
        InputError: as :func:`open_lance`.
    """
    dataset = open_lance(path)
    names = [name for name in ("text", "embedding") if name in dataset.schema.names]
    table = dataset.to_table(columns=names)
    width = dataset.schema.field("embedding").type.list_size
    values = [chunk.flatten().to_numpy() for chunk in table["embedding"].chunks]
    embeddings = np.concatenate(values or [np.empty(0, np.float32)]).reshape(-1, width)
    return embeddings, table["text"].to_pylist() if "text" in names else None


def lance_settings(dataset: Any) -> dict[str, Any]:
    """With what the embeddings were made; empty if the dataset does not say."""
    return json.loads((dataset.schema.metadata or {}).get(SETTINGS_KEY.encode(), b"{}"))


def join_shards(folder: Path) -> bool:
    """Make one dataset of complete shards. Their files are linked, not copied; the rows keep the corpus's order.

    The dataset is there from one moment to the next, when all links are set: a process killed before leaves
    the shards as they were, one killed after leaves copies that the next call removes.

    Args:
        folder: of the sharded output.

    Returns:
        Whether there was anything to join.

    Raises:
        InputError: if a shard is missing or was cut off, or the disk is full.
    """
    if not is_sharded(folder):
        return False
    require_lance()
    import lance

    if not is_lance(folder):
        shards = [open_lance(file) for file in shard_files(folder)]
        check_rows(folder, [shard.count_rows() for shard in shards])
        (folder / _DATA).mkdir(exist_ok=True)
        fragments = []
        for file, shard in zip(shard_files(folder), shards, strict=True):
            for fragment in shard.get_fragments():
                fragments.append(fragment.metadata)
                for data in fragment.metadata.files:
                    _link(file / _DATA / data.path, folder / _DATA / data.path)
        with system_errors():
            lance.LanceDataset.commit(folder, lance.LanceOperation.Overwrite(shards[0].schema, fragments))
    for shard in folder.glob(f"shard-*{SUFFIX}"):
        shutil.rmtree(shard)
    (folder / MANIFEST).unlink()
    return True


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        # A file system without links.
        shutil.copyfile(source, target)
