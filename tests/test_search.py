from __future__ import annotations

import numpy as np
import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.search import SearchIndex, ndcg_at_10


def test_finds_what_a_loop_over_all_cosines_finds():
    rng = np.random.default_rng(0)
    texts, query = rng.normal(size=(50, 8)), rng.normal(size=8)
    cosines = [t @ query / np.linalg.norm(t) / np.linalg.norm(query) for t in texts]
    hits = SearchIndex(texts).search(query, top_k=5)
    assert [h.index for h in hits] == sorted(range(50), key=lambda i: -cosines[i])[:5]
    assert [h.rank for h in hits] == [1, 2, 3, 4, 5]
    assert hits[0].cosine == pytest.approx(max(cosines))


def test_more_results_than_texts():
    assert len(SearchIndex(np.eye(3)).search(np.ones(3), top_k=10)) == 3


def test_ties_keep_the_order_of_the_index():
    assert [h.index for h in SearchIndex(np.ones((4, 2))).search(np.ones(2), 4)] == [0, 1, 2, 3]


def test_a_zero_vector_has_cosine_zero():
    assert SearchIndex(np.zeros((1, 2))).search(np.ones(2), 1)[0].cosine == 0.0


def test_no_texts():
    with pytest.raises(InputError, match="at least one text"):
        SearchIndex(np.zeros((0, 4)))


def test_ndcg_closed_form():
    cosines = np.linspace(1.0, 0.0, 20)[None]  # ranks are 1, 2, 3, ...
    assert ndcg_at_10(cosines, [{0}]) == pytest.approx(1.0)
    assert ndcg_at_10(cosines, [{2}]) == pytest.approx(1 / np.log2(4))
    assert ndcg_at_10(cosines, [{15}]) == 0.0
    ideal = 1 + 1 / np.log2(3)
    assert ndcg_at_10(cosines, [{0, 2}]) == pytest.approx((1 + 1 / np.log2(4)) / ideal)
