from __future__ import annotations

import numpy as np
import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.search import SearchIndex, build_index


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_finds_what_a_loop_over_all_cosines_finds(dtype):
    rng = np.random.default_rng(0)
    texts, query = rng.normal(size=(500, 8)).astype(dtype), rng.normal(size=8).astype(dtype)
    cosines = [t @ query / np.linalg.norm(t) / np.linalg.norm(query) for t in texts.astype(np.float64)]
    ranking = SearchIndex(texts).rank(query)
    assert ranking.order.tolist() == sorted(range(500), key=lambda i: -cosines[i])
    np.testing.assert_allclose(ranking.cosines, cosines, atol=1e-6)
    hits = SearchIndex(texts).search(query, top_k=5)
    assert [h.index for h in hits] == ranking.order[:5].tolist()
    assert [h.rank for h in hits] == [1, 2, 3, 4, 5]
    assert hits[0].cosine == pytest.approx(max(cosines), abs=1e-6)


def test_ranks_are_the_order_turned_round():
    ranking = SearchIndex(np.random.default_rng(1).normal(size=(40, 4))).rank(np.ones(4))
    assert [int(ranking.ranks()[row]) for row in ranking.order] == list(range(1, 41))


def test_the_matrix_of_cosines_agrees_with_the_index():
    rng = np.random.default_rng(2)
    index, queries = SearchIndex(rng.normal(size=(30, 5))), rng.normal(size=(4, 5))
    for row, query in zip(index.cosines(queries), queries, strict=True):
        np.testing.assert_allclose(row, index.rank(query).cosines, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(index.vectors([3, 7]), axis=1), 1.0)


def test_more_results_than_texts():
    assert len(SearchIndex(np.eye(3)).search(np.ones(3), top_k=10)) == 3


def test_ties_keep_the_order_of_the_index():
    assert [h.index for h in SearchIndex(np.ones((4, 2))).search(np.ones(2), 4)] == [0, 1, 2, 3]
    # Different vectors with one cosine, and the same vector many times at places that a product may round differently.
    assert [h.index for h in SearchIndex(np.array([[1.0, 0.0], [0.0, 1.0]])).search(np.ones(2), 1)] == [0]
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(997, 63)).astype(np.float32)
    rows[[5, 400, 401, 996]] = rows[5]
    index, query = SearchIndex(rows), (rows[5] + 0.1 * rng.normal(size=63)).astype(np.float32)
    assert [h.index for h in index.search(query, 4)] == [5, 400, 401, 996]
    assert len(set(index.cosines(query[None])[0][[5, 400, 401, 996]].tolist())) == 1


def test_a_zero_vector_has_cosine_zero():
    assert SearchIndex(np.zeros((1, 2))).search(np.ones(2), 1)[0].cosine == 0.0


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        (np.zeros((0, 4)), "at least one text"),
        (np.zeros(4), "expected"),
        (np.array([[1.0, np.nan]]), "NaN or infinity"),
    ],
)
def test_what_cannot_be_indexed(embeddings, message):
    with pytest.raises(InputError, match=message):
        SearchIndex(embeddings)


def test_a_query_of_another_encoder():
    with pytest.raises(InputError, match="holds vectors of 3"):
        SearchIndex(np.eye(3)).search(np.ones(4), 1)


def test_the_nearest_are_those_of_the_whole_ranking_without_sorting_it(monkeypatch):
    rng = np.random.default_rng(4)
    rows = rng.integers(-1, 2, size=(3000, 4)).astype(np.float32)  # many equal cosines
    index, query = SearchIndex(rows), np.array([1, 2, 0, -1], np.float32)
    order = index.rank(query).order
    for k in (1, 7, 100, 2999, 3000, 5000):
        assert [hit.index for hit in index.search(query, k)] == order[:k].tolist()
    assert index.search(query, 0) == []
    distinct = SearchIndex(rng.normal(size=(3000, 8)))
    sizes, argsort = [], np.argsort
    monkeypatch.setattr(np, "argsort", lambda values, **more: sizes.append(len(values)) or argsort(values, **more))
    distinct.search(rng.normal(size=8), 5)
    assert sizes == [5]


def test_an_index_of_no_texts_is_refused():
    with pytest.raises(InputError, match="There is no text"):
        next(build_index(lambda texts: np.ones((len(texts), 2), np.float32), []))


def test_chunks_grow_while_they_are_quick_and_every_row_is_its_texts(monkeypatch):
    texts = [f"{'x' * (i % 7)}{i}" for i in range(40)]
    clock = iter([0.0, 0.1, 1.0, 1.1, 2.0, 9.0, 10.0, 10.1])
    monkeypatch.setattr("llm2vec_core.search.monotonic", lambda: next(clock, 99.0))

    def encode(chunk):
        return np.array([[float(text.lstrip("x") or 0), 1.0, len(text)] for text in chunk], np.float32)

    steps, seen = build_index(encode, texts, chunk=4, largest_chunk=16), []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            index = end.value
            break
    # 4, 8, 16 (slow: it stays), 12.
    assert seen == [(4, 40), (12, 40), (28, 40), (40, 40)]
    np.testing.assert_allclose(index.vectors(range(40)), SearchIndex(encode(texts)).vectors(range(40)), rtol=1e-6)
