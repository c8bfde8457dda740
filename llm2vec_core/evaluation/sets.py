"""The evaluation sets of a folder: found by name or by their columns, read before anything is encoded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.files import columns_of
from llm2vec_core.evaluation.retrieval_files import beir_files, beir_folder
from llm2vec_core.evaluation.tasks import all_tasks
from llm2vec_core.evaluation.tasks.base import Task


@dataclass(frozen=True)
class EvaluationSet:
    """A set as one task reads it.

    Attributes:
        task: what is measured on it.
        name: of the set.
        data: what ``task.read`` made of it.
        digest: of its files; another content has another one.
    """

    task: Task
    name: str
    data: Any
    digest: str


@dataclass(frozen=True)
class FoundSets:
    """What a folder holds.

    Attributes:
        sets: those that can be measured, in the order of tables.
        missing: usual sets that are not there.
        left_out: files that are not measured, with the reason.
        notes: what a reader of the scores has to know about the sets.
    """

    sets: tuple[EvaluationSet, ...]
    missing: tuple[str, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...] = ()


def find_sets(folder: Path, wanted: Sequence[str] = (), limit: int | None = None) -> FoundSets:
    """Find and read the sets of a folder.

    A usual set (STS12, Banking77, ...) is known by its name, any other by its columns.

    Args:
        folder: with one parquet file a set, three for retrieval (NAME_corpus, NAME_queries, NAME_qrels); or a
            retrieval set as BEIR has it (corpus.jsonl, queries.jsonl, qrels/test.tsv), or a folder of such.
        wanted: kinds of tasks or names of sets; by default everything.
        limit: at most this many examples of each set, for a quick look.

    Raises:
        InputError: if the folder is missing, if something wanted is not there, if a usual or wanted set cannot be
            used, or if nothing is left. A file of another name that cannot be used is left out and named.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder.name!r} with evaluation sets")
    tasks = all_tasks()
    kinds = [name for name in wanted if name in tasks]
    names = [name for name in wanted if name not in tasks]
    usual = {name for task in tasks.values() for name in task.sets}
    sets: list[EvaluationSet] = []
    columns, left_out = _columns(folder)
    candidates = _candidates(columns, tasks, usual)
    candidates += [(task, name) for task in tasks.values() for name in task.folders(folder)]
    for task, name in candidates:
        if wanted and not (task.kind in kinds or name in names):
            continue
        try:
            sets.append(EvaluationSet(task, name, task.read(folder, name, limit), _digest(folder, name)))
        except InputError as error:
            if name in usual or name in names:
                raise
            left_out.append(f"{task.kind}: {error}")
    there = {found.name for found in sets}
    for name in names:
        if name not in there:
            raise InputError(
                f"there is no set {name!r} in folder {folder.name!r}; a kind of task is one of {', '.join(tasks)}"
            )
    asked = [task for task in tasks.values() if not wanted or task.kind in kinds]
    missing = tuple(dict.fromkeys(name for task in asked for name in task.sets if name not in there))
    if not sets:
        reasons = "".join(f"; {reason}" for reason in left_out)
        raise InputError(f"folder {folder.name!r} has no set to measure, such as {', '.join(missing[:5])}{reasons}")
    if not wanted:
        left_out += _without_task(columns, candidates)
    notes = tuple(note for one in sets for note in one.task.notes(one.data))
    return FoundSets(tuple(sets), missing, tuple(left_out), notes)


def _columns(folder: Path) -> tuple[dict[str, frozenset[str]], list[str]]:
    """The columns of each file by its name, none of one that cannot be read; and why not."""
    found, unreadable = {}, []
    for file in sorted(folder.glob("*.parquet")):
        try:
            own = columns_of(file)
            found[file.stem] = own | {"id"} if "_id" in own else own
        except InputError as error:
            found[file.stem] = frozenset()
            unreadable.append(str(error))
    return found, unreadable


def _candidates(columns: dict[str, frozenset[str]], tasks: dict[str, Task], usual: set[str]) -> list[tuple[Task, str]]:
    found = []
    for task in tasks.values():
        names = {stem.removesuffix(task.suffix): own for stem, own in columns.items() if stem.endswith(task.suffix)}
        known = [name for name in task.sets if name in names]
        others = [name for name, own in names.items() if name not in usual and task.columns <= own]
        found += [(task, name) for name in known + others]
    return found


def _without_task(columns: dict[str, frozenset[str]], candidates: Sequence[tuple[Task, str]]) -> list[str]:
    taken = {f"{name}{task.suffix}" for task, name in candidates}
    # The other two files of a collection belong to it.
    taken |= {f"{name}_{part}" for task, name in candidates if task.suffix for part in ("queries", "qrels")}
    return [f"{stem}: no task takes its columns" for stem, own in columns.items() if own and stem not in taken]


def _digest(folder: Path, name: str) -> str:
    digest = hashlib.sha256()
    beir = beir_folder(folder, name)
    files = beir_files(beir) if beir else sorted(folder.glob("*.parquet"))
    for file in files:
        if beir or file.stem == name or file.stem.startswith(f"{name}_"):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
