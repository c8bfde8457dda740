"""How far a long command has come: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10.0


class Meter:
    """Shows rows done, rows a second and the time left, on standard error.

    Args:
        total: rows in all; None if nobody knows, as with standard input.
        quiet: show nothing.
        clock: seconds, ever growing.

    Example:
        >>> with Meter(total=2, quiet=True) as meter:
        ...     meter.update(1)
    """

    def __init__(
        self, total: int | None = None, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total
        self._quiet = quiet
        self._clock = clock
        self._started = self._spoken = clock()
        self._bar: tqdm | None = None
        if not quiet and sys.stderr.isatty():
            self._bar = tqdm(total=total, unit=" rows", file=sys.stderr, dynamic_ncols=True)

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, done: int, resumed: int = 0) -> None:
        """Tell how far it is.

        Args:
            done: rows done, earlier runs' included.
            resumed: of them, those of earlier runs: they do not count for the speed.
        """
        if self._bar is not None:
            if resumed > self._bar.initial:
                self._bar.initial = self._bar.n = self._bar.last_print_n = resumed
            self._bar.update(done - self._bar.n)
        elif not self._quiet and self._clock() - self._spoken >= SECONDS_BETWEEN_LINES:
            self._spoken = self._clock()
            print(self._line(done, resumed), file=sys.stderr, flush=True)

    def _line(self, done: int, resumed: int) -> str:
        speed = (done - resumed) / max(self._clock() - self._started, 1e-9)
        if self._total is None:
            return f"{done:,} rows, {speed:,.0f} rows/s"
        left = f", {_duration((self._total - done) / speed)} left" if speed else ""
        return f"{done:,} of {self._total:,} rows, {speed:,.0f} rows/s{left}"


@contextmanager
def heartbeat(say: Callable[[str], None], line: Callable[[], str]) -> Iterator[Callable[[], None]]:
    """Within it something is said at least every ten seconds, whatever takes long: a log that stands still looks dead.

    Args:
        say: writes a line.
        line: what to say where nobody else has said anything for so long.

    Yields:
        To be called when something else was said.
    """
    spoken, ended = time.perf_counter(), threading.Event()

    def heard() -> None:
        nonlocal spoken
        spoken = time.perf_counter()

    def watch() -> None:
        while not ended.wait(max(0.01, spoken + SECONDS_BETWEEN_LINES - time.perf_counter())):
            if time.perf_counter() - spoken >= SECONDS_BETWEEN_LINES:
                heard()
                say(line())

    thread = threading.Thread(target=watch, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        ended.set()
        thread.join()


def _duration(seconds: float) -> str:
    """Seconds as people read them.

    Example:
        >>> _duration(59), _duration(3700)
        ('0:59', '1:01:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
