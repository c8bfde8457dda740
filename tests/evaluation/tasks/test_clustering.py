from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from mteb.abstasks import AbsTaskClustering
from mteb.abstasks.task_metadata import TaskMetadata

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.tasks.clustering import TASK
from tests.evaluation.conftest import ABOUT, SUBJECTS

LABELS = [i % 5 for i in range(100)]
TEXTS = [f"{SUBJECTS[label]} number {i}" for i, label in enumerate(LABELS)]


class Groups(AbsTaskClustering):
    metadata = TaskMetadata(name="Groups", type="Clustering", main_score="v_measure", **ABOUT)
    max_fraction_of_documents_to_embed = None
    max_document_to_embed = 2048

    def load_data(self, **_):
        rows = Dataset.from_dict({"sentences": TEXTS, "labels": LABELS})
        self.dataset, self.data_loaded = DatasetDict({"test": rows}), True


def test_the_same_number_as_mteb(known, by_mteb, write):
    data = TASK.read(write("G", text=TEXTS, label=LABELS), "G", None)
    found = TASK.measure(data, known.encode(TASK.texts(data).queries), np.empty((0, 0)))
    expected = by_mteb(Groups())["v_measure"]
    assert 0.05 < expected < 0.95
    assert found.metrics["v_measure"].score / 100 == pytest.approx(expected, abs=1e-4)
    assert found.examples == 10


def test_embeddings_that_are_all_the_same_find_no_cluster(write):
    data = TASK.read(write("G", text=TEXTS, label=LABELS), "G", None)
    assert TASK.measure(data, np.ones((100, 4)), np.empty((0, 0))).metrics["v_measure"].score == 0


@pytest.mark.parametrize(
    ("labels", "message"),
    [([0, 0, 0], "every label is 0"), ([0, 1, 2], "3 documents for 3 clusters"), ([0, 1, -3], "label of row . is -3")],
)
def test_sets_that_cannot_be_used(write, labels, message):
    with pytest.raises(InputError, match=message):
        TASK.read(write("G", text=["a", "b", "c"], label=labels), "G", None)
