"""Semantic textual similarity as a task."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from llm2vec_core.evaluation.sts import COLUMNS, STSSet, cosine_of_pairs, read_sts, spearman
from llm2vec_core.evaluation.tasks.base import Measurement, Task, Texts, measurement


def _read(folder: Path, name: str, limit: int | None) -> STSSet:
    return read_sts(folder / f"{name}.parquet", limit)


def _texts(data: STSSet) -> Texts:
    return Texts((*data.sentence1, *data.sentence2))


def measure(data: STSSet, embeddings: np.ndarray, _: np.ndarray | None = None) -> Measurement:
    """Spearman correlation of cosine similarity with people's scores (MTEB's ``cosine_spearman``).

    Args:
        data: the pairs.
        embeddings: of all first sentences, then of all second ones; shape (2 x pairs, hidden).

    Returns:
        ``spearman``; its interval resamples pairs.
    """
    first, second = np.split(embeddings, 2)
    cosines = cosine_of_pairs(first, second)

    def statistic(index: np.ndarray) -> np.ndarray:
        return spearman(cosines[index], data.scores[index])

    score = float(spearman(cosines, data.scores))
    return measurement(data.name, len(cosines), {"spearman": (score, statistic)})


TASK = Task(
    kind="sts",
    label="Sentence similarity",
    metric="Spearman correlation x 100 of cosines with people's scores; intervals over pairs",
    place=1,
    sets=("STS12", "STS13", "STS14", "STS15", "SICK-R"),
    columns=frozenset(COLUMNS),
    read=_read,
    texts=_texts,
    measure=measure,
)
