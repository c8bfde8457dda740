"""A function that reports to a callback, turned into a generator."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import TypeVar

Item = TypeVar("Item")
Emit = Callable[[Item], bool]


class _Kind(Enum):
    ITEM = auto()
    END = auto()
    ERROR = auto()


def stream(work: Callable[[Emit], None]) -> Iterator[Item]:
    """Run ``work(emit)`` in a thread of its own and yield what it emits.

    The thread and the consumer take turns: ``emit`` returns only when the next item is asked for, so nothing is done
    that nobody waits for. It returns False once the consumer has left; ``work`` should then come to its end, for which
    the consumer waits. What ``work`` raises is raised here.

    Args:
        work: the function; called with ``emit``.

    Yields:
        What was emitted, in order.

    Example:
        >>> def count(emit):
        ...     number = 0
        ...     while emit(number):
        ...         number += 1
        >>> numbers = stream(count)
        >>> next(numbers), next(numbers)
        (0, 1)
        >>> numbers.close()
    """
    # Unbounded: a worker whose consumer has left must be able to report its end.
    reports: queue.SimpleQueue[tuple[_Kind, object]] = queue.SimpleQueue()
    wanted = threading.Semaphore(0)
    left = threading.Event()

    def emit(item: Item) -> bool:
        reports.put((_Kind.ITEM, item))
        wanted.acquire()
        return not left.is_set()

    def run() -> None:
        try:
            work(emit)
        except BaseException as error:
            reports.put((_Kind.ERROR, error))
        else:
            reports.put((_Kind.END, None))

    thread = threading.Thread(target=run, name="stream", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = reports.get()
            if kind is _Kind.END:
                return
            if kind is _Kind.ERROR:
                raise value
            yield value
            wanted.release()
    finally:
        left.set()
        wanted.release()
        thread.join()
