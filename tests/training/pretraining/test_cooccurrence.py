from __future__ import annotations

import numpy as np
import pytest

from llm2vec_core.training.pretraining.cooccurrence import cooccurrence_embeddings, count_cooccurrences, shifted_ppmi


def test_counts_against_a_double_loop():
    ids = np.random.default_rng(0).integers(0, 5, 40)
    expected = np.zeros((5, 5))
    for i in range(40):
        for j in range(max(0, i - 3), min(40, i + 4)):
            if i != j:
                expected[ids[i], ids[j]] += 1 / abs(i - j)
    np.testing.assert_allclose(count_cooccurrences(ids, 5, window=3), expected, rtol=1e-5)


def test_ppmi_against_the_formula():
    counts = np.array([[0.0, 4.0], [4.0, 2.0]], dtype=np.float32)
    joint = counts / counts.sum()
    row = joint.sum(1)
    context = counts.sum(1) ** 0.75
    context /= context.sum()
    with np.errstate(divide="ignore"):
        expected = np.maximum(np.log(joint / row[:, None] / context[None]) - np.log(1.2), 0)
    np.testing.assert_allclose(shifted_ppmi(counts.copy(), shift=1.2), expected, atol=1e-5)


def test_tokens_that_keep_the_same_company_are_near():
    rng = np.random.default_rng(0)
    # Tokens 1 and 2 stand among 10..14, tokens 3 and 4 among 20..24.
    pieces = [[rng.integers(10, 15), rng.integers(1, 3), rng.integers(10, 15)] for _ in range(500)]
    pieces += [[rng.integers(20, 25), rng.integers(3, 5), rng.integers(20, 25)] for _ in range(500)]
    rng.shuffle(pieces)
    rows = cooccurrence_embeddings(np.concatenate(pieces), 30, 8, window=1)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert unit[1] @ unit[2] > 0.9
    assert unit[1] @ unit[3] < 0.5
    seen = [1, 2, 3, 4, *range(10, 15), *range(20, 25)]
    assert np.linalg.norm(rows[seen], axis=1).mean() == pytest.approx(1.0, rel=1e-3)
    assert np.isfinite(rows).all()
    assert 0 < np.linalg.norm(rows[0]) < 0.5
