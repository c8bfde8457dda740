"""The ladder's numbers without their resamples: small enough for a repository, enough for every table and chart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.bootstrap import Estimate
from llm2vec_core.evaluation.ladder import LadderRow
from llm2vec_core.evaluation.tasks import all_tasks

MEAN = "mean"


@dataclass(frozen=True)
class SetScore:
    """One encoder on one set.

    Attributes:
        task: kind of the task.
        data: name of the set.
        metric: name of the main metric.
        found: the score times 100 with its 95% interval.
        examples: how many units were resampled.
    """

    task: str
    data: str
    metric: str
    found: Estimate
    examples: int


@dataclass(frozen=True)
class EncoderSummary:
    """One encoder's scores.

    Attributes:
        label: stage and pooling, or baseline.
        direction: "causal", "bidirectional" or "none".
        means: by kind of task, and "mean" for the mean of the kinds.
        sets: one a set.
        above: by another encoder's label, kind (or "mean") by kind, how far this one is above it, paired.
    """

    label: str
    direction: str
    means: Mapping[str, Estimate]
    sets: tuple[SetScore, ...]
    above: Mapping[str, Mapping[str, Estimate]]

    def lead_over(self, other: EncoderSummary, kind: str) -> Estimate | None:
        """How far this encoder is above another one in a kind of task, paired; None where only scores were stored."""
        return self.above.get(other.label, {}).get(kind)


@dataclass(frozen=True)
class LadderSummary:
    """All encoders of one model.

    Attributes:
        model: key of its preset.
        limit: of examples a set; None if all were used.
        encoders: in the order of the ladder.
    """

    model: str
    limit: int | None
    encoders: tuple[EncoderSummary, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of tasks that were measured."""
        return tuple(kind for kind in self.encoders[0].means if kind != MEAN)

    def encoder(self, label: str) -> EncoderSummary | None:
        """The encoder of this label, if it was measured."""
        return {found.label: found for found in self.encoders}.get(label)

    def sets(self, kind: str) -> tuple[str, ...]:
        """Names of the sets of one kind of task."""
        return tuple(found.data for found in self.encoders[0].sets if found.task == kind)

    @property
    def command(self) -> str:
        """What measures it again."""
        limit = f" --limit {self.limit}" if self.limit else ""
        return f"python -m llm2vec_core evaluate --preset {self.model} --data FOLDER{limit} --out FOLDER"


def kind_label(kind: str) -> str:
    """A kind of task for people.

    Example:
        >>> kind_label("mean")
        'Mean of all kinds'
    """
    return "Mean of all kinds" if kind == MEAN else all_tasks()[kind].label


def summarise(rows: Sequence[LadderRow], model: str, limit: int | None = None) -> dict[str, Any]:
    """The rows of a ladder as JSON values; see :func:`read_summary`.

    Args:
        rows: all measured on the same sets.
        model: key of its preset.
        limit: of examples a set, if there was one.
    """
    return {"model": model, "limit": limit, "encoders": [_row_json(row, rows) for row in rows]}


def read_summary(file: Path) -> LadderSummary | None:
    """Read what :func:`summarise` wrote; None if there is no such file.

    Raises:
        InputError: if the file holds something else.
    """
    if not file.is_file():
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        encoders = tuple(_encoder(row) for row in found["encoders"])
        if not encoders:
            raise ValueError("no encoder")
        return LadderSummary(found["model"], found["limit"], encoders)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file.name} holds no ladder ({error!r:.80}): write it with the command evaluate") from error


def _row_json(row: LadderRow, rows: Sequence[LadderRow]) -> dict[str, Any]:
    sets = []
    for cell in row.cells:
        metric = next(iter(cell.metrics))
        sets.append([cell.task, cell.data, metric, *_numbers(cell.main), cell.examples])
    means = {kind: _numbers(row.only(kind).mean) for kind in row.kinds} | {MEAN: _numbers(row.mean)}
    above = {
        other.label: {kind: _numbers(row.only(kind).above(other.only(kind))) for kind in row.kinds}
        | {MEAN: _numbers(row.above(other))}
        for other in rows
        if other is not row
    }
    return {"label": row.label, "direction": row.direction, "means": means, "sets": sets, "above": above}


def _encoder(row: Mapping[str, Any]) -> EncoderSummary:
    return EncoderSummary(
        row["label"],
        row["direction"],
        {kind: _estimate(values) for kind, values in row["means"].items()},
        tuple(SetScore(task, data, metric, _estimate(v), count) for task, data, metric, *v, count in row["sets"]),
        {label: {kind: _estimate(v) for kind, v in kinds.items()} for label, kinds in row["above"].items()},
    )


def _numbers(found: Estimate) -> list[float | None]:
    # A NaN is no JSON.
    return [None if value != value else round(value, 3) for value in astuple(found)]


def _estimate(values: Sequence[float | None]) -> Estimate:
    return Estimate(*(float("nan") if value is None else float(value) for value in values))
