"""Rows to train on, from files or a data set of the Hub, and texts cut into sentences or paragraphs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from llm2vec_core.batching import TokenizedText
from llm2vec_core.corpus.source import Mended, TextSource
from llm2vec_core.corpus.sources import open_source, read_records
from llm2vec_core.errors import InputError
from llm2vec_core.extras import require
from llm2vec_core.training.folders import training_files

Unit = Literal["document", "paragraph", "sentence"]
_SHOWN = 10  # names of files in a message

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


def read_texts(
    source: Path | HubDataset, column: str = "text", mended: Mended | None = None, *, encoding: str | None = None
) -> Iterator[str]:
    """Yield the texts of a file, of a folder's files that are meant for training, or of a data set.

    Args:
        source: ``.txt`` holds one text a line; ``.csv``, ``.tsv``, ``.jsonl``, ``.json`` and ``.parquet`` have columns.
        column: that holds the texts; of ``.txt`` it is the line.
        mended: what had to be guessed, replaced or left out is noted here.
        encoding: of a file's bytes; None to find it out.

    Raises:
        InputError: for a path that does not exist, a file of another kind, or a missing column.
        MissingPackageError: if a data set is asked for and ``datasets`` is not installed.
    """
    for row in read_rows(source, (column,), hint="--column names another", mended=mended, encoding=encoding):
        if text := row[column].strip():
            yield text


def read_rows(
    source: Path | HubDataset,
    columns: Sequence[str],
    optional: Sequence[str] = (),
    *,
    lists: Sequence[str] = (),
    hint: str = "",
    mended: Mended | None = None,
    encoding: str | None = None,
) -> Iterator[dict[str, str]]:
    """Yield rows as texts by column.

    Args:
        source: as for :func:`read_texts`.
        columns: every record has to have them.
        optional: "" where a record has them not.
        lists: columns that may hold lists of texts; the first is taken.
        hint: how users name another column.
        mended: as for :func:`read_texts`.
        encoding: likewise.

    Raises:
        InputError: as :func:`read_texts` does.
        MissingPackageError: likewise.
    """
    mended = mended or Mended()
    names = (*columns, *optional)
    if isinstance(source, HubDataset):
        yield from _dataset_rows(source, names, optional, lists, mended)
        return
    for file in files_of(source, mended):
        found = open_source(
            str(file),
            names,
            numbers=True,
            optional=optional,
            lists=lists,
            encoding=encoding,
            hint=hint,
            encoding_hint="give its encoding,",
        )
        if found.kind == "txt":
            if len(columns) > 1:
                raise InputError(f"{file.name} has lines and no columns; {', '.join(columns)} are needed: use a .jsonl")
            found = replace(found, columns=tuple(columns))
        blank = dict.fromkeys(optional, "")
        for values in read_records(found, mended):
            yield blank | dict(zip(found.columns, values, strict=True))


def files_of(path: Path, mended: Mended | None = None) -> list[Path]:
    """The file, or the files of a folder that are meant for training; what is left out or missing is noted.

    Raises:
        InputError: if there is none.
    """
    found = training_files(path)
    if mended is not None and (found.left_out or found.missing):
        taken = _listed([file.relative_to(path).as_posix() for file in found.files])
        left = f"; left out: {_listed(found.left_out)}" if found.left_out else ""
        missing = f"; missing: {_listed(found.missing)}" if found.missing else ""
        mended.note(f"read from {path.name}: {taken}{left}{missing}")
    return list(found.files)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")


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


def _dataset_rows(
    source: HubDataset, columns: Sequence[str], optional: Sequence[str], lists: Sequence[str], mended: Mended
) -> Iterator[dict[str, str]]:
    require("train", "datasets", what=f"the data set {source.name!r}")
    import datasets

    try:
        # Streamed: what is not asked for is not downloaded.
        found = datasets.load_dataset(source.name, source.subset, split=source.split, streaming=True)
    except Exception as error:  # the library raises whatever its file formats and the Hub's client do
        raise InputError(
            f"the data set {Path(source.name).name!r} cannot be loaded ({type(error).__name__}: {error!s:.200}); "
            "check name, subset and split"
        ) from error
    shown = Path(source.name).name
    rows = TextSource(
        shown, None, "datasets", tuple(columns), numbers=True, optional=frozenset(optional), lists=frozenset(lists)
    )
    for number, row in enumerate(found, start=1):
        missing = [name for name in columns if name not in row and name not in optional]
        if missing:
            raise InputError(f"row {number} of {shown!r} has no column {missing[0]!r}; it has {', '.join(row)}")
        yield {name: rows.text(row.get(name), name, number, mended) for name in columns}
