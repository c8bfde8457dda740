from __future__ import annotations

import numpy as np
import pytest

from llm2vec_core.comparison import Yardstick, compare_prefix, measure_yardsticks

A, B = "The bank was steep and muddy.", "The bank was robbed at noon."


def test_a_causal_prefix_is_the_same_and_a_bidirectional_one_is_not(bundled, bundled_causal):
    causal, bidirectional = compare_prefix(bundled_causal, A, B), compare_prefix(bundled, A, B)
    assert causal.tokens == bidirectional.tokens == ("<s>", "The", "bank", "was")
    np.testing.assert_allclose(causal.cosines, 1.0, atol=1e-6)
    assert (bidirectional.cosines[1:] < 0.999).all()
    assert (causal.rest_a, causal.rest_b) == ("steep and muddy.", "robbed at noon.")


def test_nothing_shared_but_the_begin_token(bundled_causal):
    result = compare_prefix(bundled_causal, "Rivers flow.", "Money talks.")
    assert result.tokens == ("<s>",)
    assert result.rest_a == "Rivers flow."


def test_one_text_is_the_beginning_of_the_other(bundled_causal):
    result = compare_prefix(bundled_causal, "The bank", "The bank was robbed")
    assert result.tokens == ("<s>", "The", "bank")
    assert (result.rest_a, result.rest_b) == ("", "was robbed")


def test_yardstick_closed_form():
    yardstick = Yardstick(similar=np.array([0.5, 0.9]), unrelated=np.array([0.1, 0.2, 0.6, 0.7]))
    assert yardstick.share_of_unrelated_below(0.65) == 0.75
    assert yardstick.separation() == (2 + 4) / 8
    assert Yardstick(np.array([0.5]), np.array([0.5])).separation() == 0.5


def test_measured_yardstick_is_sorted_and_within_cosines(bundled):
    yardstick = measure_yardsticks(bundled, [(A, A), (A, B)], [(A, "Interest rates rose.")])["mean"]
    assert yardstick.similar[1] == pytest.approx(1.0, abs=1e-6)
    assert yardstick.similar[0] < 1.0
    assert -1.0 <= yardstick.unrelated[0] <= 1.0
