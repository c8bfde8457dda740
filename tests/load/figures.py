"""What a load run measures, and how it is told."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

# A run takes as long as it takes, and one waits for another.
UNBOUNDED = ("train", "leave while training")


class Figures:
    """Collects times, errors and memory while visitors come and go."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.answers: dict[str, list[float]] = defaultdict(list)
        self.waits: dict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []
        self.memory: list[tuple[float, float]] = []
        self.told: list[str] = []

    def start(self) -> None:
        """Begin to count: the server stands."""
        self.started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self.started

    def answered(self, kind: str, seconds: float) -> None:
        """Something was answered in whole."""
        self.answers[kind].append(seconds)

    def waited(self, kind: str, seconds: float) -> None:
        """A call left the queue."""
        self.waits[kind].append(seconds)

    def failed(self, kind: str, what: str) -> None:
        """Something went wrong, or a notice was shown."""
        self.errors.append(f"{self.seconds:6.0f} s  {kind}: {what}")

    def logged(self, log: str) -> None:
        """What the server wrote: a traceback is an error, whoever was shown what."""
        for part in log.split("Traceback (most recent call last):")[1:]:
            self.errors.append(
                f"in the log: {next(line for line in part.splitlines() if line and line[0] != ' ')[:300]}"
            )

    def weighed(self, bytes_: int) -> None:
        """The memory that the server and its processes take now."""
        self.memory.append((self.seconds, bytes_ / 1e9))

    def slow(self, most: float) -> list[str]:
        """Kinds of answers of which more than one in twenty took longer than so many seconds."""
        return [kind for kind, times in self.answers.items() if kind not in UNBOUNDED and _at(times, 95) > most]

    def report(self) -> str:
        """Everything, as text."""
        lines = ["answer                     n    p50    p95    max   queue p50    p95   (seconds)"]
        for kind, times in sorted(self.answers.items()):
            waits = self.waits.get(kind)
            queue = f"{_at(waits, 50):10.2f} {_at(waits, 95):6.2f}" if waits else ""
            lines.append(
                f"{kind:22} {len(times):5} {_at(times, 50):6.2f} {_at(times, 95):6.2f} {max(times):6.2f} {queue}"
            )
        lines += ["", f"errors: {len(self.errors)}", *self.errors[:20], ""]
        lines.append("memory of the server (GB): " + ", ".join(f"{s:.0f} s {gb:.2f}" for s, gb in self.memory))
        return "\n".join([*lines, *self.told])


def _at(values: Iterable[float], percent: float) -> float:
    return float(np.percentile(list(values), percent))
