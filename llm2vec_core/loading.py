"""Load a model's parts, and refuse with a reason whatever should not be loaded.

Only safetensors are read, and no code from a model's repository is run. A model that would not fit into
memory is refused before it is loaded; one whose weights are missing, broken or of another model, after.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import psutil
import torch
from huggingface_hub import file_exists, get_safetensors_metadata
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer, normalizers
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from llm2vec_core.aliases import known_config
from llm2vec_core.architectures import OUT_OF_SCOPE
from llm2vec_core.bidirectional import prefix_test
from llm2vec_core.checkpoints import find_file, hub_options, require_file, shown
from llm2vec_core.config_numbers import CAUSAL_WINDOW, check_numbers, no_json
from llm2vec_core.errors import InputError, LLM2VecError, ModelError
from llm2vec_core.gguf import GGUF, load_gguf_config, load_gguf_model, load_gguf_tokenizer
from llm2vec_core.weight_files import INDEX, WEIGHTS, shards, weight_files

logger = logging.getLogger(__name__)

Quantization = Literal["4bit", "8bit"]
# Beside the weights: activations, the tokenizer, the process itself.
MEMORY_MARGIN = 1.15
_BYTES: dict[torch.dtype | str, int] = {torch.float32: 4, torch.float16: 2, torch.bfloat16: 2, torch.float64: 8}
_LOADING = threading.RLock()
_PROBES = ("Two words, 3 numbers: naïve café!", "  leading blanks\nand lines", "深い川 🍕")
# What a broken folder, a foreign file or an unreachable Hub makes the libraries raise.
_LOAD_ERRORS = (
    OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, AssertionError, IndexError, ArithmeticError,
    SafetensorError,
)  # fmt: skip


def load_config(base: str, revision: str | None, gguf: GGUF | None = None) -> PreTrainedConfig:
    """A causal decoder's configuration.

    Raises:
        ModelError: if the model is of a kind that transformers does not know by itself, or no decoder.
    """
    if gguf is not None:
        config = load_gguf_config(gguf)
        return _causal_decoder(config, base)
    file = require_file(base, "config.json", revision)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        known = known_config(found, shown(base))
        model_type = known.get("model_type")
    except (ValueError, AttributeError, RecursionError) as error:
        why = no_json(error) if isinstance(error, ValueError | RecursionError) else "is no JSON object"
        raise ModelError(f"config.json of {shown(base)} {why}: the download may be unfinished") from error
    check_numbers(found, f"config.json of {shown(base)}")
    if not isinstance(model_type, str) or model_type not in CONFIG_MAPPING:
        raise ModelError(
            f"{shown(base)} is of type {model_type!r}, which the installed transformers does not know; code "
            "from a model's "
            "repository is never run here, so it needs a release of transformers that brings the type"
        )
    try:
        if known == found:
            config = AutoConfig.from_pretrained(base, revision=revision, trust_remote_code=False, **hub_options())
        else:
            config = CONFIG_MAPPING[model_type].from_dict(known)
    except Exception as error:  # each architecture checks its own values, and raises what it likes
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise ModelError(f"config.json of {shown(base)} cannot be read ({reason})") from error
    return _causal_decoder(config, base)


def _causal_decoder(config: PreTrainedConfig, base: str) -> PreTrainedConfig:
    model_type = config.model_type
    text = config.get_text_config()
    if not isinstance(text, PreTrainedConfig):
        raise ModelError(f"config.json of {shown(base)} gives {text!r:.60} as the config of its text model: it is none")
    for part in (config, text):
        part.return_dict = True  # outputs are read by name
        window = getattr(part, CAUSAL_WINDOW, None)
        if window is not None:
            # Saved with its window open; the view that opens it again does so by itself.
            part.sliding_window = window
            delattr(part, CAUSAL_WINDOW)
    if model_type in OUT_OF_SCOPE:
        raise ModelError(
            f"{shown(base)} ({model_type}) cannot become a text encoder in this way: "
            f"{OUT_OF_SCOPE[model_type]}; LLM2Vec starts "
            "from a decoder-only language model"
        )
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(
            f"{shown(base)} ({model_type}) is an encoder with a decoder; LLM2Vec starts from a decoder-only "
            "language model"
        )
    if getattr(config, "is_causal", True) is False:
        # A folder with the mask open: start from the causal model, so that both views exist.
        config.is_causal = True
    return config


def load_model(
    base: str,
    config: PreTrainedConfig,
    *,
    dtype: torch.dtype | str,
    device: torch.device,
    attn_implementation: str | None = None,
    revision: str | None = None,
    quantization: Quantization | None = None,
    gguf: GGUF | None = None,
    device_map: Any = None,
) -> PreTrainedModel:
    """The decoder without its language-model head, on its device, in evaluation mode.

    Raises:
        ModelError: if there are no safetensors, weights are missing or broken, or memory is short.
    """
    _check_device_map(device_map)
    if gguf is not None:
        if quantization:
            raise ModelError("a GGUF file is dequantized while it is read: load it without quantization")
        refuse_if_too_large(base, dtype, device, revision, gguf)
        with _without_load_report():
            model = load_gguf_model(
                gguf, config, dtype=dtype, attn_implementation=attn_implementation, device_map=device_map
            )
        model = _checked(_on_one_device(model.base_model, base), base, config)
        return (model if device_map else model.to(device)).eval()
    _refuse_other_weights(base, revision)
    options: dict[str, Any] = {}
    if quantization:
        options["quantization_config"] = _bitsandbytes(quantization)
        options["device_map"] = device
    else:
        refuse_if_too_large(base, dtype, device, revision)
    if device_map:
        options["device_map"] = device_map
    try:
        with _without_load_report():
            model, info = AutoModel.from_pretrained(
                base,
                config=config,
                dtype=dtype,
                attn_implementation=attn_implementation,
                revision=revision,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                **options,
                **hub_options(),
            )
    except ImportError as error:
        raise ModelError(f"{shown(base)} needs a package that is not installed: {error}") from error
    except _LOAD_ERRORS as error:
        said = " ".join(str(error).split())[:300]
        asked = {"attn_implementation": attn_implementation, "device_map": device_map}
        for option, value in asked.items():
            if value is not None and option in said:
                raise ModelError(f"{option} {value!r:.60} cannot be used with {shown(base)}: {said}") from error
        raise ModelError(
            f"cannot load a model from {shown(base)}: it needs config.json and *.safetensors of a transformers model "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})"
        ) from error
    missing = sorted(info["missing_keys"])
    if missing:
        raise ModelError(
            f"the weights in {shown(base)} are not those of its config.json: {len(missing)} are missing, "
            f"{missing[0]} among them"
        )
    _tell_left_aside(sorted(info["unexpected_keys"]), model, base)
    _check_module_names(device_map, model)
    model = _checked(_on_one_device(_text_tower(model), base), base, config)
    return (model if quantization or device_map else model.to(device)).eval()


def _tell_left_aside(unexpected: Sequence[str], model: PreTrainedModel, base: str) -> None:
    """Say which of the decoder's own weights config.json has no place for: layers beyond its number, biases."""
    inside = {name for name, _ in model.named_children()}
    names = [name.removeprefix(f"{model.base_model_prefix}.") for name in unexpected]
    aside = [name for name in names if name.split(".")[0] in inside and not name.endswith(".inv_freq")]
    if aside:
        logger.warning(
            "%d of the weights in %s have no place in the model of its config.json and are left aside, %s among them",
            len(aside), shown(base), aside[0],
        )  # fmt: skip


_PLACEMENTS = ("auto", "balanced", "balanced_low_0", "sequential")


def _check_device_map(device_map: Any) -> None:
    if device_map is None:
        return
    devices = list(device_map.values()) if isinstance(device_map, Mapping) else [device_map]
    named = not isinstance(device_map, Mapping) or (device_map and all(isinstance(name, str) for name in device_map))
    if not named or any(not isinstance(device, (str, int, torch.device)) or device is True for device in devices):
        raise InputError(_wrong_device_map(device_map))
    for device in devices:
        if device in (("disk",) if isinstance(device_map, Mapping) else _PLACEMENTS):
            continue
        try:
            found = torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
        except RuntimeError as error:
            raise InputError(_wrong_device_map(device_map)) from error
        if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
            raise InputError(
                f"device_map {device_map!r:.60} asks for the GPU {found.index or 0}, and {torch.cuda.device_count()} "
                "are here: take 'auto' or 'cpu'"
            )


def _wrong_device_map(device_map: Any) -> str:
    return (
        f"device_map {device_map!r:.60} must be one of {', '.join(_PLACEMENTS)}, a device such as 'cuda:0', or a "
        "mapping from names of modules ('' for the whole model) to devices"
    )


def _check_module_names(device_map: Any, model: PreTrainedModel) -> None:
    if not isinstance(device_map, Mapping):
        return
    names = dict(model.named_modules())
    if unknown := [name for name in device_map if name not in names]:
        raise InputError(
            f"device_map names {unknown[0]!r}, which is no module of this {model.config.model_type}: name some of "
            f"{', '.join(name for name, _ in model.named_children())}, or '' for the whole model"
        )


def _on_one_device(model: PreTrainedModel, base: str) -> PreTrainedModel:
    # The hooks that carry states from one device to the next call the modules they were put on, not a view's.
    if any(hasattr(module, "_hf_hook") for module in model.modules()):
        raise ModelError(
            f"device_map spreads {shown(base)} over several devices, and its attention cannot be opened there: choose "
            "one device, quantization='4bit', or a smaller model"
        )
    return model


def _checked(model: PreTrainedModel, base: str, config: PreTrainedConfig) -> PreTrainedModel:
    refuse_broken_weights(model, base)
    try:
        opened = prefix_test(model).is_bidirectional
    except LLM2VecError:
        raise
    except Exception as error:  # each architecture fails in its own way
        raise ModelError(
            f"the forward pass of {shown(base)} ({config.model_type}) fails with the values of its config.json "
            f"({type(error).__name__}: {' '.join(str(error).split())[:200]}): a value is missing there or wrong"
        ) from error
    if opened:
        raise ModelError(
            f"{shown(base)} ({config.model_type}) reads in both directions already: it is an encoder, and "
            "LLM2Vec starts from "
            "a decoder-only language model"
        )
    return model


def load_tokenizer(
    source: str, revision: str | None, gguf: GGUF | None = None, *, lower_case: bool = False
) -> PreTrainedTokenizerBase:
    """The tokenizer, as its ``tokenizer.json`` defines it where there is one.

    For some types transformers rebuilds a tokenizer from vocabulary and merges and leaves the file's other
    parts out; the file is what the model was trained with.

    Args:
        source: folder or Hub id.
        revision: of a Hub source.
        gguf: the base's weights, which have a tokenizer with them.
        lower_case: lower letters first, as sentence-transformers does where a folder sets ``do_lower_case``.

    Raises:
        ModelError: if there is none.
    """
    tokenizer = _exact_tokenizer(source, revision, gguf)
    if lower_case:
        _lower_letters(tokenizer, source)
    return tokenizer


def _lower_letters(tokenizer: PreTrainedTokenizerBase, source: str) -> None:
    if not tokenizer.is_fast:
        raise ModelError(f"{shown(source)} sets do_lower_case and has no fast tokenizer (tokenizer.json)")
    backend = tokenizer.backend_tokenizer
    own = backend.normalizer
    backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), *([own] if own is not None else [])])


def _exact_tokenizer(source: str, revision: str | None, gguf: GGUF | None) -> PreTrainedTokenizerBase:
    if gguf is not None and find_file(source, "tokenizer.json", revision) is None:
        return load_gguf_tokenizer(gguf)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision, trust_remote_code=False, **hub_options())
        file = find_file(source, "tokenizer.json", revision)
        if file is None:
            return tokenizer
        exact = Tokenizer.from_file(str(file))
        if all(tokenizer(probe)["input_ids"] == exact.encode(probe).ids for probe in _PROBES):
            return tokenizer
        # The class would rebuild it again; the plain one takes the file as it is.
        return PreTrainedTokenizerFast.from_pretrained(source, revision=revision, **hub_options())
    except ImportError as error:
        raise ModelError(f"the tokenizer of {shown(source)} needs a package that is not installed: {error}") from error
    except Exception as error:  # the tokenizers library raises a bare Exception on a broken file
        raise ModelError(
            f"cannot load the tokenizer of {shown(source)}: it needs tokenizer.json and tokenizer_config.json "
            f"({type(error).__name__})"
        ) from error


def refuse_broken_weights(model: PreTrainedModel, source: str) -> None:
    """Raise if a weight is NaN or infinite.

    Raises:
        ModelError: naming the first such weight.
    """
    for name, parameter in model.named_parameters():
        # The sum is NaN or infinite if any element is, and needs no second copy of the weights. One of the weights' own
        # type takes a third of the time; where it overflows, the wider one tells.
        sums = (parameter.detach().sum(dtype=dtype).item() for dtype in (None, torch.float64))
        if parameter.is_floating_point() and not any(map(math.isfinite, sums)):
            raise ModelError(f"the weight {name} of {shown(source)} holds NaN or infinity: the file is damaged")


def refuse_if_too_large(
    base: str,
    dtype: torch.dtype | str,
    device: torch.device,
    revision: str | None = None,
    gguf: GGUF | None = None,
) -> None:
    """Raise, before anything is loaded, if the weights would not fit into the memory that is free.

    Raises:
        ModelError: saying how much is needed, how much there is, and what would help.
    """
    needed = weight_bytes(base, dtype, revision, gguf)
    if needed is None:
        return
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_memory()
    if needed * MEMORY_MARGIN > free:
        raise ModelError(
            f"{shown(base)} needs about {needed * MEMORY_MARGIN / 1e9:.1f} GB of memory as {dtype} and "
            f"{free / 1e9:.1f} GB are "
            "free: take dtype='bfloat16', quantization='4bit' (on a GPU), or a smaller model"
        )


def weight_bytes(
    base: str, dtype: torch.dtype | str, revision: str | None = None, gguf: GGUF | None = None
) -> int | None:
    """Bytes that the weights take once loaded as ``dtype``; None if the Hub does not tell.

    Read from the headers of the safetensors, or of the GGUF file, alone.
    """
    if isinstance(dtype, str) and dtype != "auto":
        dtype = getattr(torch, dtype)
    if gguf is not None:
        return gguf.numbers * _BYTES.get(dtype, 4)
    folder = Path(base)
    if not folder.is_dir():
        try:
            metadata = get_safetensors_metadata(base, revision=revision, token=hub_options().get("token"))
        except Exception:  # the size is a courtesy: whatever is wrong will be met, and named, when loading
            return None
        counts = metadata.parameter_count
        return sum(count * _BYTES.get(dtype, _stored_bytes(kind)) for kind, count in counts.items())
    total = 0
    for file in weight_files(folder):
        try:
            with safe_open(str(file), framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - no mapping
                    part = tensors.get_slice(name)
                    total += math.prod(part.get_shape()) * _BYTES.get(dtype, _stored_bytes(part.get_dtype()))
        except SafetensorError as error:
            raise ModelError(
                f"{file.name} in {shown(base)} is damaged or cut off ({error}): download it again"
            ) from error
    return total


def available_memory() -> int:
    """Bytes of main memory that this process may still take, its container's limit included."""
    free = psutil.virtual_memory().available
    limit, used = (Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory.current"))
    try:
        if (text := limit.read_text().strip()) != "max":
            free = min(free, int(text) - int(used.read_text()))
    except (OSError, ValueError):
        pass  # not in a container, or an older kind
    return max(0, free)


def _stored_bytes(kind: str) -> int:
    digits = "".join(filter(str.isdigit, kind.split("_")[0]))
    return max(1, int(digits or 8) // 8)


def _refuse_other_weights(base: str, revision: str | None) -> None:
    """Raise unless the weights are safetensors of the model's own."""
    if Path(base).is_dir():
        weight_files(Path(base))
        return
    try:
        index = find_file(base, INDEX, revision)
        found = index or find_file(base, WEIGHTS, revision)
        pickled = not found and file_exists(
            base, "pytorch_model.bin", revision=revision, token=hub_options().get("token")
        )
    except Exception:  # offline: the loader finds what is in the cache, or says that nothing is
        return
    if index:
        shards(index)
    elif pickled:
        raise ModelError(
            f"{shown(base)} holds its weights as a pickle (pytorch_model.bin), which can run code when it is read: "
            "convert it to safetensors first (on the Hub, the space safetensors/convert does it)"
        )
    elif not found:
        raise ModelError(f"{shown(base)} has no *.safetensors: it is no model with weights (an adapter?)")


def _bitsandbytes(quantization: Quantization) -> Any:
    from transformers import BitsAndBytesConfig

    if quantization not in ("4bit", "8bit"):
        raise ModelError(f"unknown quantization {quantization!r}; choose 4bit or 8bit")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(
            f"quantization={quantization!r} needs bitsandbytes: `pip install bitsandbytes`, or load without "
            "quantization"
        )
    if quantization == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16, bnb_4bit_quant_type="nf4")


@contextmanager
def _without_load_report() -> Iterator[None]:
    """Quiet what is no news: weights that are not used (the head's, always), layers not sharded on one device.

    What is missing is raised as an error. One load at a time: levels of loggers, and the default dtype that
    transformers sets while it loads, belong to the whole process, and of two overlapping loads one would leave its own.
    """
    with _LOADING:
        yield from _quiet_loggers()


def _quiet_loggers() -> Iterator[None]:
    loggers = [logging.getLogger(f"transformers.{name}") for name in ("modeling_utils", "distributed.tensor_parallel")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _text_tower(model: PreTrainedModel) -> PreTrainedModel:
    """Of a model that sees and reads, the part that reads."""
    if model.config.get_text_config() is model.config:
        return model
    tower = getattr(model, "language_model", None)
    return tower if isinstance(tower, PreTrainedModel) else model
