"""From a process of its own to a generator: long work that leaves this one's interpreter to others."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from llm2vec_core.errors import LLM2VecError, WorkerError
from llm2vec_core.threads import iterate_in_thread

Item = TypeVar("Item")
Result = TypeVar("Result")
_ITEM, _RESULT, _ERROR = "item", "result", "error"

# Forked from a process with one thread, never from this one: what other threads hold here would stay locked there.
# Linux alone: macOS has it too, but its own libraries may crash in a forked process.
FORKS = sys.platform == "linux"
CONTEXT: Any = multiprocessing.get_context("forkserver" if FORKS else "spawn")
SECONDS_TO_END = 5.0
# How soon work that reports nothing hears that it was stopped.
HEARD_SECONDS = 0.2


def prepare(*modules: str, nice: int = 0) -> None:
    """Have these modules imported before the first process needs them; returns at once, a second call does nothing.

    Args:
        modules: full names. One that cannot be imported is left to the process that needs it.
        nice: how far other processes go before the importing one and all that follow, from 0 to 19.
    """
    if FORKS:
        from multiprocessing import forkserver  # not on every system

        CONTEXT.set_forkserver_preload(list(modules))
        # A process is as nice as the thread that starts it.
        list(iterate_in_thread(lambda _: forkserver.ensure_running(), nice=nice))


def steps_in_process(
    steps: Callable[..., Generator[Item, None, Result]],
    *arguments: Any,
    stopped: Callable[[], bool] = bool,
) -> Generator[Item, None, Result]:
    """Run a generator in a process of its own, which does not wait for the consumer.

    Args:
        steps: a function of a module, called there with a function that says whether it is to stop, and the arguments.
        arguments: what can be pickled, as all that comes back must be.
        stopped: whether the steps are to stop; asked again and again here, and told there.

    Yields:
        What the steps yield. The process ends when the consumer leaves.

    Returns:
        What they return.

    Raises:
        LLM2VecError: what the steps raise of our own errors.
        RuntimeError: what else they raise, by name, with its traceback as a note.
        WorkerError: if the process ends before they have.

    Example:
        >>> list(steps_in_process(count_down, 3))
        [3, 2, 1]
    """
    ours, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=_work, args=(theirs, steps, arguments), name=steps.__name__, daemon=True)
    process.start()
    theirs.close()  # or its end would not be noticed
    told = False
    try:
        while True:
            if not told and stopped():
                told = True
                with suppress(OSError):  # it has ended by itself
                    ours.send(None)
            try:
                if not ours.poll(HEARD_SECONDS):
                    continue
                kind, value = ours.recv()
            except (EOFError, OSError) as error:
                process.join(SECONDS_TO_END)
                raise WorkerError(f"The process that computed this {how_it_ended(process.exitcode)}") from error
            if kind == _ITEM:
                yield value
                continue
            process.join(SECONDS_TO_END)  # it cleans up behind itself
            if kind == _ERROR:
                raise value
            return value
    finally:
        end(process)
        ours.close()


def count_down(stopped: Callable[[], bool], start: int) -> Generator[int, None, None]:
    """The smallest steps there are: for the example above, and to try a machine's processes.

    Args:
        stopped: whether to stop.
        start: the first number; the last is 1.

    Yields:
        The numbers.
    """
    for number in range(start, 0, -1):
        if stopped():
            return
        yield number


def how_it_ended(code: int | None) -> str:
    """An exit code in words, and what is likely behind a signal.

    Example:
        >>> how_it_ended(3)
        'ended with exit code 3'
        >>> how_it_ended(-9)
        'was killed by SIGKILL: if nobody did that, memory ran out'
    """
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}: if nobody did that, memory ran out"
    return f"ended with exit code {code}"


def end(process: BaseProcess) -> None:
    """End a process that was started, at once, and wait for it."""
    process.terminate()
    process.join(SECONDS_TO_END)
    if process.is_alive():
        process.kill()
        process.join()


def _work(connection: Connection, steps: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the owner decides

    def tell(kind: str, value: object) -> None:
        try:
            connection.send((kind, value))
        except OSError:  # nobody listens any more
            sys.exit()

    try:
        # An owner that has gone is heard as one that said stop.
        with closing(steps(connection.poll, *arguments)) as running:
            while True:
                tell(_ITEM, next(running))
    except StopIteration as last:
        tell(_RESULT, last.value)
    except Exception as error:
        if not isinstance(error, LLM2VecError):
            trace = traceback.format_exc()
            error = RuntimeError(f"{type(error).__name__}: {error}")  # others may not survive the way
            error.add_note(trace)
        tell(_ERROR, error)
