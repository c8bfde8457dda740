"""A corpus in N shards: which rows each holds, what they share, and how they are read as one output.

A sharded output is a folder under the name that one file would have. Each shard is a file of its own in it, with the
rows' numbers in the whole corpus, so nothing is rewritten to join them: files in the order of their names are the rows
in the order of the corpus. pandas, pyarrow and polars read such a folder of parquet files as one table.
What begins with "_" is not data: ``_shards.json`` says what the shards were made of and with.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llm2vec_core.errors import InputError

MANIFEST = "_shards.json"
MOST_SHARDS = 99_999
# A text, or a text with the values of other columns behind it.
Record = str | tuple[str, ...]
_NAME = re.compile(r"shard-\d{5}-of-(\d{5})\..+")


@dataclass(frozen=True)
class Shard:
    """One of N equal runs of a corpus's rows.

    Attributes:
        number: from 1.
        count: how many shards there are.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """A shard by its name, "I/N".

        Raises:
            InputError: unless I is from 1 to N.

        Example:
            >>> Shard.parse("3/8")
            Shard(number=3, count=8)
        """
        found = re.fullmatch(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*", text, flags=re.ASCII)
        shard = cls(int(found[1]), int(found[2])) if found else None
        if shard is None or not 1 <= shard.number <= shard.count <= MOST_SHARDS:
            raise InputError(
                f"shard {text!r:.60} must be I/N with I from 1 to N, such as 1/8, and N at most {MOST_SHARDS}"
            )
        return shard

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def rows(self, total: int) -> range:
        """The rows of the corpus that it holds.

        Args:
            total: rows of the corpus.

        Raises:
            InputError: if there are fewer rows than shards.

        Example:
            >>> [len(Shard(i, 3).rows(10)) for i in (1, 2, 3)]
            [3, 3, 4]
        """
        if total < self.count:
            raise InputError(f"shard {self}: {total} rows make at most {total} shards; each needs one")
        return range(total * (self.number - 1) // self.count, total * self.number // self.count)

    def file(self, folder: Path) -> Path:
        """Where it lies in the folder of an output, whose suffix it has.

        Example:
            >>> Shard(3, 8).file(Path("v.parquet")).name
            'shard-00003-of-00008.parquet'
        """
        return folder / f"shard-{self.number:05d}-of-{self.count:05d}{folder.suffix}"


@dataclass(frozen=True)
class Corpus:
    """What all shards are cut from.

    Attributes:
        rows: how many texts.
        digest: of all of them, in order.
    """

    rows: int
    digest: str

    @classmethod
    def survey(cls, texts: Iterable[Record]) -> Corpus:
        """Read all texts once.

        Example:
            >>> Corpus.survey(["ab", "c"]).digest == Corpus.survey(["a", "bc"]).digest
            False
        """
        rows, digest = 0, hashlib.blake2b(digest_size=16)
        for text in texts:
            for field in fields(text):
                raw = field.encode("utf-8", "surrogatepass")
                # With its length: ["ab", "c"] and ["a", "bc"] differ.
                digest.update(b"%d:" % len(raw) + raw)
            rows += 1
        return cls(rows, digest.hexdigest())


def fields(item: Record) -> tuple[str, ...]:
    """A text and the values behind it, if there are any.

    Example:
        >>> fields("a"), fields(("a", "topic"))
        (('a',), ('a', 'topic'))
    """
    return (item,) if isinstance(item, str) else item


def is_shard(path: Path) -> bool:
    """Whether a file's name is a shard's."""
    return _NAME.fullmatch(path.name) is not None


def is_sharded(path: Path) -> bool:
    """Whether a path is the folder of a sharded output."""
    return (path / MANIFEST).is_file()


def read_manifest(folder: Path) -> dict[str, Any]:
    """What the shards of a folder share: "shards", "rows", "texts" (a digest), "settings", "probe".

    Raises:
        InputError: if it cannot be read.
    """
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        Shard.parse(f"1/{found['shards']:d}").rows(found["rows"])
        return {**found, "settings": dict(found["settings"]), "probe": list(found["probe"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder.name!r} is no folder of shards that can be read: {MANIFEST} ({error!s:.80})"
        ) from error


def shard_files(folder: Path) -> list[Path]:
    """The files of a complete sharded output, in the order of the rows.

    Raises:
        InputError: naming the shards that are missing.
    """
    count = read_manifest(folder)["shards"]
    shards = [Shard(number, count) for number in range(1, count + 1)]
    missing = [str(shard) for shard in shards if not shard.file(folder).exists()]
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise InputError(f"{folder.name!r} lacks {len(missing)} of {count} shards: encode --shard {shown}")
    return [shard.file(folder) for shard in shards]


def check_rows(folder: Path, counts: Sequence[int]) -> None:
    """Compare the number of rows of each shard, in order, with what it must be.

    Raises:
        InputError: naming the first shard that has others.
    """
    manifest = read_manifest(folder)
    for number, count in enumerate(counts, start=1):
        shard = Shard(number, manifest["shards"])
        if count != (wanted := len(shard.rows(manifest["rows"]))):
            raise InputError(f"{shard.file(folder).name!r} holds {count} rows; shard {shard} has {wanted}")


def refuse_folder(folder: Path, shard: Shard, corpus: Corpus, settings: dict[str, Any]) -> None:
    """Stop before a shard comes to lie beside files that it does not belong to.

    Args:
        folder: of the output; need not exist.
        shard: to be written.
        corpus: that it is cut from.
        settings: whatever decides the numbers, as JSON has it.

    Raises:
        InputError: if the path is a file, or the folder holds shards of another number, corpus or settings, or other
            files, which readers of the folder would take for rows.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder.name!r} is a file; shards lie in a folder of their own: choose another name")
    sharded = is_sharded(folder)
    if sharded:
        _compare(folder, shard, corpus, settings)
    names = {Shard(i, shard.count).file(folder).name for i in range(1, shard.count + 1)} if sharded else set()
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    foreign = [file.name for file in found if file.name not in names and not file.name.startswith(("_", "."))]
    if foreign:
        raise InputError(
            f"{folder.name!r} holds {foreign[0]!r}, which is no shard of this output; readers would take it for rows: "
            "choose another name"
        )


def join_folder(folder: Path, shard: Shard, corpus: Corpus, settings: dict[str, Any], probe: Sequence[float]) -> None:
    """Say in the folder what all its shards share, or find that another shard has said the same.

    Args:
        folder: of the output.
        shard: to be written.
        corpus: that it is cut from.
        settings: whatever decides the numbers.
        probe: numbers that the model gives for a fixed text.

    Raises:
        InputError: as :func:`refuse_folder`, and if the model's weights are others.
        OSError: if the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "shards": shard.count, "rows": corpus.rows, "texts": corpus.digest, "settings": settings, "probe": list(probe),
    }  # fmt: skip
    if not is_sharded(folder):
        with tempfile.NamedTemporaryFile("w", prefix=MANIFEST, dir=folder, encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
            # Whole, and only where there is none: of shards that begin at the same time, one is the first.
            with suppress(FileExistsError):
                os.link(file.name, folder / MANIFEST)
    refuse_folder(folder, shard, corpus, settings)
    if not np.allclose(read_manifest(folder)["probe"], probe, rtol=1e-3, atol=1e-4):
        raise _another(folder, "the model's weights changed")


def _compare(folder: Path, shard: Shard, corpus: Corpus, settings: dict[str, Any]) -> None:
    manifest = read_manifest(folder)
    if manifest["shards"] != shard.count:
        raise InputError(
            f"{folder.name!r} holds {manifest['shards']} shards; shard {shard} would overlap them: give I/"
            f"{manifest['shards']}, or choose another name"
        )
    then, now = manifest["settings"], json.loads(json.dumps(settings))
    for name in {**then, **now}:
        if then.get(name) != now.get(name):
            raise _another(folder, f"{name} was {then.get(name)!r:.80} and is {now.get(name)!r:.80}")
    if (manifest["rows"], manifest["texts"]) != (corpus.rows, corpus.digest):
        raise _another(folder, f"the corpus had {manifest['rows']:,} rows and has {corpus.rows:,}, or other texts")


def _another(folder: Path, change: str) -> InputError:
    return InputError(
        f"{folder.name!r} holds shards of another job: {change}. Give the same command, or choose another name"
    )
