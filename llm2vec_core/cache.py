"""Results by key, computed once however many threads ask, and bounded."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
Key = tuple[Hashable, ...]


@dataclass(frozen=True)
class Limit:
    """How much of one family of results is cached.

    Attributes:
        entries: at most this many; None: any number.
        megabytes: of all of them together, as :func:`size_of` measures them; None: any size.
    """

    entries: int | None = 64
    megabytes: float | None = 256.0


UNLIMITED = Limit(None, None)


@dataclass
class _Entry:
    value: Any
    size: int


@dataclass
class _Pending:
    """A computation that is running or waited for; it leaves the cache with the last thread that wants it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    threads: int = 0


class Cache:
    """Thread-safe LRU cache; the first element of a key selects the limit.

    There is one lock per key, so that unrelated computations do not block each other. It goes with the computation:
    neither results nor errors leave a lock behind. Make one cache for results that everybody may share and one for
    each session: a copy starts empty.

    Args:
        limits: by family (the first element of a key).
        default: of every other family.

    Example:
        >>> cache = Cache({"sum": Limit(entries=1)})
        >>> cache.get(("sum", 1, 2), lambda: 3), ("sum", 1, 2) in cache
        (3, True)
        >>> cache.get(("sum", 2, 2), lambda: 4), ("sum", 1, 2) in cache
        (4, False)
    """

    def __init__(self, limits: Mapping[str, Limit] | None = None, default: Limit | None = None) -> None:
        self._limits = dict(limits or {})
        self._default = default or Limit()
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._pending: dict[Key, _Pending] = {}
        self._guard = threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Cache:
        # The page copies a session's first state; a lock cannot be copied, and nothing is cached yet.
        return Cache(self._limits, self._default)

    def __contains__(self, key: Key) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Key]:
        """The keys, the one unused longest first."""
        with self._guard:
            return iter(list(self._entries))

    @property
    def bytes(self) -> int:
        """Of all results, as :func:`size_of` measured them."""
        with self._guard:
            return sum(entry.size for entry in self._entries.values())

    def clear(self) -> None:
        """Drop every result."""
        self.discard_where(lambda key: True)

    @property
    def pending(self) -> int:
        """Number of computations that are running or waited for, each with its lock."""
        return len(self._pending)

    def get(self, key: Key, compute: Callable[[], T]) -> T:
        """The result for a key; computed if it is not cached.

        Args:
            key: a tuple whose first element names its family.
            compute: makes the result. Of several threads that ask at the same time one computes, the others wait.

        Returns:
            The result. One that is larger than its family's limit is returned, but not cached.

        Raises:
            Exception: what ``compute`` raises; nothing is cached then.
        """
        with self._guard:
            if (entry := self._entries.get(key)) is not None:
                self._entries.move_to_end(key)
                return entry.value
            pending = self._pending.setdefault(key, _Pending())
            pending.threads += 1
        try:
            with pending.lock:
                with self._guard:
                    if (entry := self._entries.get(key)) is not None:
                        self._entries.move_to_end(key)
                        return entry.value
                value = compute()
                size = size_of(value) if self._limit(key).megabytes is not None else 0
                with self._guard:
                    # Discarded meanwhile: right for who asked before that, and for nobody else.
                    if self._pending.get(key) is pending:
                        self._insert(key, _Entry(value, size))
                return value
        finally:
            with self._guard:
                pending.threads -= 1
                if not pending.threads and self._pending.get(key) is pending:
                    del self._pending[key]

    def put(self, key: Key, value: Any) -> None:
        """Cache a result that was computed elsewhere."""
        size = size_of(value) if self._limit(key).megabytes is not None else 0
        with self._guard:
            self._insert(key, _Entry(value, size))

    def peek(self, key: Key) -> Any | None:
        """The result for a key, or None if it is not cached."""
        with self._guard:
            if (entry := self._entries.get(key)) is None:
                return None
            self._entries.move_to_end(key)
            return entry.value

    def discard(self, part: Hashable) -> None:
        """Drop every result whose key contains a value, at any depth of its tuples."""

        def contains(key: Hashable) -> bool:
            return key == part or (isinstance(key, tuple) and any(map(contains, key)))

        self.discard_where(contains)

    def discard_where(self, unwanted: Callable[[Key], bool]) -> None:
        """Drop every result whose key is unwanted; one that is being computed is not cached."""
        with self._guard:
            for store in (self._entries, self._pending):
                for key in [key for key in store if unwanted(key)]:
                    del store[key]

    def _limit(self, key: Key) -> Limit:
        return self._limits.get(str(key[0]), self._default)

    def _insert(self, key: Key, entry: _Entry) -> None:
        limit = self._limit(key)
        room = None if limit.megabytes is None else limit.megabytes * 2**20
        self._entries.pop(key, None)
        if room is not None and entry.size > room:
            return
        self._entries[key] = entry
        family = [(other, found.size) for other, found in self._entries.items() if other[0] == key[0]]
        count, total = len(family), sum(size for _, size in family)
        for old, size in family:
            if (limit.entries is None or count <= limit.entries) and (room is None or total <= room):
                return
            del self._entries[old]
            count, total = count - 1, total - size


def size_of(value: Any) -> int:
    """Bytes of the arrays, tensors and texts that a result holds, each counted once.

    Example:
        >>> import numpy as np
        >>> rows = np.zeros((10, 4), dtype=np.float32)
        >>> size_of({"rows": rows, "same": rows, "name": "abc"})
        163
    """
    seen: set[int] = set()

    def measure(item: Any) -> int:
        if item is None or isinstance(item, (bool, int, float, complex, type)) or id(item) in seen:
            return 0
        seen.add(id(item))
        if isinstance(item, (str, bytes)):
            return len(item)
        if isinstance(size := getattr(item, "nbytes", None), int):
            return size
        if isinstance(item, Mapping):
            return sum(measure(each) for each in item.values())
        if isinstance(item, (list, tuple, set, frozenset)):
            return sum(map(measure, item))
        return sum(map(measure, vars(item).values())) if hasattr(item, "__dict__") else 0

    return measure(value)
