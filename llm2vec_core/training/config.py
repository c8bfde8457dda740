"""What decides a training run."""

from __future__ import annotations

from dataclasses import dataclass

from llm2vec_core.errors import InputError


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of an adapter's training, the same for every objective.

    LoRA's rank, alpha and dropout are those of the published LLM2Vec.

    Attributes:
        steps: optimizer steps.
        batch_size: texts a step.
        max_length: tokens a text; longer ones lose their end.
        learning_rate: after warm-up; it then falls linearly to zero.
        warmup_steps: over which it rises.
        lora_rank: r of LoRA.
        lora_alpha: LoRA's updates are scaled by alpha / rank.
        lora_dropout: on the input of LoRA's updates.
        max_grad_norm: gradients are clipped to this length.
        held_out_every: steps between measurements on held-out texts, if there are any.
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
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.05
    max_grad_norm: float = 1.0
    held_out_every: int = 25
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "max_length", "lora_rank", "lora_alpha", "held_out_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0.0 < self.learning_rate <= 1.0:
            raise InputError(f"learning_rate is {self.learning_rate}; it must lie above 0 and at most at 1")
        if not 0.0 <= self.lora_dropout < 1.0:
            raise InputError(f"lora_dropout is {self.lora_dropout}; it must lie from 0 to below 1")
        if self.warmup_steps < 0:
            raise InputError(f"warmup_steps is {self.warmup_steps}; it must not be negative")

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of the step with this number (from 0)."""
        rising = (step + 1) / (self.warmup_steps + 1)
        falling = (self.steps - step) / max(1, self.steps - self.warmup_steps)
        return self.learning_rate * min(rising, falling, 1.0)
