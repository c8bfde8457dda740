"""What a data set's README says about its files: ``configs`` in the YAML block at its top, as the Hub reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import metadata_load

from llm2vec_core.errors import InputError

CARD = "README.md"
# What no pattern means, as the ``datasets`` library has it.
_NO_DATA = {CARD, "config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "dummy_data.zip"}


@dataclass(frozen=True)
class CardFiles:
    """The files of one configuration of a data set.

    Attributes:
        folder: where they lie.
        patterns: by split, in the order of the card; empty where names alone tell the splits.
    """

    folder: Path
    patterns: Mapping[str, tuple[str, ...]]

    def files(self, split: str) -> list[Path]:
        """The files of a split, in the order of names.

        Raises:
            InputError: if a pattern leads out of the folder, or there is no such file.
        """
        found: set[Path] = set()
        for pattern in self.patterns[split]:
            if "://" in pattern or PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts:
                raise InputError(f"{CARD} names {pattern!r:.80}, which does not lie in the folder: name a file instead")
            place = self.folder / pattern
            # "**" inside a name is a "*" there, and alone at the end it means files too.
            whole = re.sub(r"(?<=[^/])\*\*|\*\*(?=[^/])", "*", pattern)
            whole += "/*" * (PurePosixPath(whole).name == "**")
            matches = place.rglob("*") if place.is_dir() else self.folder.glob(whole)
            files = {file for file in matches if file.is_file() and _is_data(file.relative_to(self.folder))}
            if not files:
                raise InputError(
                    f"{CARD} names {pattern!r:.80} for the split {split!r}, and there is no such file in "
                    f"{self.folder.name!r}: is the download complete?"
                )
            found |= files
        return sorted(found)


def card_files(folder: Path) -> CardFiles | None:
    """What the README of a folder says; None if it says nothing about files.

    Of several configurations the one called "default", or marked so, is meant, as for the ``datasets`` library.

    Raises:
        InputError: if there are several and none is the default, or what it says is of another form.
    """
    try:
        card = metadata_load(folder / CARD) if (folder / CARD).is_file() else None
    except Exception:  # no YAML, or no text: names alone tell
        return None
    configs = (card or {}).get("configs")
    if not configs:
        return None
    if not isinstance(configs, list) or not all(isinstance(config, dict) for config in configs):
        raise _not_understood(configs)
    default = [config for config in configs if config.get("default") is True or config.get("config_name") == "default"]
    chosen = configs if len(configs) == 1 else default
    if len(chosen) != 1:
        names = ", ".join(str(config.get("config_name")) for config in configs[:10])
        raise InputError(f"the folder {folder.name!r} holds several configurations: {names}; name the files of one")
    inside = chosen[0].get("data_dir", ".")
    if not isinstance(inside, str) or PurePosixPath(inside).is_absolute() or ".." in PurePosixPath(inside).parts:
        raise _not_understood(inside)
    if not (folder / inside).is_dir():
        raise InputError(f"{CARD} names the folder {inside!r}, and there is none in {folder.name!r}")
    return CardFiles(folder / inside, _patterns(chosen[0].get("data_files")))


def _is_data(file: Path) -> bool:
    return file.name not in _NO_DATA and not any(part.startswith(".") for part in file.parts)


def _patterns(said: Any) -> dict[str, tuple[str, ...]]:
    if said is None:
        return {}
    entries = said if isinstance(said, list) else [said]
    if all(isinstance(entry, str) for entry in entries):
        entries = [{"split": "train", "path": entries}]
    found: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(split := entry.get("split"), str):
            raise _not_understood(said)
        paths = entry.get("path")
        paths = paths if isinstance(paths, list) else [paths]
        if not paths or not all(isinstance(path, str) and path.strip() for path in paths):
            raise _not_understood(said)
        found[split] = (*found.get(split, ()), *paths)
    return found


def _not_understood(said: Any) -> InputError:
    return InputError(f"what {CARD} says about its data files is not understood: {said!r:.80}; name a file to train on")
