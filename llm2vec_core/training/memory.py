"""What a training takes of memory, estimated before anything is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm2vec_core.errors import ModelError
from llm2vec_core.loading import MEMORY_MARGIN, available_memory
from llm2vec_core.training.config import TrainingConfig

BYTES = 4  # float32, which is what a CPU trains in
# Texts that one example becomes in a step.
VIEWS = {"mntp": 1, "simcse": 2, "supervised": 3}
# Numbers kept for the backward pass a token and layer, as multiples of hidden and intermediate size. On the bundled
# model (intermediate = 2.67 hidden) 31 to 34 hidden sizes were counted where these give 32; a test counts again.
_OF_HIDDEN, _OF_INTERMEDIATE = 14.5, 6.5
# What one layer's backward pass takes beside that, in layers, and what predicting a fifth of the tokens takes, in
# numbers a prediction and token of the vocabulary. Fitted, with the bytes that do not grow with the batch, to what the
# process was seen to take in nine trainings of the bundled model; the test has them.
_OF_BACKWARD, _OF_LOGITS = 3.2, 6
FIXED = 80_000_000
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
    shapes = [(training.batch_size, training.max_length)] * VIEWS[objective]
    weights = 0 if loaded else parameters
    if objective == "mntp" and not getattr(config, "tie_word_embeddings", True):
        weights += parameters  # the head is read from the whole model
    return step_bytes(config, training, objective, shapes) + int(BYTES * weights * MEMORY_MARGIN)


def step_bytes(config: Any, training: TrainingConfig, objective: str, shapes: Sequence[tuple[int, int]]) -> int:
    """Bytes that the steps of a LoRA training take beside the base's weights: up to a fifth more than was measured.

    Args:
        config: the base's configuration.
        training: LoRA's rank, and whether activations are kept or computed twice.
        objective: a key of :data:`VIEWS`.
        shapes: (texts, tokens) of every padded batch whose activations are kept at the same time.

    Example:
        >>> from types import SimpleNamespace
        >>> config = SimpleNamespace(hidden_size=64, num_hidden_layers=2, intermediate_size=128)
        >>> config.get_text_config = lambda: config
        >>> sizes = [step_bytes(config, TrainingConfig(), "supervised", [(texts, 32)]) for texts in (8, 16)]
        >>> sizes[0] < sizes[1]
        True
    """
    config = config.get_text_config()
    hidden, layers = config.hidden_size, config.num_hidden_layers
    inner = getattr(config, "intermediate_size", None) or 4 * hidden
    inner = max(inner) if isinstance(inner, (list, tuple)) else inner  # Gemma 3n: one a layer
    heads = getattr(config, "num_attention_heads", None) or 1
    heads = max(heads) if isinstance(heads, (list, tuple)) else heads
    tokens = sum(texts * length for texts, length in shapes)
    of_layer = tokens * (_OF_HIDDEN * hidden + _OF_INTERMEDIATE * inner)
    if objective == "simcse":
        # Attention dropout needs the attention weights themselves: before and after it, and its mask.
        of_layer += 3 * heads * sum(texts * length**2 for texts, length in shapes)
    # With checkpointing a layer keeps its input alone, and one layer at a time is computed again.
    kept = layers * (tokens * hidden if training.gradient_checkpointing else of_layer) + _OF_BACKWARD * of_layer
    if objective == "mntp":
        kept += _OF_LOGITS * tokens * config.vocab_size / 5
    adapter = _COPIES * layers * training.lora_rank * (11 * hidden + 3 * inner)
    return int(BYTES * (kept + adapter)) + FIXED


def refuse_untrainable(
    label: str,
    needed: int,
    free: int | None = None,
    advice: str = (
        "choose a smaller model, a smaller batch or shorter texts, or train it elsewhere with `python -m llm2vec_core "
        "train`"
    ),
) -> None:
    """Raise if a training would not fit into the memory that is free.

    Args:
        label: the model, as it is shown to people.
        needed: bytes, of :func:`training_bytes`, or of the weights alone.
        free: bytes; by default what this machine has.
        advice: what would help.

    Raises:
        ModelError: saying how much is needed, how much there is, and what would help.

    Example:
        >>> refuse_untrainable("a small model", needed=10**6, free=10**9)
    """
    free = available_memory() if free is None else free
    if needed > free:
        raise ModelError(
            f"Training {label} takes about {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free here: "
            f"{advice}."
        )
