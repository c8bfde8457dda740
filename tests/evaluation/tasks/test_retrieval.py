from __future__ import annotations

import json

import numpy as np
import pytest
from datasets import Dataset
from mteb.abstasks import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.sets import find_sets
from llm2vec_core.evaluation.tasks.retrieval import TASK, ranked, reciprocal_rank
from tests.evaluation.conftest import ABOUT, SUBJECTS

DOCUMENTS = {f"d{i}": f"{SUBJECTS[i % 5]} document {i}" for i in range(150)}
DOCUMENTS |= {f"twin{i}": DOCUMENTS[f"d{i}"] for i in range(5)}  # equal cosines, decided by id
QUERIES = {f"q{i}": f"{SUBJECTS[i % 5]} query {i}" for i in range(12)}
RELEVANT = {f"q{i}": {f"d{i}": 2, f"d{i + 5}": 1, f"d{(3 * i) % 50 + 60}": 1, "d149": 0} for i in range(12)}
RELEVANT["q0"] |= {"twin0": 1}


# Queries that are documents too, under their own ids.
ITSELF = {key: DOCUMENTS[key] for key in list(DOCUMENTS)[:20]}
TWINS = {f"d{i}": {f"d{(i + 5) % 150}": 2, f"d{(i + 10) % 150}": 1} for i in range(20)}


class Finds(AbsTaskRetrieval):
    metadata = TaskMetadata(name="Finds", type="Retrieval", main_score="ndcg_at_10", **ABOUT)
    parts = DOCUMENTS, QUERIES, RELEVANT

    def load_data(self, **_):
        documents, queries, relevant = self.parts
        split = {
            "queries": Dataset.from_list([{"id": key, "text": text} for key, text in queries.items()]),
            "corpus": Dataset.from_list([{"id": key, "text": text} for key, text in documents.items()]),
            "relevant_docs": relevant,
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
        ({"q1": {"d1": 1}}, "1 judged query; .* query 'q2' has no relevant document"),
        ({"q1": {"d1": 1}, "q2": {"d2": 0}}, "1 judged query; .* query 'q2' has no relevant document"),
        ({"q1": {"d1": "high"}, "q2": {"d2": "1"}}, "the score 'high' of query 'q1' is no number"),
        ({"q1": {"d1": float("inf")}, "q2": {"d2": 1.0}}, "the score inf of query 'q1' is no number"),
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


class FindsOthers(Finds):
    metadata = TaskMetadata(name="FindsOthers", type="Retrieval", main_score="ndcg_at_10", **ABOUT)
    parts = DOCUMENTS, ITSELF, TWINS
    ignore_identical_ids = True


def test_a_query_that_is_a_document_does_not_find_itself(known, by_mteb, collection):
    data = TASK.read(collection(DOCUMENTS, ITSELF, TWINS), "R", None)
    assert [data.document_ids[row] for row in data.own] == list(ITSELF)
    queries, documents = TASK.texts(data)
    found = TASK.measure(data, known.encode(queries), known.encode(documents)).metrics
    expected = by_mteb(FindsOthers())
    for name in ("ndcg_at_10", "recall_at_10", "recall_at_100"):
        assert found[name].score / 100 == pytest.approx(expected[name], abs=1e-4)
    assert list(TASK.notes(data)) == [
        "R: 20 queries are documents too (same id, same text); each is left out of its own ranking"
    ]


def test_ids_that_are_equal_by_chance_leave_nothing_out(collection):
    data = TASK.read(collection({"1": "x", "2": "y"}, {"1": "a", "2": "b"}, {"1": {"1": 1}, "2": {"2": 1}}), "R", None)
    assert data.own == (None, None)
    assert "2 queries have the same id as a document of another text" in data.notes[0]
    assert TASK.measure(data, np.eye(2), np.eye(2)).metrics["ndcg_at_10"].score == 100


def test_queries_that_nobody_judged_are_left_out_and_told(collection):
    queries = TWO[1] | {"q3": "c"}
    data = TASK.read(collection(TWO[0], queries, {"q1": {"d1": 1}, "q2": {"d2": 1}}), "R", None)
    assert data.queries == ("a", "b")
    assert data.notes == ("R: 1 of 3 queries have no relevant document and are left out",)


@pytest.mark.parametrize("kind", [str, float, int])
def test_scores_of_every_type(known, collection, write, kind):
    want = TASK.read(collection(), "R", None).relevant
    graded = {query: {doc: kind(grade) for doc, grade in found.items()} for query, found in RELEVANT.items()}
    assert TASK.read(collection(relevant=graded), "R", None).relevant == want


def test_whole_numbers_that_a_table_program_made_fractions(write):
    write("R_corpus", id=[1, 2], text=["x", "y"])
    write("R_queries", id=["7", "8"], text=["a", "b"])
    folder = write("R_qrels", **{"query-id": [7.0, 8.0], "corpus-id": [1.0, 2.0], "score": [1, 1]})
    assert TASK.read(folder, "R", None).relevant == ({0: 1}, {1: 1})


HEADER = "query-id\tcorpus-id\tscore\n"


@pytest.mark.parametrize(
    ("header", "form"),
    [
        (HEADER, "{0}\t{1}\t{2}\n"),
        ("", "{0}\t{1}\t{2}\n"),
        ("score\tcorpus-id\tquery-id\n", "{2}\t{1}\t{0}\n"),
        ("qid\tdocid\trel\n", "{0}\t{1}\t{2}\n"),
        ("query-id\titeration\tcorpus-id\tscore\n", "{0}\t0\t{1}\t{2}\n"),
        ("", "{0}\tQ0\t{1}\t{2}\n"),
        ("", "{0} 0 {1}  {2}\n"),
        ("query document score\n", "{0} {1} {2}\n"),
    ],
)
def test_a_folder_as_beir_has_it(tmp_path, collection, form, header):
    want = TASK.read(collection(), "R", None)
    folder = tmp_path / "beir" / "R"
    (folder / "qrels").mkdir(parents=True)
    documents = [{"_id": key, "title": "", "text": text, "metadata": {"a": 1}} for key, text in DOCUMENTS.items()]
    queries = [{"_id": key, "text": text} for key, text in QUERIES.items()]
    for name, rows in (("corpus", documents), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    judged = [form.format(query, doc, grade) for query, found in RELEVANT.items() for doc, grade in found.items()]
    (folder / "qrels" / "test.tsv").write_text(header + "".join(judged))
    for place in (folder, folder.parent):
        (found,) = find_sets(place).sets
        assert (found.task.kind, found.name) == ("retrieval", "R")
        assert found.data == want
    before = found.digest
    (folder / "qrels" / "test.tsv").write_text(header + "".join(judged[:-1]))
    assert find_sets(folder).sets[0].digest != before
    (folder / "qrels" / "test.tsv").rename(folder / "qrels" / "dev.tsv")
    with pytest.raises(InputError, match=r"R has no qrels/test\.tsv; judgements there: dev\.tsv"):
        find_sets(folder, ["R"])


def test_of_two_judgements_the_later_one_holds(collection, write):
    """As in the dictionaries that BEIR and mteb read qrels into."""
    collection()
    rows = {"query_id": ["q1", "q2", "q1", "q1"], "doc_id": ["d1", "d2", "d1", "d3"], "score": [1, 1, 0, 2]}
    data = TASK.read(write("R_qrels", **rows), "R", None)
    found = {}
    for query, document, score in zip(*rows.values(), strict=True):
        found.setdefault(query, {})[document] = score
    want = [{document: score for document, score in grades.items() if score > 0} for grades in found.values()]
    assert [{data.document_ids[row]: grade for row, grade in g.items()} for g in data.relevant] == want


def test_documents_and_queries_without_a_text_are_told(tmp_path):
    folder = tmp_path / "R"
    (folder / "qrels").mkdir(parents=True)
    documents = [("d1", "T", None), ("d2", None, "a"), ("d3", "", ""), ("d4", "", None), ("d5", "", "b")]
    rows = [{"_id": key, "title": title, "text": text} for key, title, text in documents]
    queries = [{"_id": "q1", "text": "a"}, {"_id": "q2", "text": "b"}, {"_id": "q3", "text": None}]
    for name, records in (("corpus", rows), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    (folder / "qrels" / "test.tsv").write_text(HEADER + "q1\td2\t1\nq2\td5\t1\nq3\td1\t1\n")
    found = find_sets(folder)
    assert found.sets[0].data.documents == ("T", "a", "", "", "b")
    documents_told, queries_told, empty = found.notes
    assert documents_told.startswith(
        "R: 2 of 5 lines of corpus.jsonl are not read as they stand: null is read as an emp"
    )
    assert "corpus.jsonl, line 1, corpus.jsonl, line 4" in documents_told
    assert queries_told.startswith("R: 1 of 3 lines of queries.jsonl ")
    assert empty == "R: 2 of 5 documents have neither a title nor a text"
