"""Classification: what a logistic regression learns from a few embedded examples of each label.

The protocol is that of ``mteb.abstasks.AbsTaskClassification``: ten experiments, each with eight training
examples a label drawn anew, at most 100 iterations, the mean of the accuracies on all test examples.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.bootstrap import SEED
from llm2vec_core.evaluation.files import read_table, rows_of_split, spread
from llm2vec_core.evaluation.tasks.base import Measurement, Task, Texts, measurement

COLUMNS = ("text", "label", "split")
EXPERIMENTS = 10
SAMPLES_PER_LABEL = 8
MAX_ITERATIONS = 100


@dataclass(frozen=True)
class LabelledTexts:
    """Texts to learn from and texts to be judged by.

    Attributes:
        name: of the set.
        train_texts: those that any experiment uses.
        train_labels: shape (training texts,).
        test_texts: all of the test split.
        test_labels: shape (test texts,).
        experiments: for each, rows of the training texts.
    """

    name: str
    train_texts: tuple[str, ...]
    train_labels: np.ndarray
    test_texts: tuple[str, ...]
    test_labels: np.ndarray
    experiments: tuple[np.ndarray, ...]


def read(folder: Path, name: str, limit: int | None = None) -> LabelledTexts:
    """Read a set with the splits train and test, and draw the experiments.

    Args:
        folder: where it lies.
        name: of the set.
        limit: at most this many test texts; training draws then come from twice as many texts a label as one
            experiment takes, so that fewer are encoded.

    Raises:
        InputError: if the file cannot be used, a split is missing, a label is out of range, there is one label
            only, or the test split has a label that the training split has not.
    """
    table = read_table(folder / f"{name}.parquet", COLUMNS)
    train, test = (rows_of_split(table, split, name) for split in ("train", "test"))
    test = test.take(spread(test.num_rows, limit))
    train_labels, test_labels = (labels_of(rows, name) for rows in (train, test))
    if len(set(train_labels)) < 2:
        raise InputError(f"{name}: every training label is {train_labels[0]!r}; there is nothing to tell apart")
    unknown = sorted(set(test_labels) - set(train_labels), key=str)
    if unknown:
        raise InputError(f"{name}: label {unknown[0]!r} is in the test split and not in the training split")
    if test.num_rows < 2:
        raise InputError(f"{name} has {test.num_rows} test text; an interval needs at least 2")
    pool = range(train.num_rows) if limit is None else _first_of_each(train_labels, 2 * SAMPLES_PER_LABEL)
    drawn = undersample(train_labels, pool)
    used = sorted(set().union(*drawn))
    place = {row: i for i, row in enumerate(used)}
    return LabelledTexts(
        name,
        tuple(train["text"].take(used).to_pylist()),
        np.array([train_labels[row] for row in used]),
        tuple(test["text"].to_pylist()),
        np.array(test_labels),
        tuple(np.array([place[row] for row in rows]) for rows in drawn),
    )


def labels_of(table: pa.Table, name: str) -> list[int | str]:
    """The column label: whole numbers from 0, or names.

    Raises:
        InputError: for any other value.
    """
    labels = table["label"].to_pylist()
    for row, label in enumerate(labels):
        if not (isinstance(label, str) or (isinstance(label, int) and label >= 0)):
            raise InputError(f"{name}: the label of row {row} is {label!r}; a label is a whole number from 0 or a name")
    return labels


def undersample(labels: Sequence[int | str], pool: Sequence[int]) -> list[list[int]]:
    """The training rows of each experiment, as mteb draws them.

    Args:
        labels: of all training rows.
        pool: rows that may be drawn. They are shuffled once more for each experiment, with the same seed.

    Returns:
        For each experiment at most eight rows of each label.

    Example:
        >>> drawn = undersample(["a", "b"] * 20, range(40))
        >>> len(drawn), len(drawn[0])
        (10, 16)
    """
    order = list(pool)
    experiments = []
    for _ in range(EXPERIMENTS):
        # mteb seeds anew but goes on shuffling the same list; the older generator is part of the protocol.
        np.random.RandomState(SEED).shuffle(order)
        taken: Counter[int | str] = Counter()
        rows = []
        for row in order:
            if taken[labels[row]] < SAMPLES_PER_LABEL:
                taken[labels[row]] += 1
                rows.append(row)
        experiments.append(rows)
    return experiments


def measure(data: LabelledTexts, embeddings: np.ndarray, _: np.ndarray | None = None) -> Measurement:
    """Mean accuracy of the experiments (MTEB's ``accuracy``).

    Args:
        data: the texts.
        embeddings: of the training texts, then of the test texts; shape (both, hidden).

    Returns:
        ``accuracy``; its interval resamples test examples, each with the share of experiments that got it right.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    train, test = np.split(embeddings, [len(data.train_texts)])
    right = np.zeros(len(test))
    for rows in data.experiments:
        model = LogisticRegression(max_iter=MAX_ITERATIONS, random_state=SEED)
        with warnings.catch_warnings():
            # The protocol stops after 100 iterations, done or not.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(train[rows], data.train_labels[rows])
        right += model.predict(test) == data.test_labels
    right /= len(data.experiments)

    def statistic(index: np.ndarray) -> np.ndarray:
        return right[index].mean(axis=-1)

    return measurement(data.name, len(right), {"accuracy": (right.mean(), statistic)})


def _first_of_each(labels: Sequence[int | str], count: int) -> list[int]:
    taken: Counter[int | str] = Counter()
    rows = []
    for row, label in enumerate(labels):
        taken[label] += 1
        if taken[label] <= count:
            rows.append(row)
    return rows


def _texts(data: LabelledTexts) -> Texts:
    return Texts((*data.train_texts, *data.test_texts))


TASK = Task(
    kind="classification",
    label="Classification",
    metric="accuracy x 100 of a logistic regression, mean of 10 draws of 8 examples a label; intervals over test texts",
    place=3,
    sets=("Banking77", "CLINC150", "TRECQuestion", "StackOverflow", "BBCNews"),
    columns=frozenset(COLUMNS),
    read=read,
    texts=_texts,
    measure=measure,
    # The intercept, which is not regularised, takes the vector up.
    translation_invariant=True,
)
