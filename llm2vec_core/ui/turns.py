"""Jobs of which one runs at a time: whoever waits is told the place and the time. Knows no gradio."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from llm2vec_core.threads import steps_in_thread
from llm2vec_core.ui.session import Session

Item = TypeVar("Item")

# Arguments of an event (of ``Form.io``) whose visitors wait here: in gradio's own queue they are told nothing.
WAITS: dict[str, Any] = {"latest": False, "concurrency_limit": 16, "trigger_mode": "once", "show_progress": "hidden"}
WAIT_SECONDS = 0.5
# A visitor who pressed *Stop* is to see that it was heard.
HEARD_SECONDS = 0.2
# A page that is closed between the press and the job asks no more.
GONE_SECONDS = 10.0
LEFT = "You left the queue."


@dataclass(eq=False)
class Job:
    """One press of a button: a job that is queued, running or cancelled.

    Attributes:
        taken: whether it has started.
        stopped: whether the visitor asked it to stop.
        seen: when the visitor was last known to wait, on the monotonic clock.
        started: when the job began, likewise.
        ends: when it will have ended, as far as can be told.
    """

    taken: bool = False
    stopped: bool = False
    seen: float = 0.0
    started: float = 0.0
    ends: float = 0.0


class Turns:
    """One job at a time, in the order of the presses.

    Args:
        others: what another visitor's job is doing, in words.
        mine: how the visitor's own goes on, and how it is left, as sentences.
        seconds: that a job lasts at most; unknown by default.
    """

    def __init__(self, others: str, mine: str, seconds: float = math.inf) -> None:
        self._others, self._mine = others, mine
        self._seconds = seconds
        self._typical = seconds
        self._jobs: list[Job] = []
        self._guard = threading.Lock()

    def join(self, job: Job) -> int:
        """Wait, or go on waiting; whoever does not ask for some seconds loses the place.

        Returns:
            How many jobs are before this one, the one that runs among them; 0 if it may start.
        """
        with self._guard:
            job.seen = time.monotonic()
            if job not in self._jobs:
                self._jobs.append(job)
            gone = job.seen - GONE_SECONDS
            self._jobs = [other for other in self._jobs if other.taken or (other.seen >= gone and not other.stopped)]
            return self._jobs.index(job) if job in self._jobs else 0

    def wait(self, job: Job) -> float:
        """Seconds until a job may start, as far as can be told; infinite where it cannot."""
        with self._guard:
            now, before = time.monotonic(), self._jobs[: self._jobs.index(job)] if job in self._jobs else self._jobs
            return sum(max(0.0, other.ends - now) if other.taken else self._typical for other in before)

    def told(self, job: Job, before: int) -> str:
        """What a visitor is told who waits.

        Args:
            job: the visitor's.
            before: jobs before it, the one that runs among them.
        """
        others = "" if before == 1 else f" {before - 1} more {'waits' if before == 2 else 'wait'} before you."
        seconds = self.wait(job)
        about = f": about {seconds:.0f} s" if math.isfinite(seconds) else ""
        return f"Waiting: {self._others}.{others} You are number {before} in the queue{about}. {self._mine}"

    def until(self, job: Job) -> Iterator[str]:
        """Wait until a job may start, or is stopped.

        Yields:
            What the visitor is told, again and again; "" where nothing has changed.
        """
        told = ""
        while not (job.stopped or job.taken) and (before := self.join(job)):
            now = self.told(job, before)
            yield "" if now == told else now
            told = now
            time.sleep(WAIT_SECONDS)

    def take(self, job: Job) -> bool:
        """Start a job if it is its turn and nobody else has started it."""
        with self._guard:
            if job.taken or job.stopped or self._jobs[:1] != [job]:
                return False
            job.taken, job.started = True, time.monotonic()
            job.ends = job.started + self._typical
            return True

    def tell(self, job: Job, seconds_left: float | None) -> None:
        """A running job knows better when it will end."""
        if seconds_left is not None:
            job.ends = time.monotonic() + min(seconds_left, self._seconds)

    def leave(self, job: Job) -> None:
        """The job has ended, or is no longer waited for."""
        with self._guard:
            if job in self._jobs:
                self._jobs.remove(job)
            if job.taken:
                self._typical = min(time.monotonic() - job.started, self._seconds)

    @contextmanager
    def job(self, session: Session, name: str) -> Iterator[Job]:
        """A job of a visitor's that :func:`ask_to_stop` can end, also while it waits.

        By a flag and no cancelled event: what a cancelled one had still on its way would be shown over "Stopped".

        Args:
            session: of the visitor.
            name: of the job, in ``by_tab``.
        """
        job = session.by_tab[name] = Job()
        try:
            yield job
        finally:
            self.leave(job)
            session.by_tab.pop(name, None)


def heeding(job: Job, steps: Generator[Item, None, None]) -> Iterator[Item | None]:
    """The steps of a job, which says itself that it was asked to stop: *Stop*'s own answer could come after its last.

    Args:
        job: that a visitor may stop.
        steps: of the job; closed in the end.

    Yields:
        The steps, and None, once, if it is asked to stop while one goes on.

    Example:
        >>> list(heeding(Job(), (number for number in range(3))))
        [0, 1, 2]
    """
    told = False
    for step in steps_in_thread(steps, HEARD_SECONDS):
        if step is not None:
            yield step
        elif job.stopped and not told:
            told = True
            yield None


def ask_to_stop(session: Session, name: str) -> bool:
    """Ask a job to end after the piece that it is at.

    Args:
        session: of the visitor.
        name: of the job.

    Returns:
        Whether there is one.

    Example:
        >>> session, turns = Session(), Turns("another visitor's file is being made", "Yours follows.")
        >>> with turns.job(session, "file") as job:
        ...     ask_to_stop(session, "file"), job.stopped
        (True, True)
        >>> ask_to_stop(session, "file")
        False
    """
    job = session.by_tab.get(name)
    if job is not None:
        job.stopped = True
    return job is not None
