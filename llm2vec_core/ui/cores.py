"""The processor's cores, shared by those who ask at the same time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# An answer that waits for a model to be loaded keeps its place: who has waited for so long goes without one.
PATIENCE_SECONDS = 1.0


class Cores:
    """How many answers compute at a time, and with how many threads each: all cores for one alone, fewer for several.

    Threads that compute one thing wait for each other again and again, and where others compute too, the last of them
    waits for a core each time. With a training run beside thirty visitors, answers that computed with two threads on
    two cores took up to twice as long as with one. And more answers than cores slow each other down: the lessons of
    eight visitors took 0.30 s side by side and 0.23 s two at a time (95% of them at most 0.74 and 0.53).

    Args:
        count: threads of whoever is alone.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._busy = 0
        self._places = threading.Semaphore(count)
        self._lock = threading.Lock()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Something that computes: this thread, or another process that this one waits for."""
        with self._lock:
            self._busy += 1
            threads = max(1, self.count // self._busy)
        before = torch.get_num_threads()  # of this thread: torch keeps the number for each
        if self.count > 1:
            torch.set_num_threads(threads)
        try:
            yield
        finally:
            if self.count > 1:
                torch.set_num_threads(before)
            with self._lock:
                self._busy -= 1

    @contextmanager
    def answering(self) -> Iterator[None]:
        """An answer, which waits while as many others compute as there are cores."""
        has_place = self._places.acquire(timeout=PATIENCE_SECONDS)
        try:
            with self.shared():
                yield
        finally:
            if has_place:
                self._places.release()


CORES = Cores(torch.get_num_threads())
