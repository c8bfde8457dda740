"""Search in Lance datasets, held against numpy over all rows."""

from __future__ import annotations

import shutil
from pathlib import Path

import lance
import numpy as np
import pytest

from llm2vec_core.corpus.encoding import CorpusEncoding
from llm2vec_core.corpus.lance_search import INDEX, MOST_REFINE, LanceCorpus, build_index
from llm2vec_core.corpus.parts import PROBE
from llm2vec_core.errors import InputError

ROWS, HIDDEN = 6000, 16


def vectors_of(texts, seed: int = 0) -> np.ndarray:
    """Clusters, as embeddings have them; each text has a vector of its own, the probe too."""
    centres = np.random.default_rng(seed).standard_normal((30, HIDDEN))
    rows = []
    for text in texts:
        random = np.random.default_rng([seed, *text.encode()])
        rows.append(centres[random.integers(30)] + 0.6 * random.standard_normal(HIDDEN))
    return np.array(rows, dtype=np.float32)


def encode(texts, progress=None):
    return vectors_of(texts)


TEXTS = [f"text {i}" for i in range(ROWS)]


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return vectors_of(TEXTS)


@pytest.fixture(scope="module")
def made(tmp_path_factory, vectors) -> Path:
    out = tmp_path_factory.mktemp("lance") / "v.lance"
    stored = dict(zip(TEXTS, vectors, strict=True))
    records = ((text, f"topic {i % 7}") for i, text in enumerate(TEXTS))
    CorpusEncoding(out, {"model": "clusters"}, kept=("topic",)).run(
        lambda texts, progress: encode(texts) if texts == [PROBE] else np.stack([stored[text] for text in texts]),
        records,
    )
    return out


@pytest.fixture
def exact(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "v.lance"))


@pytest.fixture
def indexed(exact) -> Path:
    assert build_index(exact, exact_below=1000, rows_per_cell=300).cells == 20
    return exact


def nearest(vectors, query, rows) -> list[int]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ (query / np.linalg.norm(query))
    return sorted(rows, key=lambda row: (-cosines[row], row))


def test_without_an_index_every_row_is_compared(made, vectors):
    corpus = LanceCorpus(made)
    assert (len(corpus), corpus.hidden, corpus.unindexed) == (ROWS, HIDDEN, 0)
    for query in vectors_of(["a", "b", "c"]):
        hits = corpus.search(query, 5)
        assert [hit.row for hit in hits] == nearest(vectors, query, range(ROWS))[:5]
        assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5]
        unit = vectors[[hit.row for hit in hits]]
        cosines = unit @ query / np.linalg.norm(unit, axis=1) / np.linalg.norm(query)
        np.testing.assert_allclose([hit.cosine for hit in hits], cosines, atol=1e-6)
        assert [(hit.text, hit.kept) for hit in hits] == [(TEXTS[h.row], {"topic": f"topic {h.row % 7}"}) for h in hits]


@pytest.mark.parametrize("kind", ["exact", "indexed"])
def test_a_filter_is_applied_before_the_nearest_are_taken(kind, request, vectors):
    corpus = LanceCorpus(request.getfixturevalue(kind))
    query = vectors_of(["a"])[0]
    for where, rows in (
        ("topic = 'topic 3'", range(3, ROWS, 7)),
        ("topic IN ('topic 1', 'topic 2') AND row < 100", [r for r in range(100) if r % 7 in (1, 2)]),
        ("text LIKE '%99'", [r for r in range(ROWS) if f"text {r}".endswith("99")]),
        ("row = 4321", [4321]),
    ):
        hits = corpus.search(query, 10, where)
        wanted = nearest(vectors, query, rows)[:10]
        assert len(hits) == len(wanted)
        assert {hit.row for hit in hits} <= set(rows)
        # An index may miss one; a filter that leaves few rows reads as many cells as it takes.
        assert len({hit.row for hit in hits} & set(wanted)) >= len(wanted) - 2 * (kind == "indexed")
    assert corpus.search(query, 10, "row < 0") == []


def test_equal_vectors_keep_the_order_of_the_corpus(tmp_path):
    out = tmp_path / "v.lance"
    CorpusEncoding(out, {}).run(lambda texts, progress: np.ones((len(texts), 8), np.float32), TEXTS[:50])
    assert [hit.row for hit in LanceCorpus(out).search(np.ones(8), 5)] == [0, 1, 2, 3, 4]


def test_recall_is_what_numpy_finds(exact, vectors):
    report = build_index(exact, exact_below=1000, rows_per_cell=300)
    assert (report.rows, report.cells, report.queries) == (ROWS, 20, 100)
    assert report.recall >= 0.95
    found, corpus = [], LanceCorpus(exact)
    for row in np.unique(np.linspace(0, ROWS - 1, 100).astype(int)):
        wanted = [other for other in nearest(vectors, vectors[row], range(ROWS))[:11] if other != row][:10]
        hits = [hit.row for hit in corpus.search(vectors[row], 11) if hit.row != row][:10]
        found.append(len(set(hits) & set(wanted)) / 10)
    assert report.recall == pytest.approx(np.mean(found), abs=0.01)


def test_as_many_cells_are_read_as_the_recall_needs(exact, monkeypatch):
    monkeypatch.setattr("llm2vec_core.corpus.lance_search.FIRST_CELLS", 1)
    monkeypatch.setattr("llm2vec_core.corpus.lance_search.WANTED_RECALL", 0.0)
    fewest = build_index(exact, exact_below=1000, rows_per_cell=300)
    assert fewest.cells_read == 1
    # The cells are trained anew, from other random rows: what one cell reaches differs from build to build.
    wanted = fewest.recall + 0.02
    monkeypatch.setattr("llm2vec_core.corpus.lance_search.WANTED_RECALL", wanted)
    report = build_index(exact, exact_below=1000, rows_per_cell=300)
    assert report.recall >= wanted or (report.cells_read, report.refine) == (report.cells, MOST_REFINE)
    assert report.recall > fewest.recall - 0.02


def test_more_candidates_are_compared_again_where_more_cells_find_nothing(exact, vectors, monkeypatch):
    monkeypatch.setattr("llm2vec_core.corpus.lance_search.REFINE", 1)
    monkeypatch.setattr("llm2vec_core.corpus.lance_search.WANTED_RECALL", 0.0)
    coarse = build_index(exact, exact_below=1000, rows_per_cell=300)
    assert (coarse.cells_read, coarse.refine) == (20, 1)  # all cells
    assert coarse.recall < 0.95
    monkeypatch.setattr("llm2vec_core.corpus.lance_search.WANTED_RECALL", 0.95)
    report = build_index(exact, exact_below=1000, rows_per_cell=300)
    assert report.refine > 1
    assert report.recall >= 0.95
    # Searches read as much as the build found to be needed.
    found = [{hit.row for hit in LanceCorpus(exact).search(vectors[row], 10)} for row in range(0, ROWS, ROWS // 20)]
    wanted = [set(nearest(vectors, vectors[row], range(ROWS))[:10]) for row in range(0, ROWS, ROWS // 20)]
    assert np.mean([len(f & w) / 10 for f, w in zip(found, wanted, strict=True)]) >= 0.9


def test_a_small_dataset_gets_no_index_and_a_large_one_is_built_anew(indexed):
    assert [index.name for index in lance.dataset(indexed).describe_indices()] == [INDEX]
    assert build_index(indexed, exact_below=1000, rows_per_cell=300).cells == 20
    assert [index.name for index in lance.dataset(indexed).describe_indices()] == [INDEX]
    assert build_index(indexed).cells == 0
    assert lance.dataset(indexed).describe_indices() == []
    assert len(lance.dataset(indexed).versions()) == 1


def test_rows_that_came_after_the_index_are_found_and_counted(indexed):
    table = lance.dataset(indexed).to_table(limit=3)
    new = 10 * np.arange(1, HIDDEN + 1, dtype=np.float32)
    rows = table.to_pandas().assign(row=[7000, 7001, 7002], embedding=[new, -new, -new])
    lance.write_dataset(rows, indexed, schema=table.schema, mode="append")
    corpus = LanceCorpus(indexed)
    assert corpus.unindexed == 3
    assert corpus.search(new, 1)[0].row == 7000
    build_index(indexed, exact_below=1000, rows_per_cell=300)
    assert LanceCorpus(indexed).unindexed == 0
    assert LanceCorpus(indexed).search(new, 1)[0].row == 7000


def test_a_build_that_is_killed_leaves_a_dataset_that_can_be_searched(exact, monkeypatch, vectors):
    class Killed(BaseException):
        pass

    def die(*_, **__):
        raise Killed

    for step in ("create_index", "update_config", "cleanup_old_versions"):
        with monkeypatch.context() as patch:
            patch.setattr(lance.LanceDataset, step, die)
            with pytest.raises(Killed):
                build_index(exact, exact_below=1000, rows_per_cell=300)
        assert len(LanceCorpus(exact)) == ROWS
        assert LanceCorpus(exact).search(vectors[5], 1)[0].row == 5
    assert build_index(exact, exact_below=1000, rows_per_cell=300).recall >= 0.95


def test_an_index_of_another_program_is_refused_by_name(exact, vectors):
    lance.dataset(exact).create_index("embedding", "IVF_FLAT", name="theirs", metric="l2", num_partitions=2)
    with pytest.raises(InputError, match=r"the index 'theirs' of 'v.lance' was built by another program.*index build"):
        LanceCorpus(exact)
    build_index(exact, exact_below=1000, rows_per_cell=300)
    assert LanceCorpus(exact).search(vectors[5], 1)[0].row == 5


def test_queries_of_another_encoder_are_refused(indexed):
    corpus = LanceCorpus(indexed)
    corpus.refuse_other_encoder(encode, {"model": "clusters"})
    # Rounding is no other encoder.
    corpus.refuse_other_encoder(
        lambda texts: encode(texts).astype(np.float16).astype(np.float32), {"model": "clusters"}
    )
    with pytest.raises(
        InputError, match=r"'v.lance' was built on other embeddings.*model was 'clusters' and is 'other'"
    ):
        corpus.refuse_other_encoder(lambda texts: vectors_of(texts, seed=1), {"model": "other"})
    with pytest.raises(InputError, match="its weights or its options changed"):
        corpus.refuse_other_encoder(lambda texts: vectors_of(texts, seed=1), {"model": "clusters"})
    with pytest.raises(InputError, match=r"has vectors of 16 numbers, but the query's encoder makes 8"):
        corpus.refuse_other_encoder(lambda texts: encode(texts)[:, :8], {"model": "clusters"})


@pytest.mark.parametrize("shape", [(8,), (17,), (1, 16), ()])
def test_a_query_of_another_width_is_refused(made, shape):
    with pytest.raises(InputError, match=r"the query has shape .*; 'v.lance' holds vectors of 16"):
        LanceCorpus(made).search(np.ones(shape, np.float32), 5)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_query_without_a_direction_is_refused(made, value):
    with pytest.raises(InputError, match="zero, NaN or infinite"):
        LanceCorpus(made).search(np.full(HIDDEN, value, np.float32), 5)


@pytest.mark.parametrize("where", ["subject = 'a'", "row <", "row === 3", "row", "topic + 1 = 2 ; DROP TABLE x"])
def test_a_filter_that_cannot_be_understood_is_named(made, where, vectors):
    with pytest.raises(
        InputError, match=r"the filter .* cannot be used .* SQL over row, text, topic, such as row < 1000"
    ):
        LanceCorpus(made).search(vectors[0], 5, where)
