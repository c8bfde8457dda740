"""Files that are whole: a kill or a full disk leaves what was there before."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from huggingface_hub import split_torch_state_dict_into_shards

from llm2vec_core.errors import InputError

# What a model's folder can hold that decides how the model is read, by glob patterns; whatever else lies there is the
# user's. An adapter, a layout of sentence-transformers or more shards than before would win over the files beside them.
MODEL_FILES = (
    "config.json", "generation_config.json", "llm2vec_config.json", "llm2vec_dense.safetensors",
    "model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json",
    "pytorch_model.bin", "pytorch_model-*-of-*.bin", "pytorch_model.bin.index.json",
    "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin",
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "vocab.txt", "merges.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
    "chat_template.jinja", "chat_template.json", "additional_chat_templates/*.jinja", "processor_config.json",
    "modules.json", "config_sentence_transformers.json", "sentence_*_config.json",
    "[0-9]*_[A-Z]*/*config.json", "[0-9]*_[A-Z]*/*.safetensors", "[0-9]*_[A-Z]*/pytorch_model.bin",
)  # fmt: skip


def check_shard_size(max_shard_size: str) -> None:
    """Raise if this is no size of a file, before anything is written.

    Raises:
        InputError: naming the size.

    Example:
        >>> check_shard_size("500MB")
        >>> check_shard_size("5 gigabytes")
        Traceback (most recent call last):
        llm2vec_core.errors.InputError: max_shard_size '5 gigabytes' must be a number and a unit: '5GB', '500MB'
    """
    try:
        split_torch_state_dict_into_shards({}, max_shard_size=max_shard_size)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"max_shard_size {max_shard_size!r:.60} must be a number and a unit: '5GB', '500MB'"
        ) from error


def write_whole(file: Path, text: str) -> None:
    """Write a text file to its end, or leave the old one as it was.

    Args:
        file: replaced in one step; its folder is made if it does not exist.
        text: all of it.

    Raises:
        OSError: if it cannot be written; nothing is left behind then.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_whole(Path(folder) / "new" / "a.txt", "whole")
        ...     (Path(folder) / "new" / "a.txt").read_text()
        'whole'
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.writing")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


def replace_model(stage: Path, folder: Path) -> None:
    """Move a model's files into a folder, in place of those of the model that was there.

    Args:
        stage: holds the new files, on the same disk.
        folder: where they go; files that match none of :data:`MODEL_FILES` and have no namesake in ``stage`` stay.

    Raises:
        OSError: if a file cannot be moved; everything that was there is back in its place then.

    Example:
        >>> with tempfile.TemporaryDirectory() as place:
        ...     old, new = Path(place) / "old", Path(place) / "new"
        ...     _ = [path.mkdir() for path in (old, new)]
        ...     _ = [(old / name).write_text("old") for name in ("config.json", "modules.json", "notes.txt")]
        ...     _ = (new / "config.json").write_text("new")
        ...     replace_model(new, old)
        ...     sorted(file.name for file in old.iterdir()), (old / "config.json").read_text()
        (['config.json', 'notes.txt'], 'new')
    """
    aside = Path(tempfile.mkdtemp(prefix=".replaced-", dir=folder))
    moved: list[tuple[Path, Path]] = []

    def move(file: Path, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        file.replace(place)
        moved.append((file, place))

    new = sorted(file.relative_to(stage) for file in stage.rglob("*") if not file.is_dir())
    stale = {file.relative_to(folder) for pattern in MODEL_FILES for file in folder.glob(pattern)}
    stale |= {file for file in new if (folder / file).exists()}
    try:
        for file in sorted(stale):
            move(folder / file, aside / file)
        for file in new:
            move(stage / file, folder / file)
    except BaseException:
        # Should this fail as well, the old files are still in the folder that was made for them.
        for file, place in reversed(moved):
            place.replace(file)
        _clear(aside, folder, stale | set(new))
        raise
    _clear(aside, folder, stale | set(new))


def _clear(aside: Path, folder: Path, files: set[Path]) -> None:
    shutil.rmtree(aside, ignore_errors=True)
    for parent in {(folder / file).parent for file in files} - {folder}:
        with suppress(OSError):
            parent.rmdir()  # where nothing is left in it
