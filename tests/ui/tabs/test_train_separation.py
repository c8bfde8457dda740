from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from llm2vec_core import LLM2Vec
from llm2vec_core.ui.tabs.train.separation import PairCosines, measure_pairs


def test_separation_is_the_area_under_roc():
    rng = np.random.default_rng(0)
    cosines = {"similar": rng.normal(0.5, 0.3, 31).round(1), "unrelated": rng.normal(0.3, 0.3, 17).round(1)}
    expected = roc_auc_score([1] * 31 + [0] * 17, np.concatenate(list(cosines.values())))
    assert PairCosines(cosines).separation() == pytest.approx(expected, abs=1e-12)


def test_pairs_are_compared_in_their_order():
    encoder = LLM2Vec.from_preset("mini:mntp")
    pairs = {"similar": [("a river", "a stream")], "unrelated": [("a river", "a river"), ("x", "a tax on sugar")]}
    found = measure_pairs(encoder, pairs).by_label
    a, b = encoder.encode(["a river", "a stream"], normalize=True)
    assert found["similar"] == pytest.approx([float(a @ b)], abs=1e-5)
    assert found["unrelated"][0] == pytest.approx(1.0, abs=1e-6)
    assert found["unrelated"][1] < 0.9
