"""Pair classification: do two sentences mean the same? The cosine says how sure the encoder is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.files import read_table, rows_of_split, spread
from llm2vec_core.evaluation.sts import cosine_of_pairs
from llm2vec_core.evaluation.tasks.base import Measurement, Task, Texts, measurement

COLUMNS = ("sentence1", "sentence2", "label")


@dataclass(frozen=True)
class LabelledPairs:
    """Pairs of sentences that mean the same or not.

    Attributes:
        name: of the set.
        sentence1: first sentences.
        sentence2: second sentences.
        labels: int64 of shape (pairs,), 1 for the same meaning, else 0.
    """

    name: str
    sentence1: tuple[str, ...]
    sentence2: tuple[str, ...]
    labels: np.ndarray


def read(folder: Path, name: str, limit: int | None = None) -> LabelledPairs:
    """Read the test rows of a set.

    Raises:
        InputError: if the file cannot be used, a label is neither 0 nor 1, or only one of them is there.
    """
    table = rows_of_split(read_table(folder / f"{name}.parquet", COLUMNS), "test", name)
    table = table.take(spread(table.num_rows, limit))
    found = table["label"].to_pylist()
    for row, label in enumerate(found):
        if label not in (0, 1):
            raise InputError(f"{name}: the label of row {row} is {label!r}; a pair has label 0 or 1")
    labels = np.array(found, dtype=np.int64)
    if len(set(found)) < 2:
        raise InputError(f"{name}: every label is {int(labels[0])}; average precision needs both 0 and 1")
    return LabelledPairs(name, tuple(table["sentence1"].to_pylist()), tuple(table["sentence2"].to_pylist()), labels)


def measure(data: LabelledPairs, embeddings: np.ndarray, _: np.ndarray | None = None) -> Measurement:
    """Average precision of the cosine (MTEB's ``cosine_ap``).

    Args:
        data: the pairs.
        embeddings: of all first sentences, then of all second ones; shape (2 x pairs, hidden).

    Returns:
        ``average_precision``; its interval resamples pairs.
    """
    from sklearn.metrics import average_precision_score

    cosines = cosine_of_pairs(*np.split(embeddings, 2))

    def precision(index: np.ndarray) -> float:
        labels = data.labels[index]
        return average_precision_score(labels, cosines[index]) if labels.any() else np.nan

    def statistic(index: np.ndarray) -> np.ndarray:
        return np.array([precision(rows) for rows in np.atleast_2d(index)]).reshape(index.shape[:-1])

    score = average_precision_score(data.labels, cosines)
    return measurement(data.name, len(cosines), {"average_precision": (score, statistic)})


def _texts(data: LabelledPairs) -> Texts:
    return Texts((*data.sentence1, *data.sentence2))


TASK = Task(
    kind="pair_classification",
    label="Pair classification",
    metric="average precision x 100 of the cosine; intervals over pairs",
    place=2,
    sets=("MRPC",),
    columns=frozenset(COLUMNS),
    read=read,
    texts=_texts,
    measure=measure,
)
