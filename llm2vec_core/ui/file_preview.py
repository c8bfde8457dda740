"""How an uploaded file was read, as a few facts and its first rows."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from llm2vec_core.corpus.reading import FileReading
from llm2vec_core.ui.templates import render

CELL_CHARACTERS, COLUMNS_SHOWN = 80, 8
_ENCODINGS = {"utf-8-sig": "UTF-8", "utf-8": "UTF-8", "cp1252": "cp1252 (Windows)"}
_HEADERS = {True: "first row: column names", False: "no header row", None: ""}


def file_preview(reading: FileReading, text: str, label: str | None) -> Markup:
    """Encoding, delimiter, header and first rows of a file, the chosen columns marked.

    Args:
        reading: of the file.
        text: the column whose texts are embedded.
        label: the column of labels, if one was chosen.
    """
    separated = f"columns separated by {reading.delimiter}" if reading.delimiter else ""
    facts = (_ENCODINGS.get(reading.encoding, reading.encoding.upper()), separated, _HEADERS[reading.header])
    places = _shown_places(reading, text, label)
    return render(
        "file_preview.html",
        facts=[fact for fact in facts if fact],
        names=[reading.names[i] for i in places],
        rows=[[row[i] for i in places] for row in reading.rows],
        more=len(reading.names) - len(places),
        text=text,
        label=label,
        limit=CELL_CHARACTERS,
    )


def _shown_places(reading: FileReading, text: str, label: str | None) -> Sequence[int]:
    chosen = [i for i, name in enumerate(reading.names) if name in (text, label)]
    others = [i for i in range(len(reading.names)) if i not in chosen]
    return sorted((*chosen, *others[: max(0, COLUMNS_SHOWN - len(chosen))]))
