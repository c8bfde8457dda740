"""Labelled pairs for supervised training: the layout of the E5 training data (query, positive, negative).

Columns: ``query`` and ``positive``; in any record that has them ``negative`` (a text that looks right and is not),
``instruction`` (what the query asks for), ``task`` (a name) and ``label``, ``labels``, ``score``, ``similarity`` or
``is_duplicate`` (1; records with 0 are no pairs and are left out). Of lists of positives or negatives the first is
taken. The published data has one file a task and its instructions in the program: give them by task, the file's name
without its ending standing for the task.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from llm2vec_core.corpus.source import Mended
from llm2vec_core.errors import InputError
from llm2vec_core.training.data import HubDataset, files_of, read_rows

# The first that a record has; a batch brings further negatives by itself.
_NEGATIVES = ("negative", "negatives", "negative_1", "hard_negative", "hard_negatives")
# What says whether a record is a pair at all.
_VERDICTS = ("label", "labels", "score", "similarity", "is_duplicate")
_OPTIONAL = (*_NEGATIVES, "instruction", "task", *_VERDICTS)
# A list that a table program wrote as the text of a cell.
_LIST_IN_A_CELL = re.compile(r"\[\s*(['\"].*['\"])?\s*\]", re.DOTALL)
_LISTS = ("positive", *_NEGATIVES)
_LABELS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
_HINT = "pairs have the columns query and positive"
# What tables write where there is nothing.
_NOTHING = ("", "nan", "none", "null", "<na>")


@dataclass(frozen=True)
class Pair:
    """A query and what it should find.

    Attributes:
        query: the text that asks.
        positive: what it should find.
        negative: what it should not find; "" if there is none.
        instruction: in front of the query.
        passage_instruction: in front of positive and negative, for tasks that are alike on both sides.
        task: name of the kind of pair.
    """

    query: str
    positive: str
    negative: str = ""
    instruction: str = ""
    passage_instruction: str = ""
    task: str = ""


@dataclass
class Cleaning:
    """What :func:`clean_pairs` took away.

    Attributes:
        blank: pairs without a query or a positive.
        same: pairs whose positive is their query.
        duplicates: pairs that had been there already.
        false_negatives: negatives that are their pair's positive or query; the pair stays, without it.
    """

    blank: int = 0
    same: int = 0
    duplicates: int = 0
    false_negatives: int = 0

    def __str__(self) -> str:
        said = {
            "blank pairs": self.blank,
            "pairs whose positive is the query": self.same,
            "duplicates": self.duplicates,
            "negatives equal to the positive or the query": self.false_negatives,
        }
        return ", ".join(f"{count:,} {what}" for what, count in said.items() if count)


def read_pairs(
    source: Path | HubDataset,
    *,
    instructions: Mapping[str, str] | None = None,
    symmetric_tasks: Iterable[str] = (),
    mended: Mended | None = None,
    encoding: str | None = None,
) -> Iterator[Pair]:
    """Yield the pairs of a file, of the files of a folder, or of a data set.

    Args:
        source: ``.jsonl``, ``.csv``, ``.tsv`` or ``.parquet``, a folder of them, or a data set.
        instructions: by task, where the rows do not bring their own.
        symmetric_tasks: whose positives and negatives get the instruction too (duplicate questions, say).
        mended: what had to be guessed, replaced or left out is noted here.
        encoding: of a file's bytes; None to find it out.

    Raises:
        InputError: for a missing column, or a label or score that is neither 0 nor 1.
    """
    by_task, alike = dict(instructions or {}), set(symmetric_tasks)
    mended = mended or Mended()
    parts = [source] if isinstance(source, HubDataset) else files_of(source, mended)
    for part in parts:
        name = part.stem if isinstance(part, Path) else part.name
        rows = read_rows(
            part, ("query", "positive"), _OPTIONAL, lists=_LISTS, hint=_HINT, mended=mended, encoding=encoding
        )
        for number, row in enumerate(rows, start=1):
            if not all(_is_pair(row[column], column, name, number) for column in _VERDICTS):
                continue
            task = row["task"] or name
            instruction = row["instruction"] or by_task.get(task, "")
            passage = instruction if task in alike else ""
            row = {**row, **{column: _first(row[column]) for column in _LISTS}}
            negative = next((row[column] for column in _NEGATIVES if row[column]), "")
            yield Pair(row["query"], row["positive"], negative, instruction, passage, task)


def clean_pairs(pairs: Iterable[Pair], report: Cleaning | None = None) -> Iterator[Pair]:
    """Take away what teaches nothing or something wrong.

    Args:
        pairs: as read.
        report: counts what was taken away.

    Example:
        >>> report = Cleaning()
        >>> pairs = [Pair("a", "b", "b"), Pair("a", "b"), Pair("a", "a"), Pair("a", "")]
        >>> list(clean_pairs(pairs, report)) == [Pair("a", "b")]
        True
        >>> report
        Cleaning(blank=1, same=1, duplicates=1, false_negatives=1)
    """
    report = report or Cleaning()
    seen: set[int] = set()
    for pair in pairs:
        query, positive, negative = pair.query.strip(), pair.positive.strip(), pair.negative.strip()
        if not query or not positive:
            report.blank += 1
            continue
        if query == positive:
            report.same += 1
            continue
        if negative and negative in (positive, query):
            report.false_negatives += 1
            negative = ""
        key = hash((query, positive, negative))
        if key in seen:
            report.duplicates += 1
            continue
        seen.add(key)
        yield Pair(query, positive, negative, pair.instruction, pair.passage_instruction, pair.task)


def first_of_each_task(
    pairs: Iterable[Pair], limit: int | None, limits: Mapping[str, int] | None = None
) -> Iterator[Pair]:
    """Yield at most so many pairs of each task, in their order.

    Args:
        pairs: of several tasks.
        limit: None for all.
        limits: by task, what goes before ``limit``.

    Example:
        >>> pairs = [Pair("a", "b", task="x"), Pair("c", "d", task="x"), Pair("e", "f", task="y")]
        >>> [pair.query for pair in first_of_each_task(pairs, 1)]
        ['a', 'e']
    """
    seen: Counter[str] = Counter()
    for pair in pairs:
        seen[pair.task] += 1
        most = (limits or {}).get(pair.task, limit)
        if most is None or seen[pair.task] <= most:
            yield pair


def _first(cell: str) -> str:
    """The first text of a list that is written out in a cell; any other cell as it is."""
    if not _LIST_IN_A_CELL.fullmatch(cell.strip()):
        return cell
    try:
        found = ast.literal_eval(cell.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return cell
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        return cell
    return next((text for text in found if text), "")


def _is_pair(value: str, column: str, name: str, number: int) -> bool:
    value = value.strip().lower()
    if value in _NOTHING:
        return True
    if value in _LABELS:
        return _LABELS[value]
    raise InputError(
        f"{name}, row {number}: the {column} {value!r:.20} is neither 1 (a pair) nor 0 (none); of graded pairs keep "
        f"those above a threshold of yours, and leave the column {column!r} out"
    )
