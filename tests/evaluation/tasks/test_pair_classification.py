from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from mteb.abstasks import AbsTaskPairClassification
from mteb.abstasks.task_metadata import TaskMetadata

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.tasks.pair_classification import TASK
from tests.evaluation.conftest import ABOUT, SUBJECTS

FIRST = [f"{SUBJECTS[i % 5]} number {i}" for i in range(60)]
SECOND = [f"{SUBJECTS[i % 5 if i % 3 else (i + 1) % 5]} other {i}" for i in range(60)]
LABELS = [int(bool(i % 3) ^ (i % 7 == 0)) for i in range(60)]


class Same(AbsTaskPairClassification):
    metadata = TaskMetadata(name="Same", type="PairClassification", main_score="cosine_ap", **ABOUT)

    def load_data(self, **_):
        rows = Dataset.from_dict({"sentence1": FIRST, "sentence2": SECOND, "labels": LABELS})
        self.dataset, self.data_loaded = DatasetDict({"test": rows}), True


def test_the_same_number_as_mteb(known, by_mteb, write):
    data = TASK.read(write("P", sentence1=FIRST, sentence2=SECOND, label=LABELS), "P", None)
    found = TASK.measure(data, known.encode(TASK.texts(data).queries), np.empty((0, 0)))
    assert found.metrics["average_precision"].score / 100 == pytest.approx(by_mteb(Same())["cosine_ap"], abs=1e-4)


def test_a_resample_without_a_positive_pair_has_no_precision(write):
    data = TASK.read(write("P", sentence1=["a", "b"], sentence2=["c", "d"], label=[0, 1]), "P", None)
    found = TASK.measure(data, np.eye(4)[[0, 1, 2, 1]], np.empty((0, 0)))
    assert found.metrics["average_precision"].score == 100
    undefined = np.isnan(found.replicates).mean()
    assert 0.15 < undefined < 0.35  # both draws are the negative pair in a quarter of all resamples


@pytest.mark.parametrize(
    ("labels", "message"),
    [([0, 2], "label of row 1 is 2"), ([1, 1], "every label is 1"), (["yes", "no"], "'yes'")],
)
def test_labels_that_cannot_be_used(write, labels, message):
    folder = write("P", sentence1=["a", "b"], sentence2=["c", "d"], label=labels)
    with pytest.raises(InputError, match=message):
        TASK.read(folder, "P", None)
