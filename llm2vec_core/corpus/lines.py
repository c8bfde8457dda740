"""Lines of a text file: decoded, counted from 1, each of bounded length."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, TextIO, cast

from llm2vec_core.corpus.encodings import HEAD_BYTES, Encoding, find_encoding
from llm2vec_core.corpus.source import Mended, TextSource
from llm2vec_core.errors import InputError

# A longer line is a file of another kind: reading on would fill the memory.
MAX_LINE = 64 * 2**20


@dataclass(frozen=True)
class TextFile:
    """An open text file.

    Attributes:
        source: where from.
        encoding: how its bytes are read.
        sample: its first lines, whole ones, as text.
        complete: whether the sample is all of it.
    """

    source: TextSource
    encoding: Encoding
    sample: str
    complete: bool
    _stream: io.TextIOWrapper
    _mended: Mended

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield number and text of each line, its end included.

        Raises:
            InputError: for a line that is too long or holds a NUL; in strict mode for bytes that are not of
                the encoding.
        """
        name = self.source.name
        for number in count(1):
            line = self._stream.readline(MAX_LINE + 1)
            if not line:
                return
            if len(line) > MAX_LINE:
                raise InputError(f"{name}, line {number}: longer than {MAX_LINE // 2**20} MiB; is it a text file?")
            if "\0" in line:
                raise InputError(f"{name}, line {number}: a NUL byte, which no text has; is the file damaged?")
            yield number, self._checked(line, number)

    def any_line_end(self) -> None:
        """From now on a carriage return, a line feed and both end a line; before the first line is read."""
        self._stream.reconfigure(newline="")

    def characters(self) -> TextIO:
        """The decoded stream itself; wrong bytes of UTF-8 come as lone surrogates."""
        return self._stream

    def _checked(self, line: str, number: int) -> str:
        if line.isascii():
            return line
        if self._stream.errors == "surrogateescape":
            try:
                line.encode("utf-8")
            except UnicodeEncodeError:
                return self._mended.decode(line.encode("utf-8", "surrogateescape"), self.source.name, number)
        elif "\ufffd" in line:
            self._mended.replaced(self.source.name, number, f"bytes that are no {self.encoding.name}")
        return line


@contextmanager
def open_text(source: TextSource, mended: Mended) -> Iterator[TextFile]:
    """Open a text file and find out its encoding.

    A line feed alone ends a line, or a carriage return where no line feed stands in the whole file.

    Args:
        source: where from.
        mended: what had to be guessed or replaced is noted here.

    Raises:
        InputError: if it is no text.
    """
    with _bytes_of(source) as stream:
        head = stream.peek(HEAD_BYTES)[:HEAD_BYTES]
        path = source.path if source.path is not None and source.path.is_file() else None
        encoding = find_encoding(
            head, path, source.name, encoding=source.encoding, strict=mended.strict, hint=source.encoding_hint
        )
        if encoding.note:
            mended.note(encoding.note)
        if encoding.carriage_returns:
            mended.note(f"{source.name}: lines end in carriage returns alone")
        end = "\r" if encoding.carriage_returns else "\n"
        utf8 = encoding.name.startswith("utf-8")
        errors = "surrogateescape" if utf8 else "replace"
        text = io.TextIOWrapper(stream, encoding.name, errors, newline=end)
        try:
            yield TextFile(source, encoding, *_sample(head, encoding), text, mended)
        finally:
            text.detach()


def without_end(line: str) -> str:
    """A line without the characters that end it."""
    return line[:-2] if line.endswith("\r\n") else line.removesuffix("\n")


@contextmanager
def _bytes_of(source: TextSource) -> Iterator[io.BufferedReader]:
    if source.path is not None:
        with source.path.open("rb", buffering=HEAD_BYTES) as file:
            yield cast(io.BufferedReader, file)
        return
    stream: Any = sys.stdin.buffer
    yield stream if hasattr(stream, "peek") else io.BufferedReader(stream, HEAD_BYTES)


def _sample(head: bytes, encoding: Encoding) -> tuple[str, bool]:
    whole = len(head) < HEAD_BYTES
    text = head.decode(encoding.name, errors="replace")
    if whole:
        return text, True
    end = "\r" if encoding.carriage_returns else "\n"
    return text[: text.rfind(end) + 1] or text, False
