"""Where texts come from and what was replaced while they were read: what every reader takes and reports to."""

from __future__ import annotations

import datetime
import decimal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm2vec_core.errors import InputError

STDIN = "-"
PLACES_KEPT = 5


def without_surrogates(text: str) -> str:
    r"""A text that can be written and sent: halves of surrogate pairs, which JSON may hold, become U+FFFD.

    Example:
        >>> without_surrogates("a\ud800"), without_surrogates("caf\xe9")
        ('a\ufffd', 'caf\xe9')
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


@dataclass(frozen=True)
class TextSource:
    """A place that texts come from; made by :func:`~llm2vec_core.corpus.sources.open_source`.

    Attributes:
        name: file name, or "-" for standard input.
        path: None for standard input.
        kind: a key of :data:`~llm2vec_core.corpus.sources.KINDS`.
        columns: fields to read; a ``.txt`` file has one, the line.
        header: whether a table (csv, tsv) begins with the names of its columns; without, the columns are
            called "column 1", "column 2", ..., and as many names as there are columns are taken by position.
        numbers: whether numbers, dates and truth values count as texts.
        labels: of the columns, those that hold no text to encode: numbers, dates and truth values count there, and
            nothing reads as "".
        optional: of the columns, those that a file or a record may lack; they read as "".
        lists: of the columns, those that may hold a list of texts, of which the first is taken.
        encoding: of the bytes; None to find it out.
        hint: told after "there is no such column": how this caller's users name another one.
        header_hint: likewise, how they say that a table has no header.
        encoding_hint: likewise, how they name an encoding.
    """

    name: str
    path: Path | None
    kind: str
    columns: tuple[str, ...]
    header: bool = True
    numbers: bool = False
    optional: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    encoding: str | None = None
    hint: str = ""
    header_hint: str = ""
    encoding_hint: str = ""

    def no_column(self, column: str, names: list[str] | tuple[str, ...], more: str = "") -> InputError:
        """The error for a column that a file does not have."""
        shown = ", ".join(name if len(name) <= 60 else f"{name[:60]}..." for name in names[:20]) or "none"
        table = self.header_hint if self.header and self.kind in ("csv", "tsv") else ""
        hints = "; ".join(hint for hint in (self.hint, table) if hint)
        hint = f" ({hints})" if hints else ""
        return InputError(f"{self.name} has no column {column!r}; it has {shown}{more}{hint}")

    def takes_numbers(self, column: str) -> bool:
        """Whether numbers, dates and truth values count as texts there."""
        return self.numbers or column in self.labels

    def text(self, value: Any, column: str, number: int, mended: Mended) -> str:
        """A field's value as text.

        Args:
            value: as the file has it; None where the record has no such field.
            column: its name.
            number: of the line or row, from 1.
            mended: what had to be replaced is noted here.

        Raises:
            InputError: for a value that is no text.

        Example:
            >>> source = TextSource("t.jsonl", None, "jsonl", ("text",), lists=frozenset({"text"}))
            >>> source.text(["a", "b"], "text", 1, Mended())
            'a'
        """
        if value is None and (column in self.optional or column in self.labels):
            return ""
        if isinstance(value, list) and column in self.lists and all(isinstance(item, str) for item in value):
            if len(value) > 1:
                mended.note(f"{self.name}: of the lists in {column!r} the first text is read, the others are left out")
            value = value[0] if value else ""
        if self.takes_numbers(column) and isinstance(value, (bool, int, float, decimal.Decimal, datetime.date)):
            return str(value)
        return mended.text(value, self.name, number, column)


@dataclass
class Mended:
    """What could not be read as it stood and was replaced, and what was guessed about a file.

    Attributes:
        strict: raise instead of replacing or guessing.
        rows: lines or rows that were mended.
        places: the first of them, such as "notes.txt, line 3".
        notes: guesses, such as "table.csv is no UTF-8 and is read as cp1252".
    """

    strict: bool = False
    rows: int = 0
    places: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def decode(self, raw: bytes, name: str, number: int) -> str:
        r"""UTF-8 to text; what is no UTF-8 becomes U+FFFD.

        Args:
            raw: the bytes.
            name: of the file.
            number: of the line or row, from 1.

        Raises:
            InputError: in strict mode, with the first wrong byte.

        Example:
            >>> mended = Mended()
            >>> mended.decode(b"na\xefve", "notes.txt", 3), mended.places
            ('na\ufffdve', ['notes.txt, line 3'])
        """
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            self.replaced(name, number, f"byte {error.start + 1} (0x{raw[error.start]:02x}) is no valid UTF-8")
            return raw.decode("utf-8", errors="replace")

    def text(self, value: Any, name: str, number: int, column: str = "text") -> str:
        """A value as text: null becomes an empty text, a lone surrogate U+FFFD.

        Raises:
            InputError: for a value that is neither text nor null; in strict mode for whatever would
                be mended.
        """
        if value is None:
            self.replaced(name, number, "the text is null")
            return ""
        if not isinstance(value, str):
            raise InputError(f"{name}, line {number}: expected a text, found {value!r:.60} in {column!r}")
        whole = without_surrogates(value)
        if whole != value:
            self.replaced(name, number, "half a surrogate pair is no character")
        return whole

    def replaced(self, name: str, number: int, wrong: str) -> None:
        """Count a line that was mended.

        Raises:
            InputError: in strict mode.
        """
        place = f"{name}, line {number}"
        if self.strict:
            raise InputError(f"{place}: {wrong}; mend the file, or read it without --strict, which replaces it")
        self.rows += 1
        if len(self.places) < PLACES_KEPT:
            self.places.append(place)

    def note(self, message: str) -> None:
        """Keep a remark, each once."""
        if message not in self.notes:
            self.notes.append(message)
