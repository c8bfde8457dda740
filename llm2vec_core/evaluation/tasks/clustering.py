"""Clustering: do texts of one subject end up in one cluster of k-means?

The protocol is that of ``mteb.abstasks.AbsTaskClustering`` with the usual 2,048 documents: ten sets of 16,384
draws with replacement, each clustered by mini-batch k-means with as many clusters as there are labels.
"""

from __future__ import annotations

import random
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.bootstrap import SEED
from llm2vec_core.evaluation.files import read_table
from llm2vec_core.evaluation.tasks.base import Measurement, Task, Texts, measurement
from llm2vec_core.evaluation.tasks.classification import labels_of

COLUMNS = ("text", "label")
MAX_DOCUMENTS = 2048
SETS = 10
DRAWS = 16_384
BATCH_SIZE = 512


@dataclass(frozen=True)
class ClusteredTexts:
    """Texts and the clusters that people put them in.

    Attributes:
        name: of the set.
        texts: the sampled documents.
        labels: shape (documents,).
        draws: rows of the documents, one array a bootstrap set.
    """

    name: str
    texts: tuple[str, ...]
    labels: np.ndarray
    draws: tuple[np.ndarray, ...]


def read(folder: Path, name: str, limit: int | None = None) -> ClusteredTexts:
    """Read a set, all splits (nothing is trained), and draw the documents and the bootstrap sets.

    Raises:
        InputError: if the file cannot be used, a label is out of range, or there is one label only or no more
            documents than labels.
    """
    table = read_table(folder / f"{name}.parquet", COLUMNS)
    count = min(table.num_rows, MAX_DOCUMENTS, limit or MAX_DOCUMENTS)
    generator = random.Random(SEED)  # noqa: S311 - the protocol's own generator
    table = table.take(generator.sample(range(table.num_rows), k=count))
    labels = labels_of(table, name)
    clusters = len(set(labels))
    if clusters < 2:
        raise InputError(f"{name}: every label is {labels[0]!r}; there is nothing to tell apart")
    if count <= clusters:
        raise InputError(f"{name}: {count} documents for {clusters} clusters; there must be more documents than that")
    draws = tuple(np.array(generator.choices(range(count), k=DRAWS)) for _ in range(SETS))
    return ClusteredTexts(name, tuple(table["text"].to_pylist()), np.array(labels), draws)


def measure(data: ClusteredTexts, embeddings: np.ndarray, _: np.ndarray | None = None) -> Measurement:
    """Mean V-measure of the bootstrap sets (MTEB's ``v_measure``; Rosenberg and Hirschberg, 2007).

    Args:
        data: the documents.
        embeddings: shape (documents, hidden).

    Returns:
        ``v_measure``; its interval resamples the ten sets, so it tells how the mean depends on the draws and the
        k-means, not how it depends on which documents were collected.
    """
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import v_measure_score

    model = MiniBatchKMeans(
        n_clusters=len(np.unique(data.labels)), batch_size=BATCH_SIZE, init="k-means++", n_init=1, random_state=SEED
    )
    with warnings.catch_warnings():
        # Embeddings with fewer different rows than clusters leave some clusters empty: a low score says it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        scores = np.array(
            [v_measure_score(data.labels[rows], model.fit_predict(embeddings[rows])) for rows in data.draws]
        )

    def statistic(index: np.ndarray) -> np.ndarray:
        return scores[index].mean(axis=-1)

    return measurement(data.name, len(scores), {"v_measure": (scores.mean(), statistic)})


def _texts(data: ClusteredTexts) -> Texts:
    return Texts(data.texts)


TASK = Task(
    kind="clustering",
    label="Clustering",
    metric="V-measure x 100 of mini-batch k-means, mean of 10 bootstrap sets; intervals over these sets",
    place=4,
    sets=("StackOverflow", "BBCNews"),
    columns=frozenset(COLUMNS),
    read=read,
    texts=_texts,
    measure=measure,
    # Distances between points do not change.
    translation_invariant=True,
)
