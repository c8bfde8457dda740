"""The processor's cores, shared by those who ask at the same time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Cores:
    """How many threads an answer computes with: all cores for one alone, fewer for each of several.

    Threads that compute one thing wait for each other again and again, and where others compute too, the last of them
    waits for a core each time. With a training run beside thirty visitors, answers that computed with two threads on
    two cores took up to twice as long as with one.

    Args:
        count: threads of whoever is alone.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._busy = 0
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


CORES = Cores(torch.get_num_threads())
