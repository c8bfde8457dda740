"""How an uploaded file was understood, as a few lines and its first rows."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from llm2vec_core.corpus.reading import FileReading

CELL_CHARACTERS, COLUMNS_SHOWN = 80, 8
_ENCODINGS = {"utf-8-sig": "UTF-8", "utf-8": "UTF-8", "cp1252": "cp1252 (Windows)"}


def file_preview(reading: FileReading, text: str, label: str | None) -> str:
    """HTML: encoding, delimiter, header and first rows of a file, the chosen columns marked.

    Args:
        reading: of the file.
        text: the column whose texts are embedded.
        label: the column of labels, if one was chosen.
    """
    facts = [_ENCODINGS.get(reading.encoding, reading.encoding.upper()), _separated(reading), _header(reading)]
    said = "; ".join(fact for fact in facts if fact)
    places = _shown_places(reading, text, label)
    marks = {text: "embedded", label: "label"}
    head = "".join(_cell("th", _name(reading.names[i], marks.get(reading.names[i]))) for i in places)
    body = "".join(f"<tr>{''.join(_cell('td', row[i]) for i in places)}</tr>" for row in reading.rows)
    more = len(reading.names) - len(places)
    rest = f"<p class='muted'>{more:,} more columns</p>" if more else ""
    facts_line = f"<p class='muted'>Read as {escape(said)}. The first rows:</p>" if said else "<p>The first rows:</p>"
    return f"<div class='l2v'>{facts_line}<table class='plain'><tr>{head}</tr>{body}</table>{rest}</div>"


def _separated(reading: FileReading) -> str:
    return f"columns separated by {reading.delimiter}" if reading.delimiter else ""


def _header(reading: FileReading) -> str:
    if reading.header is None:
        return ""
    return "first row: names of the columns" if reading.header else "no header: the first row is a row"


def _shown_places(reading: FileReading, text: str, label: str | None) -> Sequence[int]:
    chosen = [i for i, name in enumerate(reading.names) if name in (text, label)]
    others = [i for i in range(len(reading.names)) if i not in chosen]
    return sorted((*chosen, *others[: max(0, COLUMNS_SHOWN - len(chosen))]))


def _name(name: str, mark: str | None) -> str:
    return f"{name} ({mark})" if mark else name


def _cell(tag: str, value: str) -> str:
    value = value if len(value) <= CELL_CHARACTERS else f"{value[:CELL_CHARACTERS]}..."
    return f"<{tag}>{escape(value)}</{tag}>"
