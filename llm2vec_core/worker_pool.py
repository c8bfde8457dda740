"""Several processes that encode side by side, each with the weights on a device of its own.

The weights go to the processes through a folder, as :meth:`LLM2Vec.save_pretrained` writes it, so nothing of the model
has to be picklable. Each process has a pipe of its own: one that dies closes it, and one whose owner has gone reads its
end and stops.
"""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any

import numpy as np
import torch

from llm2vec_core.encoder import LLM2Vec, Run, Told, find_device, weights_version
from llm2vec_core.errors import InputError, LLM2VecError, WorkerError
from llm2vec_core.processes import CONTEXT, SECONDS_TO_END, end, how_it_ended, prepare
from llm2vec_core.settings import EncoderSettings


@dataclass
class _Worker:
    """One process and the owner's end of its pipe; the lock keeps question and answer together."""

    label: str
    process: BaseProcess
    connection: Connection
    lock: threading.Lock


class WorkerPool:
    """Processes that encode for an encoder; made by :meth:`LLM2Vec.start_pool`.

    They read as the encoder that asks them does, whatever its settings, and each holds its own copy of the weights that
    it had when they were started; once these have changed the pool is refused.

    Args:
        encoder: whose weights they take.
        devices: of each process; a device may be named several times ("cpu" twice for two processes).

    Raises:
        InputError: if there is no such device, or none is named.
        ModelError: if the weights cannot be written (they are quantized, or the disk is full) or loaded there.
        WorkerError: if a process ends while it starts.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> WorkerPool(LLM2Vec.from_pretrained(BUNDLED.base), [])
        Traceback (most recent call last):
        llm2vec_core.errors.InputError: no device is named for the processes; such as ["cpu", "cpu"]
    """

    def __init__(self, encoder: LLM2Vec, devices: Sequence[str | torch.device]) -> None:
        if isinstance(devices, str) or not devices:
            raise InputError('no device is named for the processes; such as ["cpu", "cpu"]')
        places = [str(find_device(device)) for device in devices]
        self._model, self._version = weakref.ref(encoder.causal_model), weights_version(encoder.causal_model)
        self._workers: list[_Worker] = []
        self._ending, self._cause = threading.Lock(), ""
        self._folder = tempfile.TemporaryDirectory(prefix="llm2vec-pool-", ignore_cleanup_errors=True)
        self._finalizer = weakref.finalize(self, _end, self._workers, self._folder)
        if "cpu" in places:
            prepare(__name__)  # what is imported once need not be by each of them
        try:
            encoder.save_pretrained(self._folder.name)
            for number, device in enumerate(places, start=1):
                self._workers.append(self._start(f"{number} of {len(places)} ({device})", encoder, device, places))
            for worker in self._workers:
                self._answer(worker)
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._workers)

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every process, at once; a second call does nothing."""
        self._finalizer()

    def readers(self, encoder: LLM2Vec) -> list[_Reader]:
        """One a process, each reading as this encoder does.

        Raises:
            InputError: if the pool was started by an encoder with other weights.
            WorkerError: if the pool is closed.
        """
        if not self._finalizer.alive:
            raise WorkerError(self._cause or _cause("", None))
        if self._model() is not encoder.causal_model or self._version != weights_version(encoder.causal_model):
            raise InputError(
                "this pool of processes was started by an encoder with other weights, or before these were trained: "
                "start one of its own"
            )
        return [_Reader(self, worker, encoder.settings) for worker in self._workers]

    def ask(self, worker: _Worker, task: tuple[Any, ...]) -> Any:
        """What a process makes of a task.

        Raises:
            WorkerError: if it has ended; the pool is closed then.
            LLM2VecError: whatever went wrong there.
        """
        with worker.lock:
            try:
                worker.connection.send(task)
            except (OSError, ValueError) as error:
                raise self._ended(worker) from error
            return self._answer(worker)

    def _start(self, label: str, encoder: LLM2Vec, device: str, places: Sequence[str]) -> _Worker:
        # Of a GPU's driver nobody knows here what an import has begun: a process for one is not forked.
        context = CONTEXT if device == "cpu" else multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        loading = {
            "device": device,
            "dtype": encoder.model.dtype,
            "attn_implementation": encoder.causal_model.config._attn_implementation,
        }
        # More threads than processors would make each wait for the others.
        threads = max(1, torch.get_num_threads() // places.count("cpu")) if device == "cpu" else None
        process = context.Process(
            target=_serve, args=(theirs, self._folder.name, loading, threads), name=f"encode-{label}", daemon=True
        )
        process.start()
        theirs.close()  # or its end would not be noticed
        return _Worker(label, process, ours, threading.Lock())

    def _answer(self, worker: _Worker) -> Any:
        try:
            answer = worker.connection.recv()
        except (EOFError, OSError) as error:
            raise self._ended(worker) from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _ended(self, worker: _Worker) -> WorkerError:
        """The error for a process that does not answer; the first is the cause, and the others were ended for it."""
        with self._ending:
            if not self._cause:
                worker.process.join(SECONDS_TO_END)
                code = worker.process.exitcode if self._finalizer.alive else None
                self._cause = _cause(worker.label, code)
            self.close()
        return WorkerError(self._cause)


def _cause(label: str, code: int | None) -> str:
    if code is None:
        return "the pool of processes was closed: start another one"
    advice = "take fewer processes, or a smaller dtype"
    if code >= 0:
        advice = "a script that starts processes needs `if __name__ == '__main__':` around what it does"
    return f"process {label} {how_it_ended(code)}. The others were ended too; {advice}"


@dataclass(frozen=True)
class _Reader:
    """A process as :meth:`LLM2Vec.encode` sees it: something that pools a window of texts."""

    pool: WorkerPool
    worker: _Worker
    settings: EncoderSettings

    def pool_window(self, texts: Sequence[str], run: Run, results: Mapping[str, np.ndarray], told: Told) -> None:
        found = self.pool.ask(self.worker, (asdict(self.settings), list(texts), replace(run, progress=None)))
        for mode, rows in found.items():
            results[mode][:] = rows
        told.more(len(texts))


def _end(workers: list[_Worker], folder: tempfile.TemporaryDirectory[str]) -> None:
    for worker in workers:
        with suppress(OSError):
            worker.process.terminate()  # all of them, before one is waited for
    for worker in workers:
        end(worker.process)
        with suppress(OSError):
            worker.connection.close()
    folder.cleanup()


def _serve(connection: Connection, folder: str, loading: dict[str, Any], threads: int | None) -> None:
    """What a process does: load the weights, then answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the owner decides
    if threads:
        torch.set_num_threads(threads)
    with suppress(EOFError, OSError):
        try:
            encoder = LLM2Vec.from_pretrained(folder, **loading)
        except Exception as error:
            connection.send(_sendable(error))
            return
        connection.send(None)
        while True:
            settings, texts, run = connection.recv()
            try:
                encoder = encoder.with_settings(**settings)
                results = {mode: np.zeros((len(texts), encoder.width), dtype=np.float32) for mode in run.modes}
                encoder.pool_window(texts, run, results, Told(None, len(texts)))
            except Exception as error:
                connection.send(_sendable(error))
            else:
                connection.send(results)


def _sendable(error: Exception) -> Exception:
    # Others may not survive the way: only our own are sure to be made of their message.
    return error if isinstance(error, LLM2VecError) else WorkerError(f"{type(error).__name__}: {error}")
