from __future__ import annotations

import numpy as np
import pytest

from llm2vec_core.baselines import BASELINES
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.ladder import CAUSAL_POOLINGS, STATIC_LABEL, measure_ladder
from llm2vec_core.evaluation.results import Results
from llm2vec_core.evaluation.sets import find_sets
from llm2vec_core.evaluation.sts import evaluate_sts
from llm2vec_core.evaluation.tasks.retrieval import TASK as RETRIEVAL
from llm2vec_core.presets import BUNDLED

PAIRS = {
    "sentence1": ["A river flows to the sea.", "A dog sleeps.", "Rain fell.", "The bank lends money."],
    "sentence2": ["The stream runs into the ocean.", "Interest rates rose.", "It rained.", "A cat drinks milk."],
    "score": [4.0, 0.5, 5.0, 0.0],
}
DOCUMENTS = {"d1": "The river floods in spring.", "d2": "Banks lend money.", "d3": "Stars burn hydrogen."}
QUERIES = {"q1": "where is the flood", "q2": "who lends money"}


@pytest.fixture
def sets(write):
    write("STS12", **PAIRS)
    write("R_corpus", id=list(DOCUMENTS), text=list(DOCUMENTS.values()))
    write("R_queries", id=list(QUERIES), text=list(QUERIES.values()))
    return find_sets(write("R_qrels", query_id=["q1", "q2"], doc_id=["d1", "d2"], score=[1, 1])).sets


def test_every_stage_is_measured_and_the_causal_one_with_each_pooling(sets):
    seen = []
    # Anything that encodes can be a rival: here one whose scores are known.
    rivals = {"A rival": BASELINES["static"](LLM2Vec.from_pretrained(BUNDLED.base))}
    rows = measure_ladder(BUNDLED, sets, report=seen.append, rivals=rivals)
    assert len(rows) == len(CAUSAL_POOLINGS) + len(BASELINES) + len(BUNDLED.stages) - 1 + len(rivals)
    assert sorted((cell.encoder, cell.data) for cell in seen) == sorted(
        (r.label, d) for r in rows for d in ("STS12", "R")
    )
    assert [cell.data for cell in rows[0].cells] == ["STS12", "R"]
    by_label = {row.label: row for row in rows}
    assert {row.direction for row in rows} == {"causal", "bidirectional", "none"}
    assert [cell.main.score for cell in by_label["A rival"].cells] == [
        cell.main.score for cell in by_label[STATIC_LABEL].cells
    ]
    assert (rows[-1].label, rows[-1].direction) == ("A rival", "bidirectional")
    causal = LLM2Vec.from_pretrained(BUNDLED.base, bidirectional=False)
    sts = sets[0].data
    for label, encode in (
        ("Causal, last token", lambda texts: causal.encode(texts, pooling_mode="last_token")),
        ("Causal, echo", BASELINES["echo"](causal).encode),
        (STATIC_LABEL, BASELINES["static"](causal).encode),
        ("+ MNTP, mean", LLM2Vec.from_preset("mini:mntp").encode),
    ):
        score = by_label[label].only("sts").cells[0].main.score
        assert score == pytest.approx(evaluate_sts(encode, sts), abs=1e-3), label


def test_an_instruction_stands_before_queries_alone(sets, bundled):
    rows = measure_ladder(BUNDLED, sets[1:], stages=["bidirectional"], instructions={"retrieval": "Find the answer:"})
    queries, documents = RETRIEVAL.texts(sets[1].data)
    expected = RETRIEVAL.measure(
        sets[1].data, bundled.encode(queries, "Find the answer:"), bundled.encode(documents)
    ).metrics["ndcg_at_10"]
    assert rows[0].cells[0].main.score == pytest.approx(expected.score, abs=1e-6)


def test_a_killed_run_goes_on_where_it_was(sets, tmp_path):
    class KilledError(Exception):
        pass

    def kill(cell):
        if cell.data == "R":
            raise KilledError

    def run(report):
        results = Results(tmp_path / "out", {})
        return measure_ladder(BUNDLED, sets[::-1], stages=["bidirectional", "mntp"], results=results, report=report)

    with pytest.raises(KilledError):
        run(kill)
    again = []
    rows = run(again.append)
    whole = measure_ladder(BUNDLED, sets[::-1], stages=["bidirectional", "mntp"])
    assert [(cell.encoder, cell.data) for cell in again] == [
        ("Bidirectional, untrained, mean", "STS12"),
        ("+ MNTP, mean", "R"),
        ("+ MNTP, mean", "STS12"),
    ]
    for row, expected in zip(rows, whole, strict=True):
        assert row.mean.score == pytest.approx(expected.mean.score, abs=1e-3)
        np.testing.assert_allclose(row.cells[0].replicates, expected.cells[0].replicates, atol=1e-3)
    third = []
    run(third.append)
    assert third == []


def test_rows_are_compared_on_the_same_examples_only(sets):
    a, b = measure_ladder(BUNDLED, sets, stages=["causal"], poolings=["mean", "weighted_mean"])[:2]
    gap = a.above(b)
    assert gap.score == pytest.approx(a.mean.score - b.mean.score)
    assert b.above(a).low == pytest.approx(-gap.high)
    assert a.above(a).low == a.above(a).high == 0
    assert a.mean.score == pytest.approx(np.mean([cell.main.score for cell in a.cells]))
    with pytest.raises(InputError, match="not measured on the same sets"):
        a.above(b.only("sts"))


def test_an_unknown_stage_is_named(sets):
    with pytest.raises(InputError, match="no stage 'simsce'; choose of causal, bidirectional"):
        measure_ladder(BUNDLED, sets, stages=["simsce"])
