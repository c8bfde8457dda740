from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset
from mteb.abstasks import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.tasks.retrieval import TASK, ranked, reciprocal_rank
from tests.evaluation.conftest import ABOUT, SUBJECTS

DOCUMENTS = {f"d{i}": f"{SUBJECTS[i % 5]} document {i}" for i in range(150)}
DOCUMENTS |= {f"twin{i}": DOCUMENTS[f"d{i}"] for i in range(5)}  # equal cosines, decided by id
QUERIES = {f"q{i}": f"{SUBJECTS[i % 5]} query {i}" for i in range(12)}
RELEVANT = {f"q{i}": {f"d{i}": 2, f"d{i + 5}": 1, f"d{(3 * i) % 50 + 60}": 1, "d149": 0} for i in range(12)}
RELEVANT["q0"] |= {"twin0": 1}


class Finds(AbsTaskRetrieval):
    metadata = TaskMetadata(name="Finds", type="Retrieval", main_score="ndcg_at_10", **ABOUT)

    def load_data(self, **_):
        split = {
            "queries": Dataset.from_list([{"id": key, "text": text} for key, text in QUERIES.items()]),
            "corpus": Dataset.from_list([{"id": key, "text": text} for key, text in DOCUMENTS.items()]),
            "relevant_docs": RELEVANT,
            "top_ranked": None,
        }
        self.dataset, self.data_loaded = {"default": {"test": split}}, True


@pytest.fixture
def collection(write):
    def put(documents=DOCUMENTS, queries=QUERIES, relevant=RELEVANT):
        rows = [(query, doc, grade) for query, found in relevant.items() for doc, grade in found.items()]
        for name, texts in (("R_corpus", documents), ("R_queries", queries)):
            folder = write(name, id=list(texts), text=list(texts.values()))
        query_id, doc_id, score = zip(*rows, strict=True)
        return write("R_qrels", query_id=query_id, doc_id=doc_id, score=score) and folder

    return put


def test_the_same_numbers_as_mteb(known, by_mteb, collection):
    data = TASK.read(collection(), "R", None)
    queries, documents = TASK.texts(data)
    found = TASK.measure(data, known.encode(queries), known.encode(documents)).metrics
    expected = by_mteb(Finds())
    assert 0.05 < expected["ndcg_at_10"] < 0.95
    for name in ("ndcg_at_10", "recall_at_10", "recall_at_100"):
        assert found[name].score / 100 == pytest.approx(expected[name], abs=1e-4)
    first, second = (e / np.linalg.norm(e, axis=1, keepdims=True) for e in map(known.encode, (queries, documents)))
    orders = ranked(first @ second.T, data.document_ids)
    mrr = np.mean([reciprocal_rank(order, grades) for order, grades in zip(orders, data.relevant, strict=True)])
    assert mrr == pytest.approx(expected["mrr_at_1000"], abs=1e-4)  # 155 documents: nothing is cut off


def test_titles_stand_before_their_texts(write, collection):
    folder = collection({"d1": "x", "d2": "y"}, {"q1": "a", "q2": "b"}, {"q1": {"d1": 1}, "q2": {"d2": 1}})
    write("R_corpus", id=["d1", "d2"], title=["T", None], text=["x", "y"])
    assert TASK.read(folder, "R", None).documents == ("T x", "y")


def test_a_quick_look_keeps_what_is_relevant(collection):
    data = TASK.read(collection(), "R", 4)
    assert len(data.queries) == 4 and 4 < len(data.documents) < 30
    for query, relevant in zip(data.queries, data.relevant, strict=True):
        number = int(query.split()[-1])
        assert {data.document_ids[row] for row in relevant} == {k for k, v in RELEVANT[f"q{number}"].items() if v}


TWO = {"d1": "x", "d2": "y"}, {"q1": "a", "q2": "b"}


@pytest.mark.parametrize(
    ("relevant", "message"),
    [
        ({"q1": {"d1": 1}}, "query 'q2' has no relevant document"),
        ({"q1": {"d1": 1}, "q2": {"d2": 0}}, "query 'q2' has no relevant document"),
        ({"q1": {"d1": 1}, "q2": {"d3": 1}}, "document 'd3', which is not in the corpus"),
        ({"q1": {"d1": 1}, "q2": {"d2": 1}, "q9": {"d1": 1}}, "query 'q9', which is not among the queries"),
    ],
)
def test_judgements_that_cannot_be_used(collection, relevant, message):
    with pytest.raises(InputError, match=message):
        TASK.read(collection(*TWO, relevant), "R", None)


def test_collections_that_cannot_be_used(write, collection):
    folder = collection(*TWO, {"q1": {"d1": 1}, "q2": {"d2": 1}})
    write("R_corpus", id=["d1", "d1"], text=["x", "y"])
    with pytest.raises(InputError, match="id 'd1' is there twice"):
        TASK.read(folder, "R", None)
    (folder / "R_qrels.parquet").unlink()
    with pytest.raises(InputError, match=r"no file 'R_qrels\.parquet'"):
        TASK.read(folder, "R", None)


def test_cosine_and_not_length_decides(collection):
    data = TASK.read(collection(*TWO, {"q1": {"d1": 1}, "q2": {"d2": 1}}), "R", None)
    found = TASK.measure(data, np.eye(2), np.array([[1.0, 0.0], [50.0, 60.0]]))
    assert found.metrics["ndcg_at_10"].score == 100
