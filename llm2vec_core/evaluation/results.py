"""Finished cells of the ladder, kept in a file, so that a kill loses one set at most."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.bootstrap import Estimate
from llm2vec_core.writing import write_whole

RESULTS_FILE = "results.json"
# Share of the largest number. Another machine or number of threads moves the last digits, another adapter far more.
PROBE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Cell:
    """One encoder on one set.

    Attributes:
        encoder: its label.
        direction: "causal", "bidirectional", or "none" where nothing attends.
        task: kind of the task.
        data: name of the set.
        metrics: by name, times 100, the main one first.
        replicates: the main metric on resamples, shape (1000,).
        examples: how many units were resampled.
        digest: of the set's files.
        probe: a few numbers of one embedding: another model has others.
    """

    encoder: str
    direction: str
    task: str
    data: str
    metrics: dict[str, Estimate]
    replicates: np.ndarray
    examples: int
    digest: str
    probe: tuple[float, ...]

    @property
    def main(self) -> Estimate:
        """The main metric."""
        return next(iter(self.metrics.values()))

    def as_json(self) -> dict[str, Any]:
        """What goes into the file; NaN becomes null."""
        return {
            **{name: getattr(self, name) for name in ("encoder", "direction", "task", "data", "examples", "digest")},
            "probe": list(self.probe),
            "metrics": {name: [_number(value) for value in astuple(found)] for name, found in self.metrics.items()},
            "replicates": [_number(value) for value in self.replicates.round(4).tolist()],
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Cell:
        """The inverse of :meth:`as_json`."""
        metrics = {name: Estimate(*map(_float, values)) for name, values in found["metrics"].items()}
        replicates = np.array([_float(value) for value in found["replicates"]])
        plain = {name: found[name] for name in ("encoder", "direction", "task", "data", "examples", "digest")}
        return cls(**plain, metrics=metrics, replicates=replicates, probe=tuple(found["probe"]))


class Results:
    """Cells, in memory or beside that in a file.

    Args:
        folder: where ``results.json`` lies or will lie; None keeps everything in memory.
        settings: what the numbers depend on beside models and data; JSON values.

    Raises:
        InputError: if there are results of other settings, the file cannot be read, or the folder is a file.

    Example:
        >>> results = Results(None, {"limit": None})
        >>> results.find("Causal, mean", "sts", "STS12", digest="0", probe=(0.1,)) is None
        True
    """

    def __init__(self, folder: Path | None, settings: Mapping[str, Any]) -> None:
        if folder and folder.exists() and not folder.is_dir():
            raise InputError(f"{folder.name!r} is a file; results need a folder")
        self._file = folder / RESULTS_FILE if folder else None
        self._settings = dict(settings)
        self._cells: dict[tuple[str, str, str], Cell] = {}
        if self._file and self._file.is_file():
            self._load(self._file)

    def _load(self, file: Path) -> None:
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            settings = found["settings"]
            cells = [Cell.from_json(cell) for cell in found["cells"]]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{file.name} cannot be read ({error!r:.80}): move it away or choose another folder"
            ) from error
        for name, value in self._settings.items():
            if settings.get(name) != value:
                raise InputError(
                    f"{file.name} holds results with {name} {settings.get(name)!r}, not {value!r}: "
                    "choose another folder, or the same settings to go on"
                )
        self._cells = {(cell.encoder, cell.task, cell.data): cell for cell in cells}

    def find(self, encoder: str, task: str, data: str, *, digest: str, probe: tuple[float, ...]) -> Cell | None:
        """A finished cell of this very encoder and data, if there is one."""
        cell = self._cells.get((encoder, task, data))
        if cell is None or cell.digest != digest or len(cell.probe) != len(probe):
            return None
        largest = max(map(abs, probe), default=0.0)
        return cell if np.allclose(cell.probe, probe, rtol=0, atol=PROBE_TOLERANCE * largest) else None

    def keep(self, cells: Iterable[Cell]) -> None:
        """Add cells and write the file anew; a kill leaves the old one or the new one."""
        self._cells |= {(cell.encoder, cell.task, cell.data): cell for cell in cells}
        if self._file is None:
            return
        text = json.dumps({"settings": self._settings, "cells": [cell.as_json() for cell in self._cells.values()]})
        write_whole(self._file, text + "\n")


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value


def _float(value: float | None) -> float:
    return float("nan") if value is None else float(value)
