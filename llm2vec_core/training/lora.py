"""A LoRA adapter beside weights that others are using (Hu et al., 2021; through PEFT)."""

from __future__ import annotations

from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel

from llm2vec_core.bidirectional import shared_weights_view
from llm2vec_core.training.config import TrainingConfig


def add_lora(model: PreTrainedModel, config: TrainingConfig) -> PeftModel:
    """Put a fresh adapter into a view of the model; the model itself is left as it was.

    Args:
        model: a decoder without head.
        config: gives rank, alpha and dropout.

    Returns:
        The PEFT model; it shares every base tensor with ``model`` and owns only the LoRA matrices, which
        sit on every linear layer (the seven of a Llama block that the published recipe names).
    """
    lora = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules="all-linear",
        bias="none",
    )
    return get_peft_model(shared_weights_view(model), lora)


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
