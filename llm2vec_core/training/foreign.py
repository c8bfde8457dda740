"""An adapter from outside, put beside weights that others are using. Nothing in its files is believed unchecked.

Only what LoRA needs is taken over from its configuration: not the base that it names, no pattern that a search would
have to run, no option that loads or computes anything else.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from llm2vec_core.config_numbers import no_json
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import AdapterError, ConversionError, ModelError
from llm2vec_core.training.lora import linear_layers

CONFIG_FILE, WEIGHTS_FILE = "adapter_config.json", "adapter_model.safetensors"
MAX_CONFIG_BYTES = 64 * 1024
MAX_RANK = 256
MAX_ALPHA = 65_536
_TAKEN = ("r", "lora_alpha", "target_modules", "use_rslora", "fan_in_fan_out")
# Say nothing about the adapter's arithmetic, or are said anew.
_PASSED_OVER = {
    "peft_type", "peft_version", "auto_mapping", "base_model_name_or_path", "revision", "task_type", "inference_mode",
    "lora_dropout", "init_lora_weights", "runtime_config", "ephemeral_gpu_offload",
}  # fmt: skip
_NAME = re.compile(r".+\.lora_[AB]\.weight")
_TYPES = {"F32", "F16", "BF16"}


def load_foreign_adapter(encoder: LLM2Vec, config_file: Path, weights_file: Path, max_bytes: int) -> LLM2Vec:
    """The encoder with an adapter from two files; the encoder itself is left as it was.

    Args:
        encoder: what the adapter stands on; its weights are shared, never changed.
        config_file: an ``adapter_config.json`` of PEFT.
        weights_file: its ``adapter_model.safetensors``.
        max_bytes: of the weights.

    Raises:
        AdapterError: if a file is too large, damaged or no LoRA adapter, or if it belongs to another base.
    """
    config = _checked_config(config_file, encoder)
    _check_weights(weights_file, max_bytes)
    with tempfile.TemporaryDirectory(prefix="adapter-") as place:
        folder = Path(place) / "upload"
        folder.mkdir()
        (folder / CONFIG_FILE).write_text(json.dumps(config), encoding="utf-8")
        shutil.copyfile(weights_file, folder / WEIGHTS_FILE)
        try:
            found = encoder.with_adapters([str(folder)])
            # Numbers that are finite can still be too large.
            found.encode(["A river flows through the town."])
        except AdapterError:
            raise
        except (ConversionError, ModelError) as error:
            raise AdapterError("with this adapter the model answers with NaN or infinity: it is broken") from error
    return found


def _checked_config(file: Path, encoder: LLM2Vec) -> dict[str, Any]:
    from peft import LoraConfig

    if file.stat().st_size > MAX_CONFIG_BYTES:
        raise AdapterError(f"{CONFIG_FILE} has {file.stat().st_size:,} bytes; at most {MAX_CONFIG_BYTES:,} are read")
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise AdapterError(f"{CONFIG_FILE} {no_json(error)}: upload the file as PEFT wrote it") from error
    if not isinstance(given, dict):
        raise AdapterError(f"{CONFIG_FILE} holds no JSON object: upload the file as PEFT wrote it")
    if given.get("peft_type") != "LORA":
        raise AdapterError(f"peft_type is {given.get('peft_type')!r:.40}; only LORA adapters are read here")
    defaults = json.loads(json.dumps(LoraConfig().to_dict(), default=str))
    for name, value in given.items():
        if name in _TAKEN or name in _PASSED_OVER or value in (None, False, [], {}) or value == defaults.get(name):
            continue
        raise AdapterError(f"{CONFIG_FILE} sets {name[:40]} to {value!r:.40}; only plain LoRA is read here")
    rank, alpha = given.get("r", 8), given.get("lora_alpha", 8)
    if not _is_whole(rank) or not 1 <= rank <= MAX_RANK:
        raise AdapterError(f"the LoRA rank r is {rank!r:.40}; it must be a whole number from 1 to {MAX_RANK}")
    if not isinstance(alpha, (int, float)) or isinstance(alpha, bool) or not 0 < alpha <= MAX_ALPHA:
        raise AdapterError(f"lora_alpha is {alpha!r:.40}; it must lie above 0 and at most at {MAX_ALPHA:,}")
    return {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": _checked_targets(given.get("target_modules"), encoder),
        "use_rslora": given.get("use_rslora") is True,
        "fan_in_fan_out": given.get("fan_in_fan_out") is True,
        "inference_mode": True,
    }


def _checked_targets(given: Any, encoder: LLM2Vec) -> list[str]:
    known = linear_layers(encoder.causal_model)
    if given == "all-linear":
        return sorted(known)
    if not isinstance(given, list) or not given or not all(isinstance(name, str) for name in given):
        raise AdapterError("target_modules must be a list of layers' names, such as q_proj; a pattern is not read")
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise AdapterError(
            f"the adapter changes layers named {unknown[0]!r:.60}; this model's are {', '.join(known)}: it belongs to "
            "another base"
        )
    return sorted(set(given))


def _check_weights(file: Path, max_bytes: int) -> None:
    if file.stat().st_size > max_bytes:
        raise AdapterError(f"{WEIGHTS_FILE} has {file.stat().st_size / 1e6:.1f} MB; at most {max_bytes / 1e6:.0f} fit")
    try:
        with safe_open(str(file), framework="pt") as tensors:
            names = list(tensors.keys())
            for name in names:
                part = tensors.get_slice(name)
                if not _NAME.fullmatch(name) or part.get_dtype() not in _TYPES or len(part.get_shape()) != 2:
                    shape = "x".join(map(str, part.get_shape()))
                    raise AdapterError(
                        f"{WEIGHTS_FILE} holds {name[:80]!r} ({part.get_dtype()}, {shape}); only LoRA's matrices are "
                        "read here"
                    )
                if math.prod(part.get_shape()) == 0:
                    raise AdapterError(f"{WEIGHTS_FILE} holds {name[:80]!r} without any number in it")
    except SafetensorError as error:
        raise AdapterError(f"{WEIGHTS_FILE} is damaged or no safetensors file ({error!s:.80})") from error
    if not names:
        raise AdapterError(f"{WEIGHTS_FILE} holds no weights")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
