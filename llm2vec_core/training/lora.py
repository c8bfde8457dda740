"""A LoRA adapter beside weights that others are using (Hu et al., 2021; through PEFT)."""

from __future__ import annotations

from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from llm2vec_core.bidirectional import decoder_layers, shared_weights_view
from llm2vec_core.bidirectional.probe import Probe, probing
from llm2vec_core.errors import TrainingError
from llm2vec_core.low_rank import FROZEN, underlying
from llm2vec_core.training.config import TrainingConfig


def add_lora(model: PreTrainedModel, config: TrainingConfig) -> PeftModel:
    """Put a fresh adapter into a view of the model; the model itself is left as it was.

    Args:
        model: a decoder without head.
        config: gives rank, alpha, dropout, and the targets if they are not to be all.

    Returns:
        The PEFT model; it shares every base tensor with ``model`` and owns only the LoRA matrices.

    Raises:
        TrainingError: if the model has no linear layer of the wanted names, or PEFT cannot adapt them so.
    """
    found = linear_layers(model)
    unknown = sorted(set(config.lora_targets) - set(found))
    if unknown:
        raise TrainingError(f"lora_targets names {unknown[0]!r}; this model's layers have {', '.join(found)}")
    targets = list(config.lora_targets) or list(found)
    lora = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=targets,
        fan_in_fan_out=all(found[name] is Conv1D for name in targets),
        bias="none",
    )
    try:
        return get_peft_model(shared_weights_view(model), lora)
    except ValueError as error:
        # PEFT adapts some types' experts as well, which know no dropout.
        raise TrainingError(
            f"PEFT cannot adapt this {model.config.model_type} (lora_dropout is {config.lora_dropout}, the layers are "
            f"{', '.join(targets)}): {' '.join(str(error).split())[:200]}; take lora_dropout=0 or other lora_targets"
        ) from error


def linear_layers(model: PreTrainedModel) -> dict[str, type[nn.Module]]:
    """The linear layers inside the decoder's layers: the last parts of their names, and their class.

    In a Llama these are the seven that the published recipe names; GPT-2 keeps its weights transposed, in a class of
    its own. Mixtures of experts keep all experts of a layer in one tensor, which is no linear layer: their attention is
    adapted and the experts stay as they are.

    Args:
        model: a decoder.

    Raises:
        TrainingError: if there is none.

    Example:
        >>> from llm2vec_core import LLM2Vec
        >>> ", ".join(linear_layers(LLM2Vec.from_preset("mini").causal_model))
        'q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj'
    """
    view = shared_weights_view(model)
    answering: set[nn.Module] = set()

    def hook(module: nn.Module, _args: object, output: object) -> None:
        # Routers that inherit from a linear layer answer with several tensors, which PEFT cannot add to.
        if isinstance(output, torch.Tensor):
            answering.add(module)

    linear = [
        (name.removesuffix(FROZEN), module)
        for layer in decoder_layers(view)
        for name, module in layer.named_modules()
        if isinstance(module, (nn.Linear, Conv1D))
    ]
    for _, module in linear:
        module.register_forward_hook(hook)
    with probing(view):
        Probe(view)
    # Whose weight others read past its forward pass (LongCat's router) would be adapted only once it is merged.
    found: dict[str, type[nn.Module]] = {
        _suffix(view, name): Conv1D if isinstance(module, Conv1D) else nn.Linear
        for name, module in linear
        if module in answering
    }
    if not found:
        raise TrainingError(f"{type(model).__name__} has no linear layers in its decoder layers: LoRA finds no place")
    return found


def _suffix(model: nn.Module, name: str) -> str:
    """The end of a linear layer's name, as long as it must be for PEFT to find linear layers alone by it."""
    parts = name.split(".")
    for length in range(1, len(parts)):
        end = ".".join(parts[-length:])
        if end.isdigit():
            continue  # of a sequence; decoder layers are numbered, too
        others = (module for path, module in model.named_modules() if f".{path}".endswith(f".{end}"))
        if all(isinstance(underlying(module), (nn.Linear, Conv1D)) for module in others):
            return end
    return name


# Written whatever their value: loaders look for them.
_ALWAYS = {"peft_type", "task_type", "r", "lora_alpha", "lora_dropout", "bias", "inference_mode"}


def portable_adapter_config(config: dict[str, Any], base_name: str) -> dict[str, Any]:
    """An ``adapter_config.json`` that says what differs from PEFT's defaults and nothing else.

    Older PEFT releases refuse options that they do not know, and the base's full path is the training
    machine's own business.

    Args:
        config: as PEFT wrote it.
        base_name: Hub id or folder name of the base model.

    Returns:
        The entries worth keeping, the base by its name, target modules in alphabetical order.

    Example:
        >>> portable_adapter_config({"peft_type": "LORA", "r": 4, "use_dora": False, "target_modules": ["v", "k"]}, "b")
        {'peft_type': 'LORA', 'r': 4, 'target_modules': ['k', 'v'], 'base_model_name_or_path': 'b'}
    """
    defaults = LoraConfig().to_dict()
    kept = {
        name: sorted(value) if name == "target_modules" and isinstance(value, list) else value
        for name, value in config.items()
        if name in _ALWAYS or (name not in ("auto_mapping", "peft_version") and value != defaults.get(name))
    }
    return {**kept, "base_model_name_or_path": base_name}
