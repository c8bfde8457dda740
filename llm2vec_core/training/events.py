"""What a training run tells while it goes on. Plain data: a terminal, a page or a test can listen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StepEvent:
    """One optimizer step is done.

    Attributes:
        step: how many steps are done.
        steps: how many there will be.
        loss: of this step, in nats.
        learning_rate: of this step.
        seconds: since the run began.
        held_out_loss: on held-out texts, at the steps at which it was measured.
    """

    step: int
    steps: int
    loss: float
    learning_rate: float
    seconds: float
    held_out_loss: float | None = None
