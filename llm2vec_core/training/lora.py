"""A LoRA adapter beside weights that others are using (Hu et al., 2021; through PEFT)."""

from __future__ import annotations

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
