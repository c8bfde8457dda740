"""Tables as text: which character separates the columns, whether quotation marks enclose them, and their rows.

Of ``csv.Sniffer`` nothing is used: it takes letters for delimiters and decides without the columns that are wanted.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain, islice

from llm2vec_core.corpus.lines import MAX_LINE, TextFile, open_text, without_end
from llm2vec_core.corpus.source import Mended, TextSource
from llm2vec_core.errors import InputError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_OWN = {"csv": ",", "tsv": "\t"}
_SAMPLED_ROWS = 100
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)
# A cell of such a name is a header's, whatever stands beside it.
COMMON_NAMES = frozenset(
    [
        "text",
        "texts",
        "sentence",
        "passage",
        "content",
        "body",
        "title",
        "abstract",
        "question",
        "query",
        "answer",
        "document",
        "id",
        "_id",
        "label",
        "labels",
        "topic",
        "category",
        "class",
        "subject",
        "score",
        "split",
        "date",
        "name",
        "positive",
        "negative",
        "anchor",
        "instruction",
        "task",
        "author",
        "url",
        "lang",
        "language",
        "sentence1",
        "sentence2",
    ]
)
_FIELD = re.compile(r'(?:"((?:[^"]|"")*)"|[^"\t\r\n][^\t\r\n]*|)(\t|\r\n|\r|\n|$)')
_NUMBER = re.compile(r"\s*[+-]?[\d.,]*\d%?\s*")


Row = tuple[int, list[str]]  # with the number of the line that it ends in


@dataclass(frozen=True)
class Dialect:
    """How a table is written.

    Attributes:
        delimiter: between columns.
        quoted: whether quotation marks enclose fields; else they are part of the text.
        blank: whether a blank follows each delimiter.
        announced: whether the first line is ``sep=;`` or the like, as spreadsheets write it.
    """

    delimiter: str
    quoted: bool = True
    blank: bool = False
    announced: bool = False

    def __str__(self) -> str:
        return DELIMITERS.get(self.delimiter, repr(self.delimiter))


def find_dialect(sample: str, complete: bool, source: TextSource) -> Dialect:
    r"""Find out how a table is written.

    The suffix's own delimiter, unless another one makes the columns that are wanted, or equal rows of several
    columns where the own one makes none.

    Args:
        sample: its first lines.
        complete: whether that is all of it.
        source: what is wanted of it.

    Example:
        >>> source = TextSource("t.csv", None, "csv", ("text",))
        >>> find_dialect("text;label\nriver;1\n", True, source).delimiter
        ';'
    """
    if announced := _SEPARATOR_LINE.fullmatch(sample.split("\n", 1)[0].split("\r", 1)[0]):
        return Dialect(announced[1], announced=True)
    own = _OWN[source.kind]
    wanted = set(source.columns) - source.optional if source.header else set()
    found: list[tuple[tuple[bool, bool, int], Dialect]] = []
    for delimiter in sorted(DELIMITERS, key=lambda d: d != own):
        dialect = _quoting(delimiter, sample, complete, source)
        rows = _sampled(sample, complete, dialect)
        if not rows:
            continue
        names, width = {name.strip() for name in rows[0]}, len(rows[0])
        even = width > 1 and all(len(row) == width for row in rows)
        has = bool(wanted) and wanted <= names
        if delimiter == own and (has or (even and not wanted)):
            return dialect
        found.append(((has, even, width if even else 0), dialect))
    # The first of equals, which is the suffix's own.
    return max(found, key=lambda one: one[0])[1] if found else Dialect(own, quoted=own != "\t")


def _quoting(delimiter: str, sample: str, complete: bool, source: TextSource) -> Dialect:
    quoted = Dialect(delimiter, blank=f'{delimiter} "' in sample and delimiter != "\t")
    if delimiter != "\t":
        return quoted
    # A tab-separated file has no quotation marks by definition, and spreadsheets write them: only if every field
    # that begins with one also ends in one, and one of them needs it, do they enclose.
    return quoted if _encloses(sample, complete) else replace(quoted, quoted=False)


def _encloses(sample: str, complete: bool) -> bool:
    place, needed, header = 0, False, True
    while place < len(sample):
        field = _FIELD.match(sample, place)
        if field is None:
            # A field that the sample's end cuts proves nothing.
            return needed and not complete and '"' not in sample[place + 1 :].replace('""', "")
        inner, end = field[1], field[2]
        needed = needed or (inner is not None and ('""' in inner or bool(set(inner) & set("\t\r\n"))))
        header = header and inner is not None
        if end != "\t" and header:
            return True  # Names are enclosed without need, so everything may be.
        header = header and end == "\t"
        place = field.end()
    return needed


def _sampled(sample: str, complete: bool, dialect: Dialect) -> list[list[str]]:
    lines = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", sample)
    rows: list[list[str]] = []
    # A field that the sample's end cuts is no error; one in the file is found when it is read.
    with suppress(InputError):
        for _, row in islice(_parsed(enumerate(lines, start=1), dialect, ""), _SAMPLED_ROWS + 1):
            rows.append(row)
    rows = [row for row in rows if row]
    return rows if complete or len(rows) < 2 else rows[:-1]


def _parsed(lines: Iterable[tuple[int, str]], dialect: Dialect, name: str) -> Iterator[Row]:
    if not dialect.quoted:
        for number, line in lines:
            line = without_end(line).removesuffix("\r")
            yield number, line.split(dialect.delimiter) if line else []
        return
    # The limit also stops a quotation mark that is never closed from swallowing the file.
    csv.field_size_limit(MAX_LINE)
    reader = csv.reader(
        (line for _, line in lines), delimiter=dialect.delimiter, skipinitialspace=dialect.blank, strict=True
    )
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise InputError(f"{name}, line {reader.line_num}: no CSV ({error}); is a quotation mark open?") from error


@contextmanager
def open_table(
    source: TextSource, mended: Mended
) -> Iterator[tuple[TextFile, Dialect, Iterator[tuple[int, list[str]]]]]:
    """Open a ``.csv`` or ``.tsv`` file: how it is written, and its rows, the header among them."""
    with open_text(source, mended) as file:
        dialect = find_dialect(file.sample, file.complete, source)
        if dialect.delimiter != _OWN[source.kind]:
            mended.note(f"{source.name}: columns are separated by {dialect}")
        if dialect.quoted:
            file.any_line_end()
        rows = _parsed(file.lines(), dialect, source.name)
        yield file, dialect, islice(rows, int(dialect.announced), None)


def read_table(source: TextSource, mended: Mended) -> Iterator[tuple[str, ...]]:
    """Yield the wanted columns of each row of a ``.csv`` or ``.tsv`` file."""
    with open_table(source, mended) as (_, dialect, rows):
        first = next(((number, row) for number, row in rows if row), None)
        if first is None and not source.header:
            return
        names = [] if first is None else column_labels(first[1], source.header)
        places, width = _places(source, names, dialect), len(names)
        for number, row in rows if source.header or first is None else chain([first], rows):
            if not row:
                continue  # A blank line is no record: an empty text is written "".
            # Spreadsheets write delimiters behind the last column of a row.
            if len(row) < width or any(row[width:]):
                raise InputError(
                    f"{source.name}, line {number}: {len(row)} fields where {width} are expected, separated by "
                    f"{dialect}"
                )
            yield tuple("" if place is None else row[place] for place in places)


def column_labels(first: Sequence[str], header: bool) -> list[str]:
    """The names of a table's columns: its first row, or numbers from 1 where that is a row like the others."""
    return list(first) if header else [f"column {i}" for i in range(1, len(first) + 1)]


def _places(source: TextSource, names: list[str], dialect: Dialect) -> list[int | None]:
    if not source.header and not set(source.columns) <= set(names):
        numbered = [int(column) - 1 if column.isdecimal() else -1 for column in source.columns]
        if all(0 <= place < len(names) for place in numbered):
            return list(numbered)
        if len(source.columns) == len(names):
            return list(range(len(names)))
    return [_place(column, names, source, dialect) for column in source.columns]


def _place(column: str, names: list[str], source: TextSource, dialect: Dialect) -> int | None:
    found = [i for i, name in enumerate(names) if name == column]
    found = found or [i for i, name in enumerate(names) if name.strip() == column]
    if len(found) > 1:
        raise InputError(f"{source.name} has the column {column!r} {len(found)} times; give each a name of its own")
    if found or column in source.optional:
        return found[0] if found else None
    raise source.no_column(column, names, f" (separated by {dialect})" if names else "")


def seems_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row of a table holds the names of the columns, as far as one can see.

    A header's cells are short, there and different; a number, a sentence, or a word that the same column has
    again is none. ``csv.Sniffer.has_header`` compares lengths and takes most tables of texts for headerless.

    Args:
        rows: the first rows of the table.

    Example:
        >>> seems_header([["text", "topic"], ["A river flows.", "water"]])
        True
        >>> seems_header([["A river flows.", "water"], ["Rain falls.", "water"]])
        False
    """
    if not rows or not rows[0]:
        return False
    first, rest = rows[0], rows[1:]
    columns = [[row[i].strip() for row in rest if i < len(row)] for i in range(len(first))]
    names = [name.strip() for name in first]
    if any(_NUMBER.fullmatch(name) for name in names) or len(set(names)) < len(names) or not any(names):
        return False
    if {name.lower() for name in names} & COMMON_NAMES:
        return True
    if any(name and name in column for name, column in zip(names, columns, strict=True)):
        return False
    if any(values and all(_NUMBER.fullmatch(v) for v in values if v) and any(values) for values in columns):
        return True
    return not any(len(name) > 60 or len(name.split()) > 3 or name.endswith((".", "!", "?")) for name in names)
