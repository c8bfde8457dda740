"""What the allocator keeps and the garbage collector looks at: freed memory goes back to the machine.

On other systems than Linux with glibc the allocator is left alone.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_M_ARENA_MAX = -8
ARENAS = 2


def _glibc() -> ctypes.CDLL | None:
    found = ctypes.CDLL(None) if sys.platform == "linux" else None
    return found if hasattr(found, "malloc_trim") and hasattr(found, "mallopt") else None


def few_arenas() -> bool:
    """Let all threads allocate from the same few arenas; call it before they start.

    Each thread may otherwise get one of its own, and what was freed in one is not used by the others: after thirty
    visitors a gigabyte lay free.

    Returns:
        Whether it was done: not where the operator has set ``MALLOC_ARENA_MAX``.
    """
    libc = None if "MALLOC_ARENA_MAX" in os.environ else _glibc()
    return libc is not None and libc.mallopt(_M_ARENA_MAX, ARENAS) == 1


@contextmanager
def without_collections() -> Iterator[None]:
    """Let the garbage collector rest, until :func:`keep_startup_out_of_collections` at the latest.

    What is imported and built is almost never garbage, and looking through it again and again took 1.6 of the 5.7
    seconds that importing the page takes on two cores.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def keep_startup_out_of_collections() -> None:
    """What was imported and built stays as long as the process: the garbage collector need not look at it again.

    A full collection stops every thread: for 0.28 s with all that a started server holds, for less than 1 ms without.
    """
    gc.collect()
    gc.freeze()
    gc.enable()


def give_back() -> bool:
    """Drop what nothing refers to any more, and return free pages to the machine.

    Returns:
        Whether the allocator gave any back.
    """
    gc.collect()
    libc = _glibc()
    return libc is not None and libc.malloc_trim(0) == 1
