"""Long computations of the page on the GPU that a ZeroGPU Space lends for seconds; anywhere else, right here.

A lent GPU belongs to a worker, which the package ``spaces`` forks from this process for the call. So the worker
sees everything as it is here, nothing has to be sent to it, and what it changes is gone with it: caches, sessions and
adapters stay in this process, and the worker's numbers are all that comes back.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any, TypeVar

from llm2vec_core.baselines import EncoderOnly
from llm2vec_core.encoder import LLM2Vec, gpu_is_lent
from llm2vec_core.errors import GpuError, LLM2VecError
from llm2vec_core.extras import require
from llm2vec_core.protocol import Encoder

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")
# What a worker tells: one of these, and what belongs to it.
Told = tuple[str, Any]
PROCESS, ITEM, RESULT, ERROR = "process", "item", "result", "error"

DEVICE = "cuda"
# Asking for a GPU costs a place in a queue, the worker's start, and a visitor's share of GPU time for the day: what two
# cores do in this many seconds stays on them.
WORTH_SECONDS = 20
# Of a processor: 110 to 145 GFLOP/s were measured for matrix products of these models on two cores.
CPU_OPERATIONS = 1e11
OPERATIONS_A_WEIGHT = 2
CHARACTERS_A_TOKEN = 4
# What is asked for: time to start in, and a twentieth of what the processor would need. Whoever asks for less waits
# less, and is refused later.
START_SECONDS, TIMES_FASTER, MOST_SECONDS = 20, 20, 120


def prepare() -> None:
    """On a ZeroGPU Space: get ready, before the page is launched and before anything uses CUDA.

    Raises:
        MissingPackageError: if ``spaces`` is missing there.
    """
    if gpu_is_lent():
        require("zerogpu", "spaces", what="a ZeroGPU Space")
        import spaces

        # A Space that has no such function when it is launched is stopped.
        spaces.GPU(_nothing)


def _nothing() -> None:
    """Never called."""


def tokens_of(texts: Sequence[str], encoder: Encoder) -> int:
    """How many tokens an encoder reads of some texts, about."""
    longest = CHARACTERS_A_TOKEN * getattr(encoder, "max_length", 0)
    return sum(min(len(text), longest) for text in texts) // CHARACTERS_A_TOKEN


def loan_seconds(encoders: Sequence[Encoder], texts: Sequence[str]) -> int:
    """For how long to borrow a GPU to encode texts; 0 where none is lent, or it is not worth it.

    Example:
        >>> from llm2vec_core import LLM2Vec
        >>> loan_seconds([LLM2Vec.from_preset("mini")], ["a text"] * 100_000)  # this is no ZeroGPU Space
        0
    """
    if not gpu_is_lent():
        return 0
    return loan_for(sum(parameters(encoder) * tokens_of(texts, encoder) for encoder in encoders))


def loan_for(weights_used: float) -> int:
    """The same, for a computation that uses so many weights: parameters, times the tokens that go through them."""
    cpu_seconds = OPERATIONS_A_WEIGHT * weights_used / CPU_OPERATIONS
    if not gpu_is_lent() or cpu_seconds < WORTH_SECONDS:
        return 0
    return min(MOST_SECONDS, START_SECONDS + int(cpu_seconds / TIMES_FASTER))


def parameters(encoder: Encoder) -> int:
    """Of an encoder's model; 0 for one that only looks its embeddings up."""
    return sum(p.numel() for p in encoder.model.parameters()) if isinstance(encoder, (LLM2Vec, EncoderOnly)) else 0


def on_lent_gpu(
    steps: Callable[[], Generator[Item, None, Result]], encoders: Sequence[Encoder], seconds: int
) -> Generator[Item, None, Result]:
    """Run steps in a worker with a GPU; leaving early (Stop) ends it after the step that it is at.

    Args:
        steps: what is computed. What it yields, returns and raises of our own errors comes back, by pickle.
        encoders: that it uses; the worker's copies of them are on the GPU.
        seconds: of :func:`loan_seconds`. With 0 the steps run right here.

    Yields:
        What the steps yield.

    Returns:
        What they return.

    Raises:
        GpuError: if there was no GPU (a visitor's quota is used up, say), or its worker failed.
    """
    if not seconds:
        return (yield from steps())
    with _worker(lambda: _in_worker(steps, encoders), seconds) as told:
        while True:
            kind, value = next(told)
            if kind == ERROR:
                raise value
            if kind == RESULT:
                return value
            yield value


@contextmanager
def _worker(work: Callable[[], Iterator[Told]], seconds: int) -> Iterator[Iterator[Told]]:
    """A worker that does this work, from its start to its end."""
    import spaces

    def task() -> Iterator[Told]:
        yield from work()

    # Made for this call: the worker of an earlier one would know nothing of what has been loaded and trained since.
    lent = spaces.GPU(task, duration=seconds)
    process_id = 0
    try:
        with closing(lent()) as told:
            _, process_id = next(told)
            yield told
    except LLM2VecError:
        raise
    except Exception as error:
        log.warning("a lent GPU", exc_info=error)
        # A gr.Error has its text there.
        reason = str(getattr(error, "message", "")) or type(error).__name__
        raise GpuError(
            f"Not computed on the lent GPU: {reason.rstrip('. ')}. What you had is unchanged; fewer texts or steps are "
            "computed without a GPU."
        ) from error
    finally:
        for process in multiprocessing.active_children():
            if process.pid == process_id:
                process.terminate()
        # The package remembers functions for ever, and this one holds a visitor's texts and adapter.
        with suppress(AttributeError):
            for function in (task, lent):
                spaces.zero.decorator.decorated_cache.pop(function, None)


def _in_worker(steps: Callable[[], Generator[Any, None, Any]], encoders: Sequence[Encoder]) -> Iterator[Told]:
    yield PROCESS, os.getpid()
    try:
        for encoder in encoders:
            if isinstance(encoder, LLM2Vec):
                encoder.to(DEVICE)
            elif isinstance(encoder, EncoderOnly):
                encoder.model.to(DEVICE)
        with closing(steps()) as running:
            while True:
                yield ITEM, next(running)
    except StopIteration as end:
        yield RESULT, end.value
    except LLM2VecError as error:
        yield ERROR, error
