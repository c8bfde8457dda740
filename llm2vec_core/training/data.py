"""Texts to train on, from files, cut into sentences or paragraphs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq

from llm2vec_core.errors import InputError

Unit = Literal["document", "paragraph", "sentence"]

# A full stop after a single letter or a short title is no end ("J. Smith", "Dr. Who").
_SENTENCE_END = re.compile(
    r"(?<![\s.][A-Za-z])(?<!\b(?:Mr|Dr|St|vs))(?<!\b(?:Mrs|etc))[.!?]['\")]*\s+(?=['\"(]*[A-Z0-9])"
)


def read_texts(path: Path) -> Iterator[str]:
    """Yield texts of a file, or of each known file of a folder in the order of names.

    ``.txt``: one text a line; ``.jsonl`` and ``.parquet``: the field ``text``.

    Raises:
        InputError: for a path that does not exist, a file of another kind, or a missing field.
    """
    if path.is_dir():
        files = sorted(f for f in path.iterdir() if f.suffix in _READERS)
        if not files:
            raise InputError(f"the folder {path.name!r} holds no {', '.join(_READERS)} file")
        for file in files:
            yield from read_texts(file)
        return
    if not path.is_file():
        raise InputError(f"there is no file {path.name!r}")
    if path.suffix not in _READERS:
        raise InputError(f"{path.name!r} is of no known kind; use {', '.join(_READERS)}")
    yield from _READERS[path.suffix](path)


def split_sentences(text: str) -> list[str]:
    """Cut a text at the ends of its sentences.

    Example:
        >>> split_sentences("It rained. The river rose! Did J. Smith see it?")
        ['It rained.', 'The river rose!', 'Did J. Smith see it?']
    """
    sentences, start = [], 0
    for match in _SENTENCE_END.finditer(text):
        sentences.append(text[start : match.end()].strip())
        start = match.end()
    sentences.append(text[start:].strip())
    return [s for s in sentences if s]


def cut_texts(
    texts: Iterable[str], unit: Unit, *, min_characters: int = 0, max_characters: int | None = None
) -> Iterator[str]:
    """Cut texts into units and keep those of a fitting length.

    Args:
        texts: documents; paragraphs are their lines.
        unit: what to yield.
        min_characters: shorter units are left out.
        max_characters: longer units are left out.
    """
    for text in texts:
        paragraphs = [text] if unit == "document" else text.split("\n")
        for paragraph in paragraphs:
            for piece in split_sentences(paragraph) if unit == "sentence" else [paragraph.strip()]:
                if len(piece) >= max(1, min_characters) and (max_characters is None or len(piece) <= max_characters):
                    yield piece


def _read_txt(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as lines:
        yield from (line.strip() for line in lines if line.strip())


def _read_jsonl(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _text_field(line, path.name, number)


def _text_field(line: str, name: str, number: int) -> str:
    try:
        text = json.loads(line)["text"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise InputError(f'{name}, line {number}: expected {{"text": "..."}}, found {line.strip()!r:.60}') from error
    return str(text)


def _read_parquet(path: Path) -> Iterator[str]:
    file = pq.ParquetFile(path)
    if "text" not in file.schema_arrow.names:
        raise InputError(f"{path.name} has columns {file.schema_arrow.names}; one must be called 'text'")
    for batch in file.iter_batches(batch_size=512, columns=["text"]):
        yield from (text for text in batch.column("text").to_pylist() if text)


_READERS = {".txt": _read_txt, ".jsonl": _read_jsonl, ".parquet": _read_parquet}
