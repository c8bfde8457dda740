"""The ladder as tables: markdown to read, comma-separated values to work with."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from llm2vec_core.evaluation.bootstrap import Estimate
from llm2vec_core.evaluation.ladder import LadderRow
from llm2vec_core.evaluation.tasks import all_tasks

# What the words of a row's name mean, for readers who meet them here first.
_WORDS = {
    "Causal": "causal reads from left to right",
    "weighted mean": "weighted mean lets later words count more",
    "last token": "last token is the vector of the last token only",
    "Static": "static is the mean of the words' input vectors, without any layer",
    "echo": "echo reads each text twice and pools the second copy",
    "prompt": "prompt asks for the text in one word",
    "in quotes": "in quotes is that prompt as published",
    "layer": "layer pools the hidden states of an earlier layer",
    "token prepending": "token prepending hands each early layer's summary back to the text's beginning",
    "centred": "centred has the mean vector of our bundled sentences subtracted",
    "untrained": "untrained has an open mask and no training",
    "MNTP": "MNTP is trained to fill in masked words",
    "SimCSE": "SimCSE is trained to tell each text from others",
    "supervised": "supervised is trained on labelled pairs",
    "encoder-only": "encoder-only was never a decoder and was trained by others",
}


def markdown(rows: Sequence[LadderRow], limit: int | None = None) -> str:
    """One table a kind of task, one of their means, and one of the differences to the best rival.

    Args:
        rows: all measured on the same sets.
        limit: of examples a set, if there was one; the text then says so.

    Returns:
        Scores times 100 with 95% bootstrap intervals.
    """
    kinds = rows[0].kinds
    parts = [task_table(rows, kind) for kind in kinds]
    if len(kinds) > 1:
        parts.append(summary_table(rows))
    if any(row.direction == "bidirectional" for row in rows) and any(row.direction != "bidirectional" for row in rows):
        parts.append(difference_table(rows))
    parts.append(words(rows))
    if limit is not None:
        parts.append(f"A quick look: at most {limit:,} examples of each set.")
    return "\n\n".join(filter(None, parts))


def words(rows: Sequence[LadderRow]) -> str:
    """What the rows' names mean: a line that explains the words which occur in them."""
    names = " | ".join(row.label for row in rows)
    told = "; ".join(meaning for word, meaning in _WORDS.items() if word in names)
    return f"Rows: {told}." if told else ""


def task_table(rows: Sequence[LadderRow], kind: str) -> str:
    """The sets of one kind of task as columns, and their mean."""
    own = [row.only(kind) for row in rows]
    names = [cell.data for cell in own[0].cells]
    body = []
    for row in own:
        means = [_bold(row.mean)] if len(names) > 1 else []
        body.append([row.label, *(_cell(cell.main) for cell in row.cells), *means])
    task = all_tasks()[kind]
    head = ["encoder", *names, *(["mean"] if len(names) > 1 else [])]
    return f"{_table(head, body)}\n\n{task.label}: {task.metric}."


def summary_table(rows: Sequence[LadderRow]) -> str:
    """The mean over the sets of each kind of task, and the mean of these."""
    kinds = rows[0].kinds
    body = [[row.label, *(_cell(row.only(kind).mean) for kind in kinds), _bold(row.mean)] for row in rows]
    head = ["encoder", *(all_tasks()[kind].label for kind in kinds), "mean"]
    return f"{_table(head, body)}\n\nMeans over the sets of each kind of task, and the mean of these."


def difference_table(rows: Sequence[LadderRow]) -> str:
    """Each bidirectional row against that row of the others which is best in the column."""
    kinds = rows[0].kinds
    rivals = [row for row in rows if row.direction != "bidirectional"]
    body = []
    for row in rows:
        if row.direction == "bidirectional":
            body.append([row.label, *(_against_best(row.only(kind), [r.only(kind) for r in rivals]) for kind in kinds)])
            if len(kinds) > 1:
                body[-1].append(_against_best(row, rivals))
    head = ["encoder", *(all_tasks()[kind].label for kind in kinds), *(["mean"] if len(kinds) > 1 else [])]
    return (
        f"{_table(head, body)}\n\nAbove the best row that is not bidirectional, named in brackets; paired intervals "
        "on the same resamples."
    )


def scores_csv(rows: Sequence[LadderRow]) -> str:
    """Every metric of every cell, and the means (set "mean"; task "mean" is the mean of the kinds)."""
    lines = [("encoder", "direction", "task", "set", "metric", "score", "low", "high", "examples")]
    for row in rows:
        for cell in row.cells:
            for name, found in cell.metrics.items():
                place = (row.label, row.direction, cell.task, cell.data, name)
                lines.append((*place, *_numbers(found), str(cell.examples)))
        for kind in row.kinds:
            own = row.only(kind)
            name = next(iter(own.cells[0].metrics))
            lines.append((row.label, row.direction, kind, "mean", name, *_numbers(own.mean), ""))
        lines.append((row.label, row.direction, "mean", "mean", "mean", *_numbers(row.mean), ""))
    return _csv(lines)


def differences_csv(rows: Sequence[LadderRow]) -> str:
    """How far each row is above each other one: on every set, for every kind of task, and over all."""
    lines = [("encoder", "against", "task", "set", "difference", "low", "high")]
    for row in rows:
        for other in rows:
            if row is other:
                continue
            for cell in row.cells:
                found = row.only(cell.task, cell.data).above(other.only(cell.task, cell.data))
                lines.append((row.label, other.label, cell.task, cell.data, *_numbers(found)))
            for kind in row.kinds:
                found = row.only(kind).above(other.only(kind))
                lines.append((row.label, other.label, kind, "mean", *_numbers(found)))
            lines.append((row.label, other.label, "mean", "mean", *_numbers(row.above(other))))
    return _csv(lines)


def _against_best(row: LadderRow, rivals: Sequence[LadderRow]) -> str:
    best = max(rivals, key=lambda rival: (rival.mean.score == rival.mean.score, rival.mean.score))
    found = row.above(best)
    return f"{found.score:+.1f} [{found.low:+.1f}, {found.high:+.1f}] ({best.label})"


def _cell(found: Estimate) -> str:
    return f"{found.score:.1f} [{found.low:.1f}, {found.high:.1f}]"


def _bold(found: Estimate) -> str:
    return f"**{found.score:.1f}** [{found.low:.1f}, {found.high:.1f}]"


def _numbers(found: Estimate) -> tuple[str, str, str]:
    return tuple(f"{value:.4f}" for value in (found.score, found.low, found.high))  # type: ignore[return-value]


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in body)])


def _csv(lines: Sequence[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(lines)
    return buffer.getvalue()
