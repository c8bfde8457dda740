"""What a terminal must not be sent: characters of a text that move its cursor, change its title or hide a line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

# Control characters but line feed and tab, marks that turn the direction of writing, and halves of surrogate pairs.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""A text with control characters written out; in JSON this is the same string.

    Example:
        >>> print(printable("\x1b[2J gone, 😀 stays"))
        \u001b[2J gone, 😀 stays
    """
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class _PrintableStream:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(printable(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def printable_results() -> Iterator[None]:
    """Standard output through :func:`printable`."""
    with redirect_stdout(_PrintableStream(sys.stdout)):
        yield


def tell(*lines: str) -> None:
    """Lines to standard error, through :func:`printable`; progress bars write there by themselves."""
    for line in lines:
        print(printable(line), file=sys.stderr, flush=True)
