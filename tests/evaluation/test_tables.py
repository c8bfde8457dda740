from __future__ import annotations

import csv
import io

import numpy as np

from llm2vec_core.evaluation.bootstrap import Estimate
from llm2vec_core.evaluation.ladder import LadderRow
from llm2vec_core.evaluation.results import Cell
from llm2vec_core.evaluation.tables import differences_csv, markdown, scores_csv

SPREAD = np.linspace(-1.0, 1.0, 201) / 0.95  # its middle 95% is -1 to 1


def row(label, direction, scores):
    cells = []
    for (task, data), score in scores.items():
        metrics = {"main": Estimate(score, score - 1, score + 1), "other": Estimate(5.0, 4.0, 6.0)}
        cells.append(Cell(label, direction, task, data, metrics, score + SPREAD, 20, "0", (1.0,)))
    return LadderRow(label, direction, tuple(cells))


STS = {("sts", "A"): 40.0, ("sts", "B"): 50.0}
ROWS = [
    row("Causal, mean", "causal", {**STS, ("clustering", "C"): 20.0}),
    row("Static", "none", {("sts", "A"): 30.0, ("sts", "B"): 30.0, ("clustering", "C"): 28.0}),
    row("LLM2Vec", "bidirectional", {("sts", "A"): 60.0, ("sts", "B"): 60.0, ("clustering", "C"): 30.0}),
]


def test_the_words_of_the_rows_are_explained_and_no_others():
    told = markdown(ROWS).split("\n\n")[-1]
    assert told == (
        "Rows: causal reads from left to right; static is the mean of the words' input vectors, without any layer."
    )
    assert "quick look" in markdown(ROWS, 5).split("\n\n")[-1]


def test_a_table_a_kind_then_means_then_differences():
    sts, clustering, means, above = [part for part in markdown(ROWS).split("\n\n") if part.startswith("|")]
    assert sts.splitlines()[0] == "| encoder | A | B | mean |"
    assert sts.splitlines()[2] == ("| Causal, mean | 40.0 [39.0, 41.0] | 50.0 [49.0, 51.0] | **45.0** [44.0, 46.0] |")
    assert clustering.splitlines()[0] == "| encoder | C |"
    assert means.splitlines()[-1] == ("| LLM2Vec | 60.0 [59.0, 61.0] | 30.0 [29.0, 31.0] | **45.0** [44.0, 46.0] |")
    # Column by column the best rival, and the shared luck cancels out.
    assert above.splitlines()[-1] == (
        "| LLM2Vec | +15.0 [+15.0, +15.0] (Causal, mean) | +2.0 [+2.0, +2.0] (Static) | +12.5 [+12.5, +12.5] (Causal, mean) |"
    )


def test_one_kind_needs_no_table_of_means():
    only = [own.only("sts", "A") for own in ROWS]
    assert [line for line in markdown(only).splitlines() if line.startswith("| encoder")] == [
        "| encoder | A |",
        "| encoder | Sentence similarity |",
    ]
    assert markdown(only[:1]).count("| encoder") == 1


def test_a_quick_look_says_so():
    assert markdown(ROWS, 1000) == f"{markdown(ROWS)}\n\nA quick look: at most 1,000 examples of each set."


def test_values_for_other_programs():
    scores = list(csv.DictReader(io.StringIO(scores_csv(ROWS))))
    assert len(scores) == 3 * (3 * 2 + 2 + 1)
    by_place = {(line["encoder"], line["task"], line["set"], line["metric"]): line for line in scores}
    assert by_place["LLM2Vec", "sts", "mean", "main"]["score"] == "60.0000"
    assert by_place["Static", "clustering", "C", "other"]["high"] == "6.0000"
    assert by_place["Causal, mean", "mean", "mean", "mean"]["score"] == "32.5000"
    gaps = list(csv.DictReader(io.StringIO(differences_csv(ROWS))))
    assert len(gaps) == 6 * (3 + 2 + 1)
    found = {(g["encoder"], g["against"], g["task"], g["set"]): g for g in gaps}["Static", "LLM2Vec", "sts", "mean"]
    assert (found["difference"], found["low"], found["high"]) == ("-30.0000", "-30.0000", "-30.0000")
