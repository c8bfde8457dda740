"""What a training takes of memory, estimated before anything is loaded."""

from __future__ import annotations

from typing import Any

from llm2vec_core.errors import ModelError
from llm2vec_core.loading import MEMORY_MARGIN, available_memory
from llm2vec_core.training.config import TrainingConfig

BYTES = 4  # float32, which is what a CPU trains in
# Texts that one example becomes in a step.
VIEWS = {"mntp": 1, "simcse": 2, "supervised": 3}
# Numbers kept for the backward pass a token and layer, as multiples of hidden and intermediate size. On the bundled
# model (intermediate = 2.75 hidden) 31 to 34 hidden sizes were counted where these give 40; a test counts again.
_OF_HIDDEN, _OF_INTERMEDIATE = 18, 8
# LoRA's weight, gradient, AdamW's two moments, and the copy that a diverged step goes back to.
_COPIES = 5


def training_bytes(
    parameters: int, config: Any, training: TrainingConfig, objective: str, *, loaded: bool = False
) -> int:
    """Bytes that a LoRA training takes, an estimate that is rather too high than too low.

    Args:
        parameters: of the base.
        config: its configuration (``hidden_size``, ``num_hidden_layers`` and so on).
        training: batch size, length and rank count.
        objective: a key of :data:`VIEWS`.
        loaded: whether the base's weights are in memory already.
    """
    config = config.get_text_config()
    hidden, layers = config.hidden_size, config.num_hidden_layers
    inner = getattr(config, "intermediate_size", None) or 4 * hidden
    heads = getattr(config, "num_attention_heads", 1)
    tokens = VIEWS[objective] * training.batch_size * training.max_length
    kept = tokens * layers * (_OF_HIDDEN * hidden + _OF_INTERMEDIATE * inner)
    if objective == "simcse":
        # Attention dropout needs the attention weights themselves: before and after it, and its mask.
        kept += 3 * tokens * layers * heads * training.max_length
    if objective == "mntp":
        kept += 3 * tokens * config.vocab_size // 5  # a fifth of the tokens is predicted: logits and their gradient
    adapter = _COPIES * layers * training.lora_rank * (11 * hidden + 3 * inner)
    weights = 0 if loaded else parameters
    if objective == "mntp" and not getattr(config, "tie_word_embeddings", True):
        weights += parameters  # the head is read from the whole model
    return int(BYTES * (kept + adapter + weights) * MEMORY_MARGIN)


def refuse_untrainable(label: str, needed: int, free: int | None = None) -> None:
    """Raise if a training would not fit into the memory that is free.

    Args:
        label: the model, as it is shown to people.
        needed: bytes, of :func:`training_bytes`, or of the weights alone.
        free: bytes; by default what this machine has.

    Raises:
        ModelError: saying how much is needed, how much there is, and what would help.

    Example:
        >>> refuse_untrainable("a small model", needed=10**6, free=10**9)
    """
    free = available_memory() if free is None else free
    if needed > free:
        raise ModelError(
            f"Training {label} takes about {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free here: "
            "choose a smaller model, a smaller batch or shorter texts, or train it elsewhere with `python -m "
            "llm2vec_core train`."
        )
