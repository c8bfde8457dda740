from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from llm2vec_core.bundled_data import SentencePair
from llm2vec_core.errors import InputError
from llm2vec_core.separation import PairCosines, measure_pairs


@pytest.fixture
def cosines():
    draws = np.random.default_rng(0)
    return PairCosines({
        "similar": draws.normal(0.6, 0.2, 60).round(1),
        "unrelated": draws.normal(0.3, 0.2, 40).round(1),
        "misleading": draws.normal(0.7, 0.1, 30),
    })  # fmt: skip


@pytest.mark.parametrize("below", ["unrelated", "misleading"])
def test_separation_is_the_area_under_roc_ties_included(cosines, below):
    high, low = cosines.by_label["similar"], cosines.by_label[below]
    labels = np.r_[np.ones(len(high)), np.zeros(len(low))]
    found = cosines.separation("similar", below)
    assert found.score == pytest.approx(roc_auc_score(labels, np.r_[high, low]))
    assert found.low < found.score < found.high


def test_intervals_are_those_of_resampled_pairs(cosines):
    """Against a plain loop over other resamples: ends agree as far as 1,000 draws allow."""
    high, low = cosines.by_label["similar"], cosines.by_label["unrelated"]
    draws = np.random.default_rng(7)
    loop = []
    for _ in range(1000):
        a, b = draws.choice(high, len(high)), draws.choice(low, len(low))
        loop.append(((a[:, None] > b).mean() + (a[:, None] >= b).mean()) / 2)
    found = cosines.separation()
    np.testing.assert_allclose([found.low, found.high], np.percentile(loop, [2.5, 97.5]), atol=0.012)


def test_the_same_cosines_differ_by_nothing_and_shifting_or_scaling_them_changes_nothing(cosines):
    assert cosines.above(cosines) == type(cosines.separation())(0.0, 0.0, 0.0)
    moved = PairCosines({label: 0.5 + 0.4 * values for label, values in cosines.by_label.items()})
    found = moved.above(cosines)
    assert found.score == pytest.approx(0.0, abs=1e-12)
    assert moved.margin() == pytest.approx(cosines.margin())
    assert moved.mean("unrelated") == pytest.approx(0.5 + 0.4 * cosines.mean("unrelated"))
    worse = PairCosines({**cosines.by_label, "similar": cosines.by_label["similar"] - 0.3})
    assert worse.above(cosines).high < 0 < cosines.above(worse).low
    assert PairCosines({"similar": np.ones(2), "unrelated": np.ones(2)}).margin() == 0.0


def test_pairs_keep_their_labels_and_order():
    class Table:
        def encode(self, texts):
            return np.array([{"east": [1, 0], "north": [0, 1], "between": [1, 1]}[text] for text in texts], float)

    pairs = [
        SentencePair("east", "between", "similar"),
        SentencePair("east", "north", "unrelated"),
        SentencePair("north", "north", "similar"),
    ]
    found = measure_pairs(Table(), pairs)
    np.testing.assert_allclose(found.by_label["similar"], [0.5**0.5, 1.0])
    np.testing.assert_allclose(found.by_label["unrelated"], [0.0])


def test_the_area_is_the_separation_without_its_interval():
    found = PairCosines({"similar": np.array([0.9, 0.4, 0.4]), "unrelated": np.array([0.4, 0.1])})
    assert found.area() == pytest.approx(found.separation().score) == pytest.approx((2 + 1.5 + 1.5) / 6)


@pytest.mark.parametrize("encoder", ["zzz", b"zzz", None, 3])
def test_a_text_is_no_encoder_although_it_has_encode(encoder):
    with pytest.raises(InputError, match=r"encoder .* must be"):
        measure_pairs(encoder, [SentencePair("a", "b", "similar")])
