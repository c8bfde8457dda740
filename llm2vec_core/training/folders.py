"""The files of a folder that are meant for training: a data set's training split, and neither tests nor README."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from llm2vec_core.corpus.sources import KINDS
from llm2vec_core.errors import InputError

# The words by which the ``datasets`` library knows splits.
_TRAINING = frozenset(("train", "training"))
_MEASURING = frozenset(("test", "testing", "eval", "evaluation", "validation", "valid", "dev", "val"))
# Files about a data set, by the beginning of their names.
_ABOUT = re.compile(
    r"(readme|license|licence|notice|changelog|citation|authors|contributing|requirements|dataset_infos?|dataset_dict|"
    r"state|metadata|config|checksums?|manifest)\b",
    re.IGNORECASE,
)
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".arrow")


@dataclass(frozen=True)
class FolderFiles:
    """What is taken of a folder.

    Attributes:
        files: to train on, in the order of names.
        left_out: other files that look like data, by their names within the folder.
    """

    files: tuple[Path, ...]
    left_out: tuple[str, ...] = ()


def training_files(path: Path) -> FolderFiles:
    """The file, or those of a folder that are meant for training.

    A folder is a data set as the Hub has it: where files or folders are named after splits, those of the training
    split are taken; else every known file that is not about the data (README, LICENSE) or for measuring (test,
    validation). Folders inside are looked into where the folder itself holds no data.

    Args:
        path: a file or a folder.

    Raises:
        InputError: if there is no such file, none to train on, or several configurations to choose from.
    """
    if not path.is_dir():
        if not path.exists():
            raise InputError(f"there is no file {path.name!r}")
        return FolderFiles((path,))
    known = _data_files(path, path.iterdir()) or _data_files(path, path.rglob("*"))
    kinds = f".{', .'.join(KINDS)}"
    packed = sorted(_within(file, path) for file in path.rglob("*") if file.suffix in _PACKED and file.is_file())
    if not known:
        more = f"; {packed[0]} has to be unpacked, or written as parquet, first" if packed else ""
        raise InputError(f"the folder {path.name!r} holds no {kinds} file{more}")
    splits = {file: set(re.split(r"[^a-z]+", _within(file, path).lower())) for file in known}
    chosen = [file for file in known if splits[file] & _TRAINING]
    chosen = chosen or [file for file in known if not splits[file] & _MEASURING]
    if not chosen:
        raise InputError(
            f"the folder {path.name!r} holds no training split, only {', '.join(_within(f, path) for f in known[:5])}; "
            "name a file to train on it"
        )
    _refuse_configurations(path, chosen)
    left = [_within(file, path) for file in known if file not in chosen]
    return FolderFiles(tuple(chosen), (*left, *_about(path), *packed))


def _data_files(folder: Path, files: Iterable[Path]) -> list[Path]:
    found = sorted(file for file in files if file.suffix.lower().removeprefix(".") in KINDS and file.is_file())
    found = [file for file in found if not any(part.startswith((".", "~")) for part in file.relative_to(folder).parts)]
    found = [file for file in found if not _ABOUT.match(file.name)]
    # A .json beside other data is a setting of it.
    return [file for file in found if file.suffix.lower() != ".json"] or found


def _about(folder: Path) -> list[str]:
    return sorted(
        file.name for file in folder.iterdir()
        if _ABOUT.match(file.name) and file.suffix.lower().removeprefix(".") in KINDS
    )  # fmt: skip


def _refuse_configurations(folder: Path, files: Sequence[Path]) -> None:
    def configuration(file: Path) -> str:
        parts = file.relative_to(folder).parent.parts
        return "/".join(part for part in parts if part.lower() not in {"data"} | _TRAINING)

    names = sorted({configuration(file) for file in files})
    if len(names) > 1:
        shown = ", ".join(name or "." for name in names[:10])
        raise InputError(f"the folder {folder.name!r} holds several configurations: {shown}; name the folder of one")


def _within(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()
