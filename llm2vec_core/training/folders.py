"""The files of a folder that are meant for training: a data set's training split, and neither tests nor README."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from llm2vec_core.corpus.sources import KINDS
from llm2vec_core.errors import InputError
from llm2vec_core.training.dataset_card import CardFiles, card_files

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
_SHARD = re.compile(r"(?P<before>.*-)(?P<number>\d{5})-of-(?P<count>\d{5})(?P<after>.*)")


@dataclass(frozen=True)
class FolderFiles:
    """What is taken of a folder.

    Attributes:
        files: to train on, in the order of names.
        left_out: other files that look like data, by their names within the folder.
        missing: files that belong to those to train on and are not there (train-00001-of-00002 where only the other
            one is).
    """

    files: tuple[Path, ...]
    left_out: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def training_files(path: Path) -> FolderFiles:
    """The file, or those of a folder that are meant for training.

    A folder is a data set as the Hub has it. What its README says about its files counts; else, where files or folders
    are named after splits, those of the training split are taken, and where they are not, every known file that is not
    about the data (README, LICENSE) or for measuring (test, validation). Folders inside are looked into where the
    folder itself holds no such file.

    Args:
        path: a file or a folder.

    Raises:
        InputError: if there is no such file, none to train on, or several configurations or formats to choose from.
    """
    if not path.is_dir():
        if not path.exists():
            raise InputError(f"there is no file {path.name!r}")
        return FolderFiles((path,))
    card = card_files(path)
    known, unusable = _known_files(path)
    if card is not None and card.patterns:
        chosen = _split_of_card(path, card)
    else:
        inside = card.folder if card is not None else path
        here = [file for file in known if file.is_relative_to(inside)]
        chosen = _split_by_name(path, here, {file: why for file, why in unusable.items() if file not in here})
        _refuse_configurations(path, chosen)
    _refuse_formats(path, chosen)
    left = [_within(file, path) for file in known if file not in chosen]
    return FolderFiles(
        tuple(chosen), (*left, *_about(path), *(_within(file, path) for file in unusable)), _missing_shards(chosen)
    )


def _known_files(folder: Path) -> tuple[list[Path], dict[Path, str]]:
    """The files that can be read, and those that look like data and cannot, with the reason."""
    known, unusable = [], {}
    for file in sorted(folder.rglob("*")):
        if any(part.startswith((".", "~", "__")) for part in file.relative_to(folder).parts):
            continue
        if file.suffix.lower() in _PACKED and file.is_file():
            unusable[file] = "has to be unpacked, or written as parquet, first"
        elif _kind(file) not in KINDS or _ABOUT.match(file.name):
            continue
        elif file.is_file():
            known.append(file)
        elif file.is_symlink() and not file.exists():
            unusable[file] = "is a link to a file that is not there: is the download complete?"
    return known, unusable


def _split_of_card(folder: Path, card: CardFiles) -> list[Path]:
    words = {split: set(re.split(r"[^a-z]+", split.lower())) for split in card.patterns}
    splits = [split for split in words if words[split] & _TRAINING and not words[split] & _MEASURING]
    splits = splits or [split for split in words if not words[split] & _MEASURING]
    if not splits:
        raise _no_training_split(folder, list(card.patterns))
    chosen = sorted({file for split in splits for file in card.files(split)})
    for file in chosen:
        if _kind(file) not in KINDS:
            raise InputError(
                f"{_within(file, folder)} is of no kind that can be read here, {_kinds()}: unpack it, or write it as "
                "parquet, first"
            )
    return chosen


def _split_by_name(folder: Path, known: Sequence[Path], unusable: dict[Path, str]) -> list[Path]:
    roles = {file: _role(file, folder) for file in known}
    training = [file for file in known if roles[file] is True]
    if not training:
        for file, why in unusable.items():
            if _role(file, folder) is True or not known:
                raise InputError(f"the folder {folder.name!r} holds no {_kinds()} file to train on; "
                                 f"{_within(file, folder)} {why}")  # fmt: skip
    if not known:
        raise InputError(f"the folder {folder.name!r} holds no {_kinds()} file")
    chosen = training or [file for file in known if roles[file] is None and not _is_setting(file, known)]
    if not chosen:
        raise _no_training_split(folder, [_within(file, folder) for file in known])
    return [file for file in chosen if file.parent == folder] or chosen


def _role(file: Path, folder: Path) -> bool | None:
    """Whether a file is for training (True) or for measuring (False), by the innermost name that says one of them."""
    for part in reversed(file.relative_to(folder).parts):
        words = set(re.split(r"[^a-z]+", part.lower()))
        if bool(words & _TRAINING) != bool(words & _MEASURING):
            return bool(words & _TRAINING)
    return None


def _is_setting(file: Path, known: Iterable[Path]) -> bool:
    # A .json beside other data is a setting of it.
    return _kind(file) == "json" and any(_kind(other) != "json" and other.parent == file.parent for other in known)


def _about(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if _ABOUT.match(file.name) and _kind(file) in KINDS)


def _refuse_configurations(folder: Path, files: Sequence[Path]) -> None:
    def configuration(file: Path) -> str:
        parts = file.relative_to(folder).parent.parts
        return "/".join(part for part in parts if part.lower() not in {"data"} | _TRAINING)

    names = sorted({configuration(file) for file in files})
    if len(names) > 1:
        shown = ", ".join(name or "." for name in names[:10])
        raise InputError(f"the folder {folder.name!r} holds several configurations: {shown}; name the folder of one")


def _refuse_formats(folder: Path, files: Sequence[Path]) -> None:
    """Refuse what may be the same rows twice, or lines of text beside tables."""
    by_kind: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        by_kind[_kind(file)].append(file)
    stems = [{file.with_suffix("") for file in same} for same in by_kind.values()]
    twice = any(_role(file, folder) for file in files) or len(set().union(*stems)) < sum(map(len, stems))
    if len(by_kind) > 1 and (twice or "txt" in by_kind):
        shown = ", ".join(_within(same[0], folder) for _, same in sorted(by_kind.items()))
        raise InputError(
            f"the folder {folder.name!r} holds several formats to train on, {shown}; name a file, or the folder of one "
            "format"
        )


def _missing_shards(files: Sequence[Path]) -> tuple[str, ...]:
    numbers: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    for file in files:
        if shard := _SHARD.fullmatch(file.name):
            numbers[shard["before"], shard["count"], shard["after"]].add(int(shard["number"]))
    return tuple(
        f"{before}{number:05d}-of-{count}{after}"
        for (before, count, after), there in numbers.items()
        for number in range(int(count)) if number not in there
    )  # fmt: skip


def _no_training_split(folder: Path, names: Sequence[str]) -> InputError:
    return InputError(
        f"the folder {folder.name!r} holds no training split, only {', '.join(names[:5])}; name a file to train on it"
    )


def _kind(file: Path) -> str:
    return file.suffix.lower().removeprefix(".")


def _kinds() -> str:
    return f".{', .'.join(KINDS)}"


def _within(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()
