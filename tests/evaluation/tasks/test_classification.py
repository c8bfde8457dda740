from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from mteb.abstasks import AbsTaskClassification
from mteb.abstasks.task_metadata import TaskMetadata

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.tasks.classification import TASK
from tests.evaluation.conftest import ABOUT, SUBJECTS

LABELS = [i % 5 for i in range(90)]
TEXTS = [f"{SUBJECTS[label]} number {i}" for i, label in enumerate(LABELS)]
SPLITS = ["train"] * 60 + ["test"] * 30


class Subject(AbsTaskClassification):
    metadata = TaskMetadata(name="Subject", type="Classification", main_score="accuracy", **ABOUT)

    def load_data(self, **_):
        parts = {"train": slice(60), "test": slice(60, 90)}
        rows = {name: Dataset.from_dict({"text": TEXTS[part], "label": LABELS[part]}) for name, part in parts.items()}
        self.dataset, self.data_loaded = DatasetDict(rows), True


def test_the_same_number_as_mteb(known, by_mteb, write):
    data = TASK.read(write("C", text=TEXTS, label=LABELS, split=SPLITS), "C", None)
    found = TASK.measure(data, known.encode(TASK.texts(data).queries), np.empty((0, 0)))
    expected = by_mteb(Subject())["accuracy"]
    assert 0.2 < expected < 0.95  # else the protocol would make no difference
    assert found.metrics["accuracy"].score / 100 == pytest.approx(expected, abs=1e-4)


def test_a_quick_look_sees_every_label(write):
    sorted_labels = sorted(LABELS)
    folder = write("C", text=TEXTS * 2, label=sorted_labels * 2, split=["train"] * 90 + ["test"] * 90)
    data = TASK.read(folder, "C", 10)
    assert sorted(data.test_labels) == sorted([0, 1, 2, 3, 4] * 2)
    assert {len(rows) for rows in data.experiments} == {5 * 8}
    assert len(data.train_texts) <= 5 * 16


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": [0, 0, 0, 0], "split": ["train", "train", "test", "test"]}, "every training label is 0"),
        ({"label": [0, 1, 0, -1], "split": ["train", "train", "test", "test"]}, "label of row 1 is -1"),
        ({"label": [0, 1, 0, 2], "split": ["train", "train", "test", "test"]}, "label 2 is in the test split and not"),
        ({"label": [0, 1, 0, 1], "split": ["train"] * 4}, "no rows of the split 'test', only train"),
        ({"label": [0, 1, 0, 0.5], "split": ["train", "train", "test", "test"]}, "label of row 0 is 0.0"),
        ({"label": [0, 1, 0, 1], "split": ["train", "train", "train", "test"]}, "1 test text"),
        ({"label": [0, 1, 0, None], "split": ["train", "train", "test", "test"]}, "row 3 has no value in column label"),
        ({"label": [0, 1, 0, 1]}, "no column split"),
    ],
)
def test_sets_that_cannot_be_used(write, columns, message):
    with pytest.raises(InputError, match=message):
        TASK.read(write("C", text=["a", "b", "c", "d"], **columns), "C", None)
