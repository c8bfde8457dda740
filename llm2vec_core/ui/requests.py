"""Which request of a session is the latest: a result that comes late must not cover a newer one. No gradio."""

from __future__ import annotations

import threading
from collections.abc import Collection, Hashable, Iterable

# One for all: what it guards takes a microsecond, and a session has to be copyable.
_GUARD = threading.Lock()


class Requests:
    """The open requests, by the component that will show their results.

    Example:
        >>> requests = Requests()
        >>> slow, quick = requests.begin(["table", "code"]), requests.begin(["table"])
        >>> slow.is_latest("table"), slow.is_latest("code"), quick.is_latest("table")
        (False, True, True)
        >>> quick.close(["table"])
        >>> slow.is_latest("table")
        False
    """

    def __init__(self) -> None:
        self._open: dict[Hashable, list[Request]] = {}

    def begin(self, targets: Iterable[Hashable]) -> Request:
        """A new request, newer than all others for these targets."""
        request = Request(self._open, tuple(targets))
        with _GUARD:
            for target in request.targets:
                self._open.setdefault(target, []).append(request)
        return request


class Request:
    """One request; :meth:`Requests.begin` makes it.

    Attributes:
        targets: components that will show its results.
    """

    def __init__(self, opened: dict[Hashable, list[Request]], targets: tuple[Hashable, ...]) -> None:
        self.targets = targets
        self._opened = opened

    def is_latest(self, target: Hashable) -> bool:
        """Whether its result may be shown there: no newer request was answered or still may be."""
        with _GUARD:
            return self._opened[target][-1:] == [self]

    def close(self, answered: Collection[Hashable]) -> None:
        """End the request.

        Args:
            answered: targets that show its results. The others are left to an older request that is still running.
        """
        with _GUARD:
            for target in self.targets:
                waiting = self._opened[target]
                if self in waiting:
                    position = waiting.index(self)
                    del waiting[0 if target in answered else position : position + 1]
