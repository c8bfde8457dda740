"""What decides a training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from llm2vec_core.arguments import check_fields
from llm2vec_core.errors import InputError

MixedPrecision = Literal["no", "bf16", "fp16"]
AdapterDtype = Literal["float32", "float16"]
# Another value of these leaves the losses of a run as they are: a resumed run may change them.
FREE_TO_CHANGE = ("held_out_every", "save_every", "patience", "adapter_dtype")

_AT_LEAST_ONE = (
    "steps", "batch_size", "max_length", "lora_rank", "lora_alpha", "held_out_every", "save_every",
    "accumulation_steps", "patience", "decay_steps",
)  # fmt: skip
_MAY_BE_NONE = ("patience", "decay_steps")


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of an adapter's training, the same for every objective.

    LoRA's rank, alpha and dropout are those of the published LLM2Vec. ``train --help`` shows these lines too.

    Attributes:
        steps: optimizer steps.
        batch_size: texts (or pairs) per step on each device, before accumulation. More give a contrastive loss more
            negatives.
        max_length: tokens per text; longer ones lose their end. Time and memory grow with it.
        learning_rate: the highest, reached after warm-up; it then falls linearly to zero. Lower it if
            the loss jumps or diverges.
        warmup_steps: steps over which the learning rate rises.
        decay_steps: step at which the learning rate would be zero; by default ``steps``. The published runs planned
            three epochs and were stopped after 1,000 steps, so theirs hardly falls.
        lora_rank: r of LoRA: more can learn more, and cost more memory.
        lora_alpha: LoRA's updates are scaled by alpha / rank.
        lora_dropout: share of the input of LoRA's updates that is dropped.
        lora_targets: last parts of the names of the linear layers to adapt; by default all of the decoder's.
        max_grad_norm: gradients are clipped to this length.
        accumulation_steps: batches whose gradients are added up for a step. A contrastive loss sees each batch by
            itself; ``chunk_size`` gives it more negatives.
        mixed_precision: bf16 or fp16 computes in 16 bits where that is safe, through accelerate; for GPUs.
        gradient_checkpointing: compute activations twice and keep none: slower, with less memory.
        bidirectional: open the attention; without it the causal model is trained: a baseline, not LLM2Vec.
        same_task_batches: draw each batch from pairs of one task, as the published supervised training does.
        held_out_every: steps between measurements on held-out examples, if there are any.
        patience: measurements without improvement after which the run ends and its best state is taken. By default
            it runs to the end and keeps the last state.
        adapter_dtype: of the finished adapter's file; float16 halves it. Checkpoints are float32, so that a run
            resumes exactly.
        save_every: steps between checkpoints, where the run has a folder; with patience, every measurement.
        seed: of the LoRA weights, the order of the texts, masks and dropout.

    Raises:
        InputError: if a number is out of its range; the message names it.

    Example:
        >>> TrainingConfig(steps=100, warmup_steps=10, learning_rate=1.0).learning_rate_at(55)
        0.5
    """

    steps: int = 300
    batch_size: int = 32
    max_length: int = 128
    learning_rate: float = 5e-4
    warmup_steps: int = 10
    decay_steps: int | None = None
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.05
    lora_targets: tuple[str, ...] = ()
    max_grad_norm: float = 1.0
    accumulation_steps: int = 1
    mixed_precision: MixedPrecision = "no"
    gradient_checkpointing: bool = False
    bidirectional: bool = True
    same_task_batches: bool = False
    held_out_every: int = 25
    patience: int | None = None
    save_every: int = 200
    adapter_dtype: AdapterDtype = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        for name in _AT_LEAST_ONE:
            value = getattr(self, name)
            if not (value is None and name in _MAY_BE_NONE) and value < 1:
                raise InputError(f"{name} is {value}; it must be at least 1")
        if not 0.0 < self.learning_rate <= 1.0:
            raise InputError(f"learning_rate is {self.learning_rate}; it must lie above 0 and at most at 1")
        if not 0.0 <= self.lora_dropout < 1.0:
            raise InputError(f"lora_dropout is {self.lora_dropout}; it must lie from 0 to below 1")
        if not self.max_grad_norm > 0.0:
            raise InputError(f"max_grad_norm is {self.max_grad_norm}; it must lie above 0")
        if self.warmup_steps < 0:
            raise InputError(f"warmup_steps is {self.warmup_steps}; it must not be negative")
        if self.mixed_precision not in get_args(MixedPrecision):
            choices = ", ".join(get_args(MixedPrecision))
            raise InputError(f"mixed_precision is {self.mixed_precision!r}; choose one of {choices}")
        if self.adapter_dtype not in get_args(AdapterDtype):
            choices = ", ".join(get_args(AdapterDtype))
            raise InputError(f"adapter_dtype is {self.adapter_dtype!r}; choose one of {choices}")

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of the step with this number (from 0)."""
        end = max(self.decay_steps or self.steps, self.steps)
        rising = (step + 1) / (self.warmup_steps + 1)
        falling = (end - step) / max(1, end - self.warmup_steps)
        return self.learning_rate * min(rising, falling, 1.0)
