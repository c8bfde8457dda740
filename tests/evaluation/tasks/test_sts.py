from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from mteb.abstasks import AbsTaskSTS
from mteb.abstasks.task_metadata import TaskMetadata
from scipy.stats import spearmanr

from llm2vec_core.evaluation.sts import spearman
from llm2vec_core.evaluation.tasks.sts import TASK
from tests.evaluation.conftest import ABOUT, SUBJECTS

COUNT = 60
FIRST = [f"{SUBJECTS[i % 5]} number {i}" for i in range(COUNT)]
SECOND = [f"{SUBJECTS[i % 5 if i % 3 else (i + 1) % 5]} other {i}" for i in range(COUNT)]
SCORES = [float((7 * i) % 6) if i % 3 else 0.5 for i in range(COUNT)]


class Pairs(AbsTaskSTS):
    metadata = TaskMetadata(name="Pairs", type="STS", main_score="cosine_spearman", **ABOUT)

    def load_data(self, **_):
        rows = Dataset.from_dict({"sentence1": FIRST, "sentence2": SECOND, "score": SCORES})
        self.dataset, self.data_loaded = DatasetDict({"test": rows}), True


def test_the_same_number_as_mteb(known, by_mteb, write):
    data = TASK.read(write("S", sentence1=FIRST, sentence2=SECOND, score=SCORES), "S", None)
    found = TASK.measure(data, known.encode(TASK.texts(data).queries), np.empty((0, 0)))
    assert found.metrics["spearman"].score / 100 == pytest.approx(by_mteb(Pairs())["cosine_spearman"], abs=1e-4)
    assert found.metrics["spearman"].low < found.metrics["spearman"].score < found.metrics["spearman"].high
    assert found.examples == COUNT


def test_many_resamples_at_once_give_what_scipy_gives():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, size=(2, 7, 40))  # many ties
    expected = [spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(spearman(a, b), expected, atol=1e-12)
    assert np.isnan(spearman(np.ones(4), np.arange(4)))
