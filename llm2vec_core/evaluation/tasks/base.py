"""What a task is: it reads a set, says which texts it needs, and makes scores of their embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from llm2vec_core.evaluation.bootstrap import Estimate, Statistic, estimate, replicates


class Texts(NamedTuple):
    """The texts of a set, in the order in which their embeddings are wanted.

    Attributes:
        queries: texts that an instruction goes in front of, if there is one.
        documents: texts of a collection; they never get one, as in the published LLM2Vec.
    """

    queries: Sequence[str]
    documents: Sequence[str] = ()


@dataclass(frozen=True)
class Measurement:
    """One encoder on one set.

    Attributes:
        metrics: by name, times 100, the main one first.
        replicates: the main metric on resamples, times 100, shape (1000,).
        examples: how many units were resampled.
    """

    metrics: dict[str, Estimate]
    replicates: np.ndarray
    examples: int


@dataclass(frozen=True)
class Task:
    """One kind of evaluation.

    Attributes:
        kind: its key.
        label: its name for people.
        metric: what the main metric is, and over what the bootstrap draws.
        place: in tables, from the first.
        sets: names of the usual sets; a table says which of them are missing.
        columns: that a file of such a set has. A file of another name belongs to each task whose columns it has.
        read: (folder, name, limit) -> data; raises InputError for what cannot be used.
        texts: data -> the texts to encode.
        measure: (data, embeddings of the queries, embeddings of the documents) -> scores.
        suffix: behind a set's name in the file that has the columns.
        folders: folder -> names of sets in it that are folders of their own, and no single files.
        notes: data -> what a reader of the scores has to know, such as queries that were left out.
        translation_invariant: whether the scores stay the same when one vector is subtracted from all embeddings.
    """

    kind: str
    label: str
    metric: str
    place: int
    sets: tuple[str, ...]
    columns: frozenset[str]
    read: Callable[[Path, str, int | None], Any]
    texts: Callable[[Any], Texts]
    measure: Callable[[Any, np.ndarray, np.ndarray], Measurement]
    suffix: str = ""
    folders: Callable[[Path], Sequence[str]] = lambda folder: ()
    notes: Callable[[Any], Sequence[str]] = lambda data: ()
    translation_invariant: bool = False


def measurement(
    name: str, units: int, metrics: Mapping[str, tuple[float, Statistic]], *, scale: float = 100.0
) -> Measurement:
    """Scores with their intervals.

    Args:
        name: of the data, which decides the resamples.
        units: what is resampled, how many of them.
        metrics: by name the score and its statistic, the main one first.
        scale: times this.

    Example:
        >>> right = np.array([1.0, 0.0, 1.0, 1.0])
        >>> found = measurement("small", 4, {"accuracy": (right.mean(), lambda index: right[index].mean(axis=-1))})
        >>> found.metrics["accuracy"].score, found.replicates.shape
        (75.0, (1000,))
    """
    drawn = {key: scale * replicates(statistic, units, name) for key, (_, statistic) in metrics.items()}
    found = {key: estimate(scale * float(score), drawn[key]) for key, (score, _) in metrics.items()}
    return Measurement(found, next(iter(drawn.values())), units)
