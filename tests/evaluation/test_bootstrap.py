from __future__ import annotations

import numpy as np
import pytest

from llm2vec_core.evaluation.bootstrap import average, difference, estimate, replicates


def mean_of(values):
    return lambda index: values[index].mean(axis=-1)


def test_the_interval_of_a_mean_is_the_one_of_theory():
    values = np.random.default_rng(0).normal(loc=3.0, size=400)
    found = estimate(values.mean(), replicates(mean_of(values), 400, "a"))
    error = 1.96 * values.std() / 20
    assert found.low == pytest.approx(values.mean() - error, abs=0.02)
    assert found.high == pytest.approx(values.mean() + error, abs=0.02)


def test_draws_depend_on_the_set_and_the_seed_alone():
    values = np.arange(50.0)
    drawn = replicates(mean_of(values), 50, "a")
    np.testing.assert_array_equal(drawn, replicates(mean_of(values), 50, "a"))
    assert not np.array_equal(drawn, replicates(mean_of(values), 50, "b"))
    assert not np.array_equal(drawn, replicates(mean_of(values), 50, "a", seed=1))


def test_a_difference_is_paired():
    rng = np.random.default_rng(0)
    hard = rng.normal(size=200) * 10
    better, worse = hard + 1 + rng.normal(size=200) * 0.1, hard
    drawn = tuple(replicates(mean_of(values), 200, "a") for values in (better, worse))
    alone = [estimate(values.mean(), own) for values, own in zip((better, worse), drawn, strict=True)]
    assert alone[0].low < alone[1].high  # the intervals overlap widely
    found = difference((better.mean(), worse.mean()), drawn)
    assert 0.9 < found.low < found.score < found.high < 1.1


def test_resamples_without_a_score_are_left_out():
    drawn = np.array([1.0, np.nan, 3.0])
    assert estimate(2.0, drawn).low == pytest.approx(1.05)
    assert np.isnan(estimate(np.nan, np.array([np.nan])).low)


def test_a_mean_over_sets_is_surer_than_one_set():
    values = np.random.default_rng(0).normal(size=(4, 100))
    drawn = [replicates(mean_of(own), 100, str(i)) for i, own in enumerate(values)]
    assert np.std(average(drawn)) == pytest.approx(np.std(drawn[0]) / 2, rel=0.2)
