"""A visitor's own texts: read from what they uploaded or pasted, checked and bounded. Knows no gradio."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from llm2vec_core.batching import clean_text
from llm2vec_core.bundled_data import passages
from llm2vec_core.corpus.parquet import check_parquet
from llm2vec_core.corpus.reading import FileReading, inspect_file
from llm2vec_core.corpus.source import Mended, TextSource
from llm2vec_core.corpus.sources import KINDS, open_source, read_records
from llm2vec_core.errors import InputError
from llm2vec_core.ui.limits import Limits

BUNDLED_TEXTS, USER_TEXTS = "ours", "own"
NO_LABEL = ""
BUNDLED_KEY = "our collection"
NO_TEXTS_YET = "You have not loaded any texts yet. Upload a file, or paste lines and press “Use these lines”."
MAX_COLUMNS = 200
INSTRUCTION_CHARACTERS = 500
# A parquet page of equal bytes unpacks to a thousand times its size: this much is unpacked at most.
MAX_UNPACKED_BYTES = 128 * 2**20


@dataclass(frozen=True)
class Texts:
    """Texts to embed.

    Attributes:
        name: shown to people.
        texts: none of them blank.
        labels: one a text, "" where there is none; None if the texts have no labels at all.
        left_out: blank rows that were dropped.
        key: equal for equal texts; those of a visitor are equal to themselves alone.
        notes: what was guessed about the file or had to be replaced.
    """

    name: str
    texts: tuple[str, ...]
    labels: tuple[str, ...] | None = None
    left_out: int = 0
    notes: tuple[str, ...] = ()
    key: object = field(default_factory=object, compare=False)

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def is_bundled(self) -> bool:
        """Whether these are the texts that every visitor has."""
        return self.key == BUNDLED_KEY


def our_collection() -> Texts:
    """The bundled passages, labelled with their topics."""
    return Texts(
        "our collection", tuple(p.text for p in passages()), tuple(p.topic for p in passages()), key=BUNDLED_KEY
    )


def pasted_texts(pasted: str | None, limits: Limits) -> Texts:
    r"""Texts from a box, one per line.

    Raises:
        InputError: if there are none, too many, or one is too long.

    Example:
        >>> pasted_texts("a river\n\na bank", Limits()).texts
        ('a river', 'a bank')
    """
    if pasted and len(pasted) > limits.user_characters:
        raise InputError(f"{len(pasted):,} characters were pasted; at most {limits.user_characters:,} fit.")
    return _checked("your lines", ((line, NO_LABEL) for line in (pasted or "").splitlines()), limits, labelled=False)


def upload_reading(file: Path, limits: Limits, header: bool | None = None, encoding: str | None = None) -> FileReading:
    """How an uploaded file is understood: its columns, of a text file one, the line.

    Args:
        file: txt, csv, tsv, json, jsonl or parquet.
        limits: how large it may be.
        header: of a table, whether the first row holds the names of the columns; None to find it out.
        encoding: of its bytes; None to find it out.

    Raises:
        InputError: if the file is of no known kind or cannot be read.
    """
    source = _source(file, encoding=encoding)
    if source.kind == "parquet":
        _bounded_parquet(file, (), limits)
    reading = inspect_file(source, header=header)
    if len(reading.columns) > MAX_COLUMNS:
        raise InputError(f"{file.name} has {len(reading.columns):,} columns; at most {MAX_COLUMNS} can be chosen from.")
    if not reading.columns:
        raise InputError(f"{file.name} is empty.")
    return reading


def uploaded_texts(
    file: Path,
    text_column: str,
    label_column: str | None,
    limits: Limits,
    *,
    header: bool = True,
    encoding: str | None = None,
) -> Texts:
    """Texts from an uploaded file, by the command line's own readers.

    Args:
        file: txt, csv, tsv, json, jsonl or parquet.
        text_column: where the texts are.
        label_column: where their labels are, if anywhere.
        limits: how many and how long they may be.
        header: of a table, whether the first row holds the names of the columns.
        encoding: of its bytes; None to find it out.

    Raises:
        InputError: for what cannot be read, a missing column, or too much of it.
    """
    columns = tuple(dict.fromkeys(c for c in (text_column, label_column) if c is not None))
    source = _source(file, columns, header, encoding)
    if source.kind == "parquet":
        _bounded_parquet(file, columns, limits)
    place, mended = columns.index(label_column) if label_column is not None else None, Mended()
    rows = ((row[0], row[place] if place is not None else NO_LABEL) for row in read_records(source, mended))
    found = _checked(file.name, rows, limits, labelled=label_column is not None)
    replaced = (f"{mended.rows:,} rows were no valid text: wrong bytes became U+FFFD",) if mended.rows else ()
    return replace(found, notes=(*mended.notes, *replaced))


def checked_text(text: str | None, name: str, limit: int) -> str:
    """A visitor's text, fit to be encoded and sent back (no lone surrogates), or a readable complaint about it.

    Raises:
        InputError: if it is empty, blank or longer than ``limit`` characters.
    """
    if text is None or not text.strip():
        raise InputError(f"{name} is empty. Type a few words.")
    if len(text) > limit:
        raise InputError(f"{name} has {len(text):,} characters; at most {limit:,} fit here. Shorten it.")
    return clean_text(text)


def checked_instruction(instruction: str | None) -> str:
    """A visitor's instruction, as :func:`checked_text`; "" for a blank one."""
    if not instruction or not instruction.strip():
        return ""
    return checked_text(instruction, "The instruction", INSTRUCTION_CHARACTERS).strip()


def shortened(text: str, limit: int) -> str:
    """A text of at most ``limit`` characters.

    Example:
        >>> shortened("a river in flood", 9), shortened("a river", 9)
        ('a river…', 'a river')
    """
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _source(
    file: Path, columns: tuple[str, ...] = ("text",), header: bool = True, encoding: str | None = None
) -> TextSource:
    kind = file.suffix.lower().removeprefix(".")
    if kind not in KINDS:
        raise InputError(f"{file.name} is of no kind that can be read here; upload one of {', '.join(KINDS)}.")
    # A record may lack a field, and a row without a text is left out and counted.
    optional = columns if kind in ("json", "jsonl") else columns[1:]
    return open_source(
        str(file),
        columns,
        numbers=True,
        header=header,
        optional=optional,
        encoding=encoding or None,
        encoding_hint="choose its encoding below,",
        hint="choose another column below",
        header_hint="or say that the first row holds no names",
    )


def _bounded_parquet(file: Path, columns: tuple[str, ...], limits: Limits) -> None:
    bounds = {"rows": limits.user_texts, "unpacked": MAX_UNPACKED_BYTES, "characters": limits.text_characters}
    check_parquet(file, columns, **bounds)


def _checked(name: str, rows: Iterable[tuple[str, str]], limits: Limits, *, labelled: bool) -> Texts:
    texts, labels, left_out, characters = [], [], 0, 0
    for number, (text, label) in enumerate(islice(rows, limits.user_texts + limits.blank_rows + 1), start=1):
        if not text.strip():
            left_out += 1
            if left_out > limits.blank_rows:
                raise InputError(f"{name} has more than {limits.blank_rows:,} blank rows. Is it the right column?")
            continue
        if len(text) > limits.text_characters:
            raise InputError(
                f"Row {number:,} of {name} has {len(text):,} characters; at most {limits.text_characters:,} fit."
            )
        characters += len(text)
        if characters > limits.user_characters:
            raise InputError(f"{name} has more than {limits.user_characters:,} characters in all. Give fewer texts.")
        if len(texts) == limits.user_texts:
            raise InputError(f"{name} has more than {limits.user_texts:,} texts; give at most so many.")
        texts.append(clean_text(text.strip()))
        label = clean_text(label.strip())[: limits.label_characters]
        labels.append(NO_LABEL if label.lower() in ("nan", "null", "none", "<na>") else label)
    if not texts:
        raise InputError(f"There is no text in {name}. Give at least one line that is not blank.")
    return Texts(name, tuple(texts), tuple(labels) if labelled and any(labels) else None, left_out)
