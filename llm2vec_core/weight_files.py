"""Which files of a folder are a model's weights: those that transformers will read, and no others.

An index may name anything, a pickle or a file of somebody else's among it, and transformers would open that; so it is
looked at first.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

from llm2vec_core.errors import ModelError

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights: of the usual names, or of that in ``transformers_weights`` of ``config.json``.

    Args:
        folder: of the model.

    Raises:
        ModelError: if there are none, they are pickles, or the index names something else than safetensors of this
            folder.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> [file.name for file in weight_files(Path(BUNDLED.base))][:1]
        ['model-00001-of-00003.safetensors']
    """
    if named := _named_by_config(folder):
        file = _inside(folder, named, "config.json (transformers_weights)", (".safetensors", ".safetensors.index.json"))
        return shards(file, folder) if file.name.endswith(".json") else [file]
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        return shards(folder / INDEX, folder)
    pickles = sorted(file.name for file in folder.iterdir() if file.name.endswith(_PICKLES))
    if pickles:
        raise ModelError(
            f"{folder.name!r} holds its weights as a pickle ({pickles[0]}), which can run code when it is read: "
            "convert it to safetensors first (on the Hub, the space safetensors/convert does it)"
        )
    others = sorted(file.name for file in folder.glob("*.safetensors"))
    if others and not all(name.startswith("adapter") for name in others):
        raise ModelError(
            f"{folder.name!r} has {others[0]}, but neither {WEIGHTS} nor {INDEX}, which says where each weight lies: "
            "an unfinished download?"
        )
    raise ModelError(
        f"{folder.name!r} has no *.safetensors: it is no model with weights (an adapter? an unfinished download?)"
    )


def shards(index: Path, folder: Path | None = None) -> list[Path]:
    """The files that an index names.

    Args:
        index: a ``model.safetensors.index.json``.
        folder: where these files have to be; None for a Hub repository, whose files are not here yet.

    Raises:
        ModelError: if it is no index, or names something else than safetensors of its own folder.
    """
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        ordered = sorted(names)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"{index.name} is damaged: it has to be a JSON object whose weight_map gives each weight's file "
            f"({type(error).__name__})"
        ) from error
    if not ordered:
        raise ModelError(f"{index.name} names no files: its weight_map is empty")
    return [_inside(folder, name, index.name, (".safetensors",)) for name in ordered]


def _named_by_config(folder: Path) -> Any:
    try:
        return json.loads((folder / "config.json").read_text(encoding="utf-8")).get("transformers_weights")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None  # whoever loads the configuration says what is wrong with it


def _inside(folder: Path | None, name: Any, where: str, endings: tuple[str, ...]) -> Path:
    path = PurePosixPath(name) if isinstance(name, str) else None
    if path is None or path.is_absolute() or ".." in path.parts or "\\" in name or not name.endswith(endings):
        raise ModelError(
            f"{where} names {str(name)[:200]!r}: weights are read from *.safetensors in the model's own folder only, "
            "never from a pickle and never from elsewhere"
        )
    if folder is None:
        return Path(path)
    file = folder / path
    if not file.is_file():
        raise ModelError(f"{where} names {name!r}, which is not in {folder.name!r}: the download may be unfinished")
    return file
