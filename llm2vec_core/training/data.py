"""Rows to train on, from files or a data set of the Hub, and texts cut into sentences or paragraphs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from llm2vec_core.batching import TokenizedText
from llm2vec_core.corpus.sources import KINDS, column_names, open_source, read_records
from llm2vec_core.errors import InputError, MissingPackageError

Unit = Literal["document", "paragraph", "sentence"]

# A full stop after a single letter or a short title is no end ("J. Smith", "Dr. Who").
_SENTENCE_END = re.compile(
    r"(?<![\s.][A-Za-z])(?<!\b(?:Mr|Dr|St|vs))(?<!\b(?:Mrs|etc))[.!?]['\")]*\s+(?=['\"(]*[A-Z0-9])"
)


@dataclass(frozen=True)
class HubDataset:
    """A data set that the ``datasets`` library loads.

    Attributes:
        name: id on the Hub, or a folder.
        subset: its configuration, where it has several.
        split: of its parts.
    """

    name: str
    subset: str | None = None
    split: str = "train"


def read_texts(source: Path | HubDataset, column: str = "text") -> Iterator[str]:
    """Yield the texts of a file, of each known file of a folder in the order of names, or of a data set.

    Args:
        source: ``.txt`` holds one text a line; ``.csv``, ``.tsv``, ``.jsonl`` and ``.parquet`` have columns.
        column: that holds the texts; of ``.txt`` it is the line.

    Raises:
        InputError: for a path that does not exist, a file of another kind, or a missing column.
        MissingPackageError: if a data set is asked for and ``datasets`` is not installed.
    """
    for row in read_rows(source, (column,)):
        if text := row[column].strip():
            yield text


def read_rows(
    source: Path | HubDataset, columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[dict[str, str]]:
    """Yield rows as texts by column.

    Args:
        source: as for :func:`read_texts`.
        columns: every source has to have them.
        optional: "" where a source has them not.

    Raises:
        InputError: as :func:`read_texts` does.
        MissingPackageError: likewise.
    """
    if isinstance(source, HubDataset):
        yield from _dataset_rows(source, columns, optional)
        return
    for file in files_of(source):
        found = open_source(str(file), tuple(columns))
        present = () if found.kind == "txt" else tuple(name for name in optional if name in column_names(found))
        if found.kind == "txt" and len(columns) > 1:
            raise InputError(f"{file.name} has lines and no columns; {', '.join(columns)} are needed: use a .jsonl")
        names = (*columns, *present)
        blank = dict.fromkeys(optional, "")
        for values in read_records(open_source(str(file), names, numbers=True)):
            yield blank | dict(zip(names, values, strict=True))


def files_of(path: Path) -> list[Path]:
    """The file, or the known files of a folder in the order of names.

    Raises:
        InputError: if there is none.
    """
    if path.is_dir():
        files = sorted(f for f in path.iterdir() if f.suffix.lower().removeprefix(".") in KINDS)
        if not files:
            raise InputError(f"the folder {path.name!r} holds no .{', .'.join(KINDS)} file")
        return files
    if not path.is_file():
        raise InputError(f"there is no file {path.name!r}")
    return [path]


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


class PackedTexts(Sequence[TokenizedText]):
    """Texts written behind one another and cut into rows of one length, as the published MNTP training has them.

    Args:
        tokenizer: gives each text its special tokens.
        texts: are read once; what fills no whole row at the end is left out.
        length: tokens a row.

    Example:
        >>> from llm2vec_core import LLM2Vec
        >>> packed = PackedTexts(LLM2Vec.from_preset("mini").tokenizer, ["A river flows.", "Rain falls."], length=4)
        >>> len(packed), len(packed[0].input_ids)
        (2, 4)
    """

    def __init__(self, tokenizer: Any, texts: Iterable[str], length: int) -> None:
        pieces = [
            np.asarray(tokenizer(text, verbose=False)["input_ids"], dtype=np.int32) for text in texts if text.strip()
        ]
        tokens = np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int32)
        self._rows = tokens[: len(tokens) // length * length].reshape(-1, length)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        rows = self._rows[index]
        if rows.ndim == 1:
            return TokenizedText(tuple(rows.tolist()))
        return [TokenizedText(tuple(row)) for row in rows.tolist()]


def _dataset_rows(source: HubDataset, columns: Sequence[str], optional: Sequence[str]) -> Iterator[dict[str, str]]:
    try:
        import datasets
    except ImportError as error:
        raise MissingPackageError(f"the data set {source.name!r} needs `pip install datasets`") from error
    try:
        # Streamed: what is not asked for is not downloaded.
        found = datasets.load_dataset(source.name, source.subset, split=source.split, streaming=True)
    except Exception as error:  # the library raises whatever its file formats and the Hub's client do
        raise InputError(
            f"the data set {Path(source.name).name!r} cannot be loaded ({type(error).__name__}: {error!s:.200}); "
            "check name, subset and split"
        ) from error
    for number, row in enumerate(found, start=1):
        missing = [name for name in columns if name not in row]
        if missing:
            raise InputError(f"row {number} of {source.name!r} has no column {missing[0]!r}; it has {', '.join(row)}")
        yield {name: "" if row.get(name) is None else str(row[name]) for name in (*columns, *optional)}
