"""Retrieval sets as files: three parquet files, or a folder as BEIR has it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm2vec_core.corpus.reading import inspect_file
from llm2vec_core.corpus.source import Mended
from llm2vec_core.corpus.sources import open_source, read_records, read_texts
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.files import read_table

BEIR_CORPUS = "corpus.jsonl"
# Names that BEIR and mteb give to what is called id, query_id and doc_id here.
_ALIASES = {"_id": "id", "query-id": "query_id", "corpus-id": "doc_id", "corpus_id": "doc_id"}
_JUDGEMENT = ("query_id", "doc_id", "score")


@dataclass(frozen=True)
class RetrievalFiles:
    """What the files of a retrieval set hold.

    Attributes:
        documents: by id title and text.
        queries: by id the text.
        judgements: query, document and grade.
        notes: what could not be read as it stood, in words.
    """

    documents: dict[str, tuple[str, str]]
    queries: dict[str, str]
    judgements: list[tuple[str, str, float]]
    notes: tuple[str, ...] = ()


def read_retrieval_files(folder: Path, name: str) -> RetrievalFiles:
    """Read NAME_corpus, NAME_queries and NAME_qrels (parquet), or corpus.jsonl, queries.jsonl and qrels/test.tsv.

    Args:
        folder: where they lie; a set as BEIR has it is the folder itself or a folder of that name in it.
        name: of the set.

    Raises:
        InputError: if a file cannot be used, an id is there twice, or a grade is no number.
    """
    beir = beir_folder(folder, name)
    return _beir(beir, name) if beir else _parquet(folder, name)


def beir_folder(folder: Path, name: str) -> Path | None:
    """The folder of a set as BEIR has it; None if there is none of that name."""
    places = (folder, folder / name)
    return next((p for p in places if p.resolve().name == name and (p / BEIR_CORPUS).is_file()), None)


def beir_names(folder: Path) -> list[str]:
    """Names of the sets that are laid out as BEIR has them: the folder itself, or folders in it."""
    places = (folder, *sorted(path for path in folder.iterdir() if path.is_dir()))
    return [place.resolve().name for place in places if (place / BEIR_CORPUS).is_file()]


def beir_files(folder: Path) -> list[Path]:
    """The files of a set as BEIR has it."""
    return [folder / BEIR_CORPUS, folder / "queries.jsonl", *sorted((folder / "qrels").glob("*"))]


def _parquet(folder: Path, name: str) -> RetrievalFiles:
    corpus = read_table(folder / f"{name}_corpus.parquet", ("id", "text"), _ALIASES)
    queries = read_table(folder / f"{name}_queries.parquet", ("id", "text"), _ALIASES)
    qrels = read_table(folder / f"{name}_qrels.parquet", _JUDGEMENT, _ALIASES)
    titles = corpus["title"].to_pylist() if "title" in corpus.column_names else [""] * corpus.num_rows
    texts = [(title or "", text) for title, text in zip(titles, corpus["text"].to_pylist(), strict=True)]
    columns = (qrels[column].to_pylist() for column in _JUDGEMENT)
    return RetrievalFiles(
        _by_id(corpus["id"].to_pylist(), texts, name),
        _by_id(queries["id"].to_pylist(), queries["text"].to_pylist(), name),
        _judgements(zip(*columns, strict=True), name),
    )


def _beir(folder: Path, name: str) -> RetrievalFiles:
    documents, notes = _records(folder / BEIR_CORPUS, ("_id", "title", "text"))
    queries, more = _records(folder / "queries.jsonl", ("_id", "text"))
    return RetrievalFiles(
        _by_id([row[0] for row in documents], [(row[1], row[2]) for row in documents], name),
        _by_id([row[0] for row in queries], [row[1] for row in queries], name),
        _judgements(_qrels(folder / "qrels", name), name),
        (*notes, *more),
    )


def _records(file: Path, columns: tuple[str, ...]) -> tuple[list[tuple[str, ...]], list[str]]:
    mended = Mended()
    records = list(read_records(open_source(str(file), columns, numbers=True, optional=("title",)), mended))
    notes = list(mended.notes)
    if mended.rows:
        notes.append(
            f"{mended.rows:,} of {len(records):,} lines of {file.name} are not read as they stand: null is read as an "
            f"empty text, what is no character as \ufffd ({', '.join(mended.places)})"
        )
    return records, notes


def _qrels(folder: Path, name: str) -> list[tuple[str, ...]]:
    file = folder / "test.tsv"
    if not file.is_file():
        there = ", ".join(sorted(path.name for path in folder.glob("*"))) or "none"
        raise InputError(f"{name} has no qrels/test.tsv; judgements there: {there}")
    reading = inspect_file(open_source(str(file), (), numbers=True))
    if len(reading.names) == 1:
        return _between_blanks(file, name)
    named = {_ALIASES.get(column.strip().lower(), column.strip().lower()): column for column in reading.names}
    columns = tuple(named[column] for column in _JUDGEMENT if column in named)
    if not reading.header or len(columns) < len(_JUDGEMENT):
        columns = tuple(reading.names[place] for place in _places(len(reading.names), name))
    return list(read_records(open_source(str(file), columns, numbers=True, header=bool(reading.header))))


def _places(columns: int, name: str) -> tuple[int, int, int]:
    """Where query, document and grade stand: three columns as BEIR has them, or TREC's four, whose second is unused."""
    found = {3: (0, 1, 2), 4: (0, 2, 3)}.get(columns)
    if found is None:
        raise InputError(f"{name}: qrels/test.tsv has {columns} columns; expected query-id, corpus-id, score")
    return found


def _between_blanks(file: Path, name: str) -> list[tuple[str, ...]]:
    """Rows whose columns are set apart by blanks, as TREC's own files have them; ids hold none."""
    rows = [line.split() for line in read_texts([open_source(str(file), kind="txt")]) if line.strip()]
    rows = rows[1:] if rows and _number(rows[0][-1]) is None else rows
    return [tuple(row[place] for place in _places(len(row), name)) for row in rows]


def _by_id(ids: Sequence[Any], values: Sequence[Any], name: str) -> dict[str, Any]:
    ids = [_id(value) for value in ids]
    most = Counter(ids).most_common(1)
    if most and most[0][1] > 1:
        raise InputError(f"{name}: the id {most[0][0]!r} is there twice")
    return dict(zip(ids, values, strict=True))


def _judgements(rows: Any, name: str) -> list[tuple[str, str, float]]:
    return [(_id(query), _id(document), _grade(score, name, query)) for query, document, score in rows]


def _id(value: Any) -> str:
    # A column of whole numbers becomes one of fractions where a table program met a gap in it.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _number(score: Any) -> float | None:
    try:
        grade = float(score)
    except (TypeError, ValueError):
        return None
    return grade if math.isfinite(grade) else None


def _grade(score: Any, name: str, query: Any) -> float:
    grade = _number(score)
    if grade is None:
        raise InputError(
            f"{name}: the score {score!r:.30} of query {str(query)!r:.60} is no number; relevant is above 0"
        )
    return grade
