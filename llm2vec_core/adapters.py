"""PEFT adapters, read by PEFT itself under the names they were trained with.

An adapter's configuration names modules as the model it was trained on names them: ``model.layers.0...`` on a causal
language model, ``layers.0...`` on the decoder alone, ``model.language_model.layers.0...`` on one that also sees. Target
patterns, alpha and rank patterns, layer numbers and regular expressions all depend on these names, so they are not
translated: the decoder is put into a shell in which it stands under the adapter's own prefix, and PEFT loads the
adapter there. What belongs to a head (``lm_head``, ``score``) does not reach hidden states and is left aside.
"""

from __future__ import annotations

import copy
import logging
import math
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn
from transformers import PreTrainedModel

from llm2vec_core.bidirectional import shared_weights_view
from llm2vec_core.checkpoints import find_file, require_file, shown
from llm2vec_core.config_numbers import refuse_huge
from llm2vec_core.errors import AdapterError, ModelError
from llm2vec_core.low_rank import low_rank_layers, put_beside, underlying

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel

logger = logging.getLogger(__name__)

WEIGHTS_FILE = "adapter_model.safetensors"
# What PEFT writes in front of a module's name.
_PEFT_PREFIX = "base_model.model."
# As torch tells of a tensor with another shape: its name, the file's shape, the model's.
_SIZES = re.compile(r"size mismatch for (\S+): [^\[]*\(\[([\d, ]+)\]\) from checkpoint, [^\[]*\(\[([\d, ]+)\]\)")
# Largest difference of a hidden state between PEFT's layers and the merged weights, relative to the largest state.
# Merging rounds to the weights' dtype.
MERGE_TOLERANCE, HALF_MERGE_TOLERANCE = 1e-3, 0.2
# Merging one plain adapter after the other gives the same sums as running them side by side.
_NOT_ADDITIVE = ("use_dora", "modules_to_save", "trainable_token_indices", "lora_bias", "layer_replication")
_RARE = ("layer_replication", "arrow_config", "use_qalora", "use_dora", "lora_bias")
# Settings of LoRA that do not change what it computes from the matrices in its file, or that _plain_lora reads itself.
_READ_HERE = {
    "r", "lora_alpha", "target_modules", "lora_dropout", "init_lora_weights",
    "peft_type", "peft_version", "auto_mapping", "base_model_name_or_path", "revision", "task_type", "inference_mode",
}  # fmt: skip
_PLAIN_TYPES = {"bool": "true or false", "int": "a number", "float": "a number"}
_LOAD_ERRORS = (
    OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, AssertionError, IndexError, re.error,
    SafetensorError, ImportError,
)  # fmt: skip


def apply_adapters(model: PreTrainedModel, adapters: Sequence[str], *, merge: bool = True) -> PreTrainedModel:
    """Put PEFT adapters on a model, one on top of the other.

    Each is proven by behaviour: a few tokens must get the same hidden states from the result as from PEFT's own model.

    Args:
        model: the base without a head; changed in place.
        adapters: folders or Hub ids.
        merge: write them into the weights; otherwise they stay beside them as layers of their own, all active at
            once, which gives the same sums.

    Raises:
        AdapterError: if an adapter is none, is a pickle, belongs to another base, or is of a kind that cannot become
            part of the weights (a prompt, say).
    """
    if not adapters:
        return model
    wrapped: PeftModel | None = None
    names: list[str] = []
    for number, adapter in enumerate(adapters):
        folder = adapter_folder(adapter)
        config = _readable_config(adapter, folder)
        prefix = _prefix_in(folder, model)
        if prefix is None:
            continue
        _leave_head_tokens(adapter, config, prefix, model)
        if not merge and len(adapters) > 1:
            _refuse_side_by_side(adapter, config)
        _fit_vocabulary(folder, prefix, model)
        name = "default" if merge else f"adapter_{number}"
        try:
            wrapped = _load(adapter, folder, config, name, prefix, model, None if merge else wrapped)
            names = [name] if merge else [*names, name]
            wrapped.base_model.set_adapter(names, inference_mode=True)
        except AdapterError:
            raise
        except _LOAD_ERRORS as error:
            raise _misfit(adapter, config, model, error) from error
        try:
            expected = _probe_states(wrapped.eval(), model)
            if merge:
                wrapped.merge_and_unload()
            got = _probe_states(model, model)
        except _LOAD_ERRORS as error:
            raise _no_part_of_the_weights(adapter, config, error, merge=merge) from error
        _refuse_other_states(adapter, config, got, expected, half=model.dtype != torch.float32, merge=merge)
    return model.eval()


def adapted_view(model: PreTrainedModel, adapters: Sequence[str]) -> PreTrainedModel:
    """A view of a model with adapters beside its weights, for inference alone.

    Plain LoRA in float32 becomes one :class:`llm2vec_core.low_rank.LowRankLinear` a layer. Whatever is not plain, or
    does not fit to the last name and shape, takes the road of :func:`apply_adapters`, which says what is wrong.

    Args:
        model: the base without a head, with or without such adapters; left as it is.
        adapters: folders or Hub ids.

    Raises:
        AdapterError: as :func:`apply_adapters`.
    """
    found = [_plain_lora(adapter, model) for adapter in adapters]
    if all(found):
        there = {name: (layer.down, layer.up) for name, layer in low_rank_layers(model).items()}
        view, pairs = shared_weights_view(model).eval(), [i for each in (there, *found) for i in (each or {}).items()]
        for name in dict(pairs):
            downs, ups = zip(*(pair for other, pair in pairs if other == name), strict=True)
            put_beside(view, name, torch.cat(downs), torch.cat(ups, dim=1))
        if bool(_probe_states(view, view).isfinite().all()):
            return view
    # PEFT knows nothing of low-rank layers.
    base = merged_copy(model) if low_rank_layers(model) else shared_weights_view(model)
    return apply_adapters(base, adapters, merge=False)


def _plain_lora(adapter: str, model: PreTrainedModel) -> dict[str, tuple[torch.Tensor, torch.Tensor]] | None:
    """By the name of a linear layer its A and its scaled B; None unless the adapter is plain LoRA and fits exactly."""
    from peft import LoraConfig

    folder = adapter_folder(adapter)
    config, default = _readable_config(adapter, folder), LoraConfig()
    prefix = _prefix_in(folder, model)
    if (
        prefix is None
        or type(config) is not LoraConfig
        or not isinstance(config.target_modules, set)
        or config.init_lora_weights not in (True, False, "gaussian")  # others change the base's weights
        or any(getattr(config, f.name) != getattr(default, f.name) for f in fields(config) if f.name not in _READ_HERE)
    ):
        return None
    targets = {
        name: underlying(module)
        for name, module in model.named_modules()
        if any(f".{prefix}{name}".endswith(f".{target}") for target in config.target_modules)
    }
    if any(type(module) is not nn.Linear or module.weight.dtype != torch.float32 for module in targets.values()):
        return None
    tensors = load_file(folder / WEIGHTS_FILE, device=str(model.device))
    found = {}
    for name, module in targets.items():
        a, b = (tensors.pop(f"{_PEFT_PREFIX}{prefix}{name}.lora_{letter}.weight", None) for letter in "AB")
        shapes = [(config.r, module.in_features), (module.out_features, config.r)]
        if a is None or b is None or [a.shape, b.shape] != shapes:
            return None
        found[name] = a.float(), b.float() * (config.lora_alpha / config.r)
    return None if tensors else found


def merged_copy(model: PreTrainedModel) -> PreTrainedModel:
    """The model with adapters that stand beside its weights written into them; itself if there are none.

    Raises:
        ModelError: if the weights are quantized, so that nothing can be written into them exactly.
    """
    if getattr(model, "is_quantized", False):
        raise ModelError("quantized weights are not saved: load the model without quantization and save that")
    if low_rank_layers(model):
        model = copy.deepcopy(model)
        for name, layer in low_rank_layers(model).items():
            model.set_submodule(name, layer.merged())
    return _merged_by_peft(model) if "peft" in sys.modules else model


def _merged_by_peft(model: PreTrainedModel) -> PreTrainedModel:
    from peft import PeftModel
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    if isinstance(model, PeftModel):
        # Merging adds to the weights in place, and the encoder goes on using them.
        return copy.deepcopy(model).merge_and_unload()
    if not any(isinstance(module, (BaseTunerLayer, AuxiliaryTrainingWrapper)) for module in model.modules()):
        return model
    merged = copy.deepcopy(model)
    replaced: list[str] = []
    for name, module in list(merged.named_modules()):
        parent, _, leaf = name.rpartition(".")
        if any(name.startswith(f"{other}.") for other in replaced):
            continue  # inside a module that is gone already
        if isinstance(module, AuxiliaryTrainingWrapper):
            replaced.append(name)
            plain = module.unload_and_optionally_merge_module(merge=True, safe_merge=False, adapter_names=None)
            setattr(merged.get_submodule(parent), leaf, plain)
        elif isinstance(module, BaseTunerLayer) and hasattr(module, "base_layer"):
            replaced.append(name)
            try:
                module.merge()
            except RuntimeError as error:
                raise ModelError(
                    f"an adapter cannot become part of the weights, so it is not saved: {_line(error)}"
                ) from error
            setattr(merged.get_submodule(parent), leaf, module.get_base_layer())
    # PEFT's mark on an injected model; it would save the adapter beside the merged weights.
    merged._hf_peft_config_loaded = False
    return merged


class _Shell(PreTrainedModel):
    """A model in which a decoder stands under a prefix of names, as it does in the model an adapter was trained on."""

    # It has no attention of its own to check.
    _supports_sdpa = _supports_flash_attn = _supports_flex_attn = _supports_attention_backend = True

    def __init__(self, decoder: PreTrainedModel, prefix: str) -> None:
        config = copy.deepcopy(decoder.config)
        # There is no head here that could share the embeddings.
        config.tie_word_embeddings = False
        super().__init__(config)
        *parents, last = prefix.rstrip(".").split(".")
        place: nn.Module = self
        for parent in parents:
            place.add_module(parent, nn.Module())
            place = place.get_submodule(parent)
        place.add_module(last, decoder)
        self._path = prefix.rstrip(".")

    @classmethod
    def _can_set_experts_implementation(cls) -> bool:
        return True  # nor experts of its own

    @property
    def decoder(self) -> PreTrainedModel:
        return self.get_submodule(self._path)

    def get_input_embeddings(self) -> nn.Module:
        return self.decoder.get_input_embeddings()

    def get_output_embeddings(self) -> None:
        return None

    def forward(self, **inputs: Any) -> Any:
        return self.decoder(**inputs)


def _load(
    adapter: str,
    folder: Path,
    config: PeftConfig,
    name: str,
    prefix: str,
    model: PreTrainedModel,
    wrapped: PeftModel | None,
) -> PeftModel:
    from peft import PeftModel

    if wrapped is None:
        wrapped = PeftModel(_Shell(model, prefix) if prefix else model, config, adapter_name=name)
    elif getattr(wrapped.get_base_model(), "_path", "") != prefix.rstrip("."):
        raise AdapterError(
            f"the adapter {shown(adapter)} was trained on another shape of the model than the one below it: load them "
            "with merge_adapters=True"
        )
    result = wrapped.load_adapter(str(folder), name, torch_device=str(model.device), key_mapping={})
    # Layers that share one bank of vectors list it once each.
    missing = [key for key in result.missing_keys if "vblora_vector_bank" not in key]
    aside = [key for key in result.unexpected_keys if _is_of_head(key, prefix)]
    # Of a module that was saved whole in a resized model, PEFT writes the same tensor under a second name.
    twice = [key for key in result.unexpected_keys if ".modules_to_save." in key or ".original_module." in key]
    strangers = [*missing, *(key for key in result.unexpected_keys if key not in (*aside, *twice))]
    if strangers:
        raise _foreign(adapter, model, f"{len(strangers)} of its tensors find no place or are missing, {strangers[0]}")
    if aside:
        _tell_aside(adapter, aside)
    return wrapped


def adapter_folder(adapter: str) -> Path:
    """Where the files of an adapter lie, downloaded if they have to be.

    Args:
        adapter: a folder or a Hub id.

    Raises:
        AdapterError: if it is no PEFT adapter with weights as safetensors, or cannot be reached.
    """
    try:
        config = require_file(adapter, "adapter_config.json")
    except ModelError as error:
        raise AdapterError(f"{shown(adapter)} is no PEFT adapter, or cannot be reached: {error}") from error
    if find_file(adapter, WEIGHTS_FILE) is None and find_file(adapter, f"{WEIGHTS_FILE}.index.json"):
        raise AdapterError(
            f"the weights of the adapter {shown(adapter)} lie in several files ({WEIGHTS_FILE}.index.json), which PEFT "
            f"does not read: save it again as one {WEIGHTS_FILE}"
        )
    if find_file(adapter, WEIGHTS_FILE) is None:
        raise AdapterError(
            f"the adapter {shown(adapter)} has no {WEIGHTS_FILE}; a pickled adapter_model.bin can run code when it is "
            "read and is refused: save it again as safetensors"
        )
    return config.parent


def _readable_config(adapter: str, folder: Path) -> PeftConfig:
    """The adapter's configuration, if its kind can become part of a model's weights."""
    from peft import PeftConfig

    try:
        config = PeftConfig.from_pretrained(str(folder))
    except _LOAD_ERRORS as error:
        raise AdapterError(
            f"adapter_config.json of {shown(adapter)} cannot be read by PEFT ({type(error).__name__}: {_line(error)})"
        ) from error
    try:
        refuse_huge(config.to_dict(), f"adapter_config.json of {shown(adapter)}")
    except ModelError as error:
        raise AdapterError(str(error)) from error
    config.inference_mode = True
    if config.is_prompt_learning or getattr(config, "is_adaption_prompt", False):
        raise AdapterError(
            f"the adapter {shown(adapter)} is of PEFT type {_kind(config)}: it teaches the model a prompt and changes "
            "no weights, so it cannot be part of an encoder; LoRA and other types that change weights can"
        )
    if getattr(config, "alora_invocation_tokens", None):
        raise AdapterError(
            f"the adapter {shown(adapter)} has alora_invocation_tokens {config.alora_invocation_tokens!r:.60}: it acts "
            "only behind these tokens of a chat, and changes no token in front of them, so it cannot be part of an "
            "encoder; train it without them"
        )
    if str(getattr(config, "init_lora_weights", "")).startswith("pissa_niter"):
        raise AdapterError(
            f"the adapter {shown(adapter)} has init_lora_weights {config.init_lora_weights!r}: what it takes away from "
            "the base's weights is drawn at random each time it is loaded, so PEFT itself gives other vectors each "
            "time; save it again with PEFT's path_initial_model_for_weight_conversion"
        )
    _refuse_values(adapter, config)
    return config


def _refuse_values(adapter: str, config: PeftConfig) -> None:
    """Raise for settings of another kind than theirs, which PEFT takes for something else or stumbles over later."""
    for setting in fields(config):
        expected = _PLAIN_TYPES.get(getattr(setting.type, "__name__", str(setting.type)))
        value = getattr(config, setting.name)
        # Python takes the text "false" for true.
        if expected and not (value is None or (isinstance(value, (int, float)) and math.isfinite(value))):
            raise AdapterError(
                f"adapter_config.json of {shown(adapter)} says {setting.name}={value!r:.60}: it has to be {expected}, "
                "unquoted"
            )
    for name in ("target_modules", "exclude_modules"):
        # PEFT makes a set of a list; a text stays a pattern.
        value = getattr(config, name, None)
        if value is not None and not isinstance(value, (str, list, set, tuple)):
            raise AdapterError(f"{name} in adapter_config.json of {shown(adapter)} is {value!r:.60}: no names")
    tokens = getattr(config, "trainable_token_indices", None)
    lists = tokens.values() if isinstance(tokens, dict) else [] if tokens is None else [tokens]
    if any(not isinstance(ids, list) or not ids or not all(type(token) is int for token in ids) for ids in lists):
        raise AdapterError(
            f"trainable_token_indices in adapter_config.json of {shown(adapter)} is {tokens!r:.60}: no list of token "
            "ids"
        )


def _prefix_in(folder: Path, model: PreTrainedModel) -> str | None:
    """What stands in front of the decoder's own names in an adapter's tensors; None if they are a head's alone."""
    names = [name for name in _tensor_names(folder) if name.startswith(_PEFT_PREFIX)]
    children = {name for name, _ in model.named_children()}
    found: Counter[str] = Counter()
    for name in names:
        parts = name.removeprefix(_PEFT_PREFIX).split(".")
        depth = next((i for i, part in enumerate(parts) if part in children), None)
        if depth is not None:
            found[".".join(parts[:depth]) + "." * bool(depth)] += 1
    if found:
        return found.most_common(1)[0][0]
    if names and all(_is_of_head(name, "model.") for name in names):
        _tell_aside(str(folder), names)
        return None
    return ""  # PEFT will say which of them find no place


def _tensor_names(folder: Path) -> list[str]:
    try:
        with safe_open(str(folder / WEIGHTS_FILE), framework="pt") as tensors:
            names = list(tensors.keys())
            for name in names:
                if not bool(torch.isfinite(tensors.get_tensor(name)).all()):
                    raise AdapterError(f"the weight {name} of {shown(folder)} holds NaN or infinity: it is damaged")
    except (OSError, SafetensorError) as error:
        raise AdapterError(f"{WEIGHTS_FILE} of {shown(folder)} is damaged or no safetensors file ({error})") from error
    return names


def _is_of_head(key: str, prefix: str) -> bool:
    """Whether a tensor belongs to something beside the decoder: its head, or the part that sees."""
    return bool(prefix) and key.startswith(_PEFT_PREFIX) and not key.startswith(_PEFT_PREFIX + prefix)


def _tell_aside(adapter: str, keys: Sequence[str]) -> None:
    modules = sorted({key.removeprefix(_PEFT_PREFIX).split(".")[0] for key in keys})
    logger.warning(
        "the adapter %s also changes %s, which an encoder does not use: left aside", shown(adapter), ", ".join(modules)
    )


def _leave_head_tokens(adapter: str, config: PeftConfig, prefix: str, model: PreTrainedModel) -> None:
    """Of single tokens that are trained, those of the head: it has no place in the shell for PEFT to find."""
    tokens = getattr(config, "trainable_token_indices", None)
    if not prefix or not isinstance(tokens, dict):
        return
    inside = [f"{prefix}{name}" for name, _ in model.named_modules() if name]
    head = [name for name in tokens if not any(f".{own}".endswith(f".{name}") for own in inside)]
    if head and len(head) < len(tokens):
        config.trainable_token_indices = {name: ids for name, ids in tokens.items() if name not in head}
        _tell_aside(adapter, [f"{_PEFT_PREFIX}{name}" for name in head])


def _fit_vocabulary(folder: Path, prefix: str, model: PreTrainedModel) -> None:
    """Give the model as many token embeddings as an adapter brings, if it brings them whole."""
    embeddings = model.get_input_embeddings()
    own = next((name for name, module in model.named_modules() if module is embeddings), None)
    names = {f"{_PEFT_PREFIX}{prefix}{own}{suffix}.weight" for suffix in ("", ".base_layer", ".modules_to_save")}
    with safe_open(str(folder / WEIGHTS_FILE), framework="pt") as tensors:
        rows = next((tensors.get_slice(k).get_shape()[0] for k in tensors.keys() if k in names), None)  # noqa: SIM118
    if rows and rows != embeddings.weight.shape[0]:
        model.resize_token_embeddings(rows, mean_resizing=False)


def _refuse_side_by_side(adapter: str, config: PeftConfig) -> None:
    special = [name for name in _NOT_ADDITIVE if getattr(config, name, None)]
    if getattr(config, "bias", "none") != "none":
        special.append("bias")
    if config.peft_type != "LORA":
        special = [f"peft_type {_kind(config)}"]
    if special:
        raise AdapterError(
            f"the adapter {shown(adapter)} ({', '.join(special)}) gives other numbers beside another adapter than on "
            "top of it: load them with merge_adapters=True"
        )


@torch.no_grad()
def _probe_states(reader: nn.Module, model: PreTrainedModel) -> torch.Tensor:
    rows = model.get_input_embeddings().weight.shape[0]
    ids = (torch.arange(1, 13, device=model.device) * 7919 % rows)[None]
    states = reader(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).last_hidden_state
    return states.float()


def _refuse_other_states(
    adapter: str, config: PeftConfig, got: torch.Tensor, expected: torch.Tensor, *, half: bool, merge: bool
) -> None:
    if not bool(torch.isfinite(got).all()):
        raise AdapterError(f"with the adapter {shown(adapter)} the model answers with NaN or infinity: it is broken")
    difference = float((got - expected).abs().max() / expected.abs().max().clamp(min=1e-6))
    if difference > (HALF_MERGE_TOLERANCE if half else MERGE_TOLERANCE):
        raise AdapterError(
            f"the adapter {shown(adapter)} ({_kind(config)}) cannot become part of the weights: PEFT's own model and "
            f"the result differ by {difference:.1e} of the largest hidden state"
            + ("; load it with merge_adapters=False" if merge else "")
        )


def _misfit(adapter: str, config: PeftConfig, model: PreTrainedModel, error: Exception) -> AdapterError:
    rows = model.get_input_embeddings().weight.shape[0]
    if "size mismatch" in str(error) and "embedding" in str(error):
        return _foreign(
            adapter, model, f"its vocabulary is not the base's of {rows} tokens, and it does not bring embeddings of "
            f"its own: {_line(error)}"
        )  # fmt: skip
    if ranks := _ranks(error):
        logger.debug("adapter refused", exc_info=True)
        return AdapterError(
            f"the adapter {shown(adapter)} has rank {ranks[1]} in adapter_config.json and rank {ranks[0]} in its "
            "weights: give it the configuration that it was trained with"
        )
    what = f"{_kind(config)}, {type(error).__name__}: {_line(error)}"
    if "size mismatch" in str(error) or "not found in the base model" in str(error):
        return _foreign(adapter, model, what)
    logger.debug("adapter refused", exc_info=True)
    return AdapterError(
        f"the adapter {shown(adapter)} does not fit {type(model).__name__}: PEFT cannot put it there as its "
        f"adapter_config.json says ({what})"
    )


def _ranks(error: Exception) -> tuple[int, int] | None:
    """The rank of the weights and of the configuration, if nothing but these two disagree."""
    found = None
    for name, *shapes in _SIZES.findall(str(error)):
        axis = 0 if ".lora_A." in name else 1 if ".lora_B." in name else None
        theirs, ours = ([int(number) for number in shape.split(",")] for shape in shapes)
        if (
            axis is None
            or len(theirs) != len(ours)
            or any((a != b) != (place == axis) for place, (a, b) in enumerate(zip(theirs, ours, strict=True)))
        ):
            return None
        found = found or (theirs[axis], ours[axis])
    return found


def _no_part_of_the_weights(adapter: str, config: PeftConfig, error: Exception, *, merge: bool) -> AdapterError:
    """PEFT has loaded it, but does not merge it, or needs more than a text to run it (a task's number, say)."""
    logger.debug("adapter refused", exc_info=True)
    why = f": {_line(error).rstrip('.')}" if str(error).strip() else ""
    advice = "load it with merge_adapters=False" if merge and _merging_failed(error) else "an encoder cannot use it"
    what = "become part of the weights" if merge else "run beside the weights"
    return AdapterError(f"the adapter {shown(adapter)} ({_kind(config)}) cannot {what}{why}; {advice}")


def _merging_failed(error: Exception) -> bool:
    """Whether PEFT stopped in merging, not in the forward pass before it."""
    frame, names = error.__traceback__, set()
    while frame is not None:
        names.add(frame.tb_frame.f_code.co_name)
        frame = frame.tb_next
    return "merge_and_unload" in names


def _kind(config: PeftConfig) -> str:
    """An adapter's type, and those of its settings that are seldom used."""
    kind = str(getattr(config.peft_type, "value", config.peft_type))
    rare = [name for name in _RARE if getattr(config, name, None)]
    return f"{kind} with {', '.join(rare)}" if rare else kind


def _line(error: Exception) -> str:
    """What an error says, in one line; torch puts the tensors behind a headline."""
    if sizes := _SIZES.search(str(error)):
        name, theirs, ours = sizes.groups()
        return f"{name.removeprefix(_PEFT_PREFIX)} has the shape ({theirs}) in its file, and ({ours}) here"
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return " ".join(lines[:2])[:300]


def _foreign(adapter: str, model: PreTrainedModel, why: str) -> AdapterError:
    logger.debug("adapter refused", exc_info=True)
    return AdapterError(
        f"the adapter {shown(adapter)} does not fit {type(model).__name__} "
        f"({model.config.get_text_config().hidden_size} wide): it was trained on another base ({why})"
    )
