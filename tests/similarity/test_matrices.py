from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import percentileofscore
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import cosine_similarity

from llm2vec_core.errors import InputError
from llm2vec_core.similarity import (
    Structure,
    cosine_matrix,
    nearest_texts,
    percentiles,
    separation_of_structure,
)

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(7, 5))


def test_cosines_against_scikit_learn():
    np.testing.assert_allclose(cosine_matrix(ROWS.astype(np.float32)), cosine_similarity(ROWS), atol=1e-6)


def test_a_row_of_zeros_and_equal_rows():
    found = cosine_matrix(np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0]]))
    np.testing.assert_allclose(found, [[0, 0, 0], [0, 1, 1], [0, 1, 1]])
    assert found.max() <= 1.0


def test_percentiles_against_scipy():
    unrelated, cosines = RANDOM.uniform(size=80), RANDOM.uniform(size=(6, 6))
    expected = percentileofscore(unrelated, cosines, kind="strict") / 100
    np.testing.assert_allclose(percentiles(cosines, unrelated), expected)


def test_a_percentile_does_not_hang_on_rounding():
    # A causal model's first token is the same in every text: all its cosines are 1, give or take float32.
    unrelated = 1.0 + RANDOM.normal(size=80) * 1e-7
    assert percentiles(np.array([1.0, 1.0 + 1e-7]), unrelated).tolist() == [0.0, 0.0]


def test_percentiles_of_nothing():
    with pytest.raises(InputError, match="at least one unrelated pair"):
        percentiles(np.array([0.5]), np.array([]))


@pytest.mark.parametrize("wordings", [None, ("x", "y", "x", "y", "x", "z", "z")])
def test_separation_against_scikit_learn(wordings):
    structure = Structure(("a", "a", "b", "b", "a", "c", "b"), wordings)
    cosines = cosine_matrix(ROWS)
    labels, scores = [], []
    for i in range(7):
        for j in range(i + 1, 7):
            same = structure.meanings[i] == structure.meanings[j]
            looks = wordings is not None and wordings[i] == wordings[j]
            if (same and not looks) or (not same and (looks or wordings is None)):
                labels.append(same)
                scores.append(cosines[i, j])
    assert separation_of_structure(cosines, structure) == pytest.approx(roc_auc_score(labels, scores))


def test_separation_of_equal_cosines_is_a_coin():
    assert separation_of_structure(np.ones((4, 4)), Structure(tuple("aabb"))) == 0.5


@pytest.mark.parametrize(
    ("structure", "message"),
    [
        (Structure(tuple("aa")), "2 labels do not belong to 3 texts"),
        (Structure(tuple("abc")), "a pair that belongs together"),
        (Structure(tuple("aaa")), "a pair that does not"),
    ],
)
def test_separation_needs_both_kinds_of_pairs(structure, message):
    with pytest.raises(InputError, match=message):
        separation_of_structure(np.eye(3), structure)


def test_nearest_texts_against_a_loop():
    first, second = cosine_matrix(ROWS), cosine_matrix(RANDOM.normal(size=(7, 5)))
    found = nearest_texts(first, second)
    for i in range(7):
        a, b = (max((j for j in range(7) if j != i), key=lambda j, c=c: c[i, j]) for c in (first, second))
        assert (found.first[i], found.second[i], found.changed[i]) == (a, b, a != b)


def test_equally_near_texts_are_no_change():
    noise = RANDOM.normal(size=(2, 5, 5)) * 1e-7
    found = nearest_texts(np.ones((5, 5)) + noise[0], np.ones((5, 5)) + noise[1])
    assert not found.changed.any()
    assert found.first.tolist() == found.second.tolist() == [1, 0, 0, 0, 0]
    with pytest.raises(InputError, match="at least two texts"):
        nearest_texts(np.ones((1, 1)), np.ones((1, 1)))
