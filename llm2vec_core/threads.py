"""From a thread to a generator: what long work reports, or how long it has been running."""

from __future__ import annotations

import math
import os
import queue
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotReady
from contextlib import closing, suppress
from contextvars import copy_context
from enum import Enum, auto
from time import monotonic
from typing import TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")
Emit = Callable[[Item], bool]


class _Kind(Enum):
    ITEM = auto()
    END = auto()
    ERROR = auto()


def iterate_in_thread(work: Callable[[Emit], None], *, nice: int = 0) -> Iterator[Item]:
    """Run ``work(emit)`` in a thread of its own and yield what it emits.

    The thread and the consumer take turns: ``emit`` returns only when the next item is asked for, so nothing is done
    that nobody waits for. It returns False once the consumer has left; ``work`` should then come to its end, for which
    the consumer waits. What ``work`` raises is raised here.

    Args:
        work: the function; called with ``emit``.
        nice: how far other threads go before this one, from 0 to 19 (Linux; elsewhere all are equal).

    Yields:
        What was emitted, in order.

    Example:
        >>> def count(emit):
        ...     number = 0
        ...     while emit(number):
        ...         number += 1
        >>> numbers = iterate_in_thread(count)
        >>> next(numbers), next(numbers)
        (0, 1)
        >>> numbers.close()
    """
    return cast(Iterator[Item], _iterate(work, nice, None))


def steps_in_thread(steps: Generator[Item, None, None], every: float) -> Iterator[Item | None]:
    """Take the steps of a generator in a thread of its own, so that something can be done while one takes long.

    Args:
        steps: closed in the end, also when the consumer leaves.
        every: seconds after which the consumer has a turn.

    Yields:
        The steps, and None whenever so many seconds have passed without one.

    Example:
        >>> list(steps_in_thread((number**2 for number in range(3)), every=10))
        [0, 1, 4]
    """

    def work(emit: Emit[Item]) -> None:
        with closing(steps):
            for step in steps:
                if not emit(step):
                    return

    return _iterate(work, 0, every)


class _LeftError(Exception):
    """Nobody waits for the result any more."""


def reported(work: Callable[[Callable[[Item], None]], Result], every: float) -> Generator[Item, None, Result]:
    """Run ``work(report)`` in a thread of its own, and yield what it reports now and then.

    Once the consumer has left, the next report that would be yielded ends the work.

    Args:
        work: the function; called with ``report``.
        every: seconds that pass before the first report and between two; others are dropped.

    Yields:
        What was reported, in order.

    Returns:
        What ``work`` returned; what it raised is raised.

    Example:
        >>> def steps():
        ...     result = yield from reported(lambda report: [report(number) for number in range(3)], every=0)
        ...     yield len(result)
        >>> list(steps())
        [0, 1, 2, 3]
    """
    found: list[Result] = []

    def run(emit: Emit[Item]) -> None:
        told = monotonic()

        def report(item: Item) -> None:
            nonlocal told
            if monotonic() - told < every:
                return
            told = monotonic()
            if not emit(item):
                raise _LeftError

        with suppress(_LeftError):
            found.append(work(report))

    yield from iterate_in_thread(run)
    return found[0]


def _iterate(work: Callable[[Emit[Item]], None], nice: int, every: float | None) -> Iterator[Item | None]:
    # Unbounded: a worker whose consumer has left must be able to report its end.
    reports: queue.SimpleQueue[tuple[_Kind, object]] = queue.SimpleQueue()
    wanted = threading.Semaphore(0)
    left = threading.Event()

    def emit(item: Item) -> bool:
        reports.put((_Kind.ITEM, item))
        wanted.acquire()
        return not left.is_set()

    def run() -> None:
        if nice and sys.platform == "linux":
            # There the number of a thread is taken as that of a process; its pool of workers inherits it.
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
        try:
            work(emit)
        except BaseException as error:
            reports.put((_Kind.ERROR, error))
        else:
            reports.put((_Kind.END, None))

    # With the caller's context variables: gradio keeps there whose request this is.
    thread = threading.Thread(target=copy_context().run, args=(run,), name="iterate_in_thread", daemon=True)
    thread.start()
    try:
        while True:
            try:
                kind, value = reports.get(timeout=every)
            except queue.Empty:
                yield None
                continue
            if kind is _Kind.END:
                return
            if kind is _Kind.ERROR:
                raise cast(BaseException, value)
            yield cast(Item, value)
            wanted.release()
    finally:
        left.set()
        wanted.release()
        thread.join()


def wait_in_thread(work: Callable[[], Result], every: float, limit: float = math.inf) -> Generator[float, None, Result]:
    """Run work that reports nothing in a thread, and yield the seconds that have passed.

    Args:
        work: the function.
        every: seconds between two values; the first comes at once.
        limit: seconds after which it is no longer waited for. The thread goes on; its result is dropped.

    Yields:
        Seconds since the start.

    Returns:
        What ``work`` returned; what it raised is raised.

    Raises:
        TimeoutError: at the limit.

    Example:
        >>> def steps():
        ...     result = yield from wait_in_thread(lambda: "done", every=0.01)
        ...     yield result
        >>> list(steps())[-1]
        'done'
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    started = monotonic()
    threading.Thread(target=run, name="wait_in_thread", daemon=True).start()
    while True:
        yield (passed := monotonic() - started)
        if passed > limit:
            raise TimeoutError(f"no result after {limit:.0f} seconds")
        try:
            return future.result(every)
        except NotReady:
            # Raised by the work itself, or ready just now.
            if future.done():
                return future.result()
