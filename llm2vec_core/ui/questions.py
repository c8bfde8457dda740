"""Which of a visitor's questions is the newest: an answer that comes late must not cover a newer one. No gradio."""

from __future__ import annotations

import threading
from collections.abc import Collection, Hashable, Iterable

# One for all: what it guards takes a microsecond, and a visitor's state has to be copyable.
_GUARD = threading.Lock()


class Questions:
    """What was asked and is not answered yet, by the place on the page where the answer will stand.

    Example:
        >>> questions = Questions()
        >>> slow, quick = questions.ask(["table", "code"]), questions.ask(["table"])
        >>> slow.newest("table"), slow.newest("code"), quick.newest("table")
        (False, True, True)
        >>> quick.close(["table"])
        >>> slow.newest("table")
        False
    """

    def __init__(self) -> None:
        self._open: dict[Hashable, list[Question]] = {}

    def ask(self, places: Iterable[Hashable]) -> Question:
        """A new question, newer than all others about these places."""
        question = Question(self._open, tuple(places))
        with _GUARD:
            for place in question.places:
                self._open.setdefault(place, []).append(question)
        return question


class Question:
    """One question; :meth:`Questions.ask` makes it.

    Attributes:
        places: where its answer will stand.
    """

    def __init__(self, opened: dict[Hashable, list[Question]], places: tuple[Hashable, ...]) -> None:
        self.places = places
        self._opened = opened

    def newest(self, place: Hashable) -> bool:
        """Whether its answer may stand there: nothing newer was asked that was answered or still may be."""
        with _GUARD:
            return self._opened[place][-1:] == [self]

    def close(self, answered: Collection[Hashable]) -> None:
        """It is over.

        Args:
            answered: places where its answer stands. The others it leaves to an older question, whose answer is still
                on its way.
        """
        with _GUARD:
            for place in self.places:
                waiting = self._opened[place]
                if self in waiting:
                    at = waiting.index(self)
                    del waiting[0 if place in answered else at : at + 1]
