"""The sample-efficiency experiment, read back: who is ahead, and how many steps a better start saves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llm2vec_core.errors import InputError


@dataclass(frozen=True)
class Curve:
    """Trainings from one start.

    Attributes:
        key: of the stage that they start from.
        label: shown to people.
        direction: "causal" or "bidirectional".
        steps: at which was measured, shape (points,).
        scores: shape (seeds, points).
    """

    key: str
    label: str
    direction: str
    steps: np.ndarray
    scores: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean over the seeds, shape (points,)."""
        return self.scores.mean(axis=0)

    def steps_to(self, score: float) -> float | None:
        """After how many steps the mean first reaches a score, between two measurements in a straight line.

        Example:
            >>> curve = Curve("a", "A", "causal", np.array([0, 10]), np.array([[1.0, 3.0]]))
            >>> curve.steps_to(2.0), curve.steps_to(0.5), curve.steps_to(4.0)
            (5.0, 0.0, None)
        """
        mean = self.mean
        reached = np.flatnonzero(mean >= score)
        if not len(reached):
            return None
        i = int(reached[0])
        if i == 0:
            return float(self.steps[0])
        share = (score - mean[i - 1]) / (mean[i] - mean[i - 1])
        return float(self.steps[i - 1] + share * (self.steps[i] - self.steps[i - 1]))


@dataclass(frozen=True)
class SampleEfficiency:
    """The whole experiment.

    Attributes:
        title: of the figure.
        metric: what the scores are.
        command: that repeats it.
        batch_size: pairs a step; None if the file does not say.
        curves: one a start.
    """

    title: str
    metric: str
    command: str
    batch_size: int | None
    curves: tuple[Curve, ...]

    @property
    def runs(self) -> int:
        """Trainings a start, each with a seed of its own."""
        return len(self.curves[0].scores)

    def leader(self, point: int) -> Curve:
        """The start that is ahead at a measured point: 0 is before training, -1 at its end."""
        return max(self.curves, key=lambda curve: float(curve.mean[point]))

    def overlap(self, first: Curve, second: Curve, point: int) -> bool:
        """Whether the seeds of two starts lie among each other at a point."""
        a, b = first.scores[:, point], second.scores[:, point]
        return bool(a.min() <= b.max() and b.min() <= a.max())

    def steps_to_causal(self) -> tuple[Curve, dict[str, float | None]]:
        """When each start has what the causal one has in the end.

        Returns:
            The causal start, or where there is none the one that is lowest before training; and by label of every
            other one the steps after which it reaches that one's final score, None if it never does.
        """
        base = min(self.curves, key=lambda curve: (curve.direction != "causal", float(curve.mean[0])))
        return base, {each.label: each.steps_to(float(base.mean[-1])) for each in self.curves if each is not base}


def read_sample_efficiency(file: Path) -> SampleEfficiency | None:
    """Read the file of the command ``efficiency``; None if there is none.

    Raises:
        InputError: if the file holds something else.
    """
    if not file.is_file():
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        curves = tuple(
            Curve(row["key"], row["label"], row["direction"], np.array(row["steps"]), np.array(row["scores"], float))
            for row in found["starts"]
        )
        if not curves or any(curve.scores.shape[1:] != curve.steps.shape for curve in curves):
            raise ValueError("scores do not go with steps")
        return SampleEfficiency(found["title"], found["metric"], found["command"], found.get("batch_size"), curves)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file.name} holds no such experiment ({error!r:.80}): run the command efficiency") from error
