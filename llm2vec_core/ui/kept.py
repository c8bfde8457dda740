"""Results that are kept by key: made once however many ask, the oldest forgotten when there are too many."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
MANY = 64


class Kept:
    """A bounded store. A key is a tuple; its first part names the family that a bound is for.

    Args:
        bounds: how many results of a family are kept; others are bounded by :data:`MANY`.

    Example:
        >>> kept = Kept({"sum": 1})
        >>> kept.once(("sum", 1, 2), lambda: 3), ("sum", 1, 2) in kept
        (3, True)
        >>> kept.once(("sum", 2, 2), lambda: 4), ("sum", 1, 2) in kept
        (4, False)
    """

    def __init__(self, bounds: Mapping[str, int] | None = None) -> None:
        self._bounds = dict(bounds or {})
        self._made: OrderedDict[tuple[Hashable, ...], Any] = OrderedDict()
        self._locks: dict[tuple[Hashable, ...], threading.Lock] = {}
        self._guard = threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Kept:
        # The page copies a session's first state; a lock cannot be copied, and nothing is kept yet.
        return Kept(self._bounds)

    def __contains__(self, key: tuple[Hashable, ...]) -> bool:
        return key in self._made

    def once(self, key: tuple[Hashable, ...], make: Callable[[], T]) -> T:
        """What was made for this key, now or before; what ``make`` raises is raised, and nothing is kept."""
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        # One lock a thing: who asks waits for what they need, never for something else.
        with lock:
            with self._guard:
                if key in self._made:
                    self._made.move_to_end(key)
                    return self._made[key]
            made = make()
            with self._guard:
                self._made[key] = made
                family = [other for other in self._made if other[0] == key[0]]
                for old in family[: -self._bounds.get(str(key[0]), MANY)]:
                    self._made.pop(old)
                    self._locks.pop(old, None)
            return made

    def forget(self, part: Hashable) -> None:
        """Drop every result whose key has this part, at any depth of its tuples."""

        def has(key: Hashable) -> bool:
            return key == part or (isinstance(key, tuple) and any(map(has, key)))

        with self._guard:
            for key in [key for key in self._made if has(key)]:
                self._made.pop(key)
