from __future__ import annotations

import json

import numpy as np
import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.bootstrap import Estimate
from llm2vec_core.evaluation.results import RESULTS_FILE, Cell, Results

CELL = Cell(
    "Causal, mean",
    "causal",
    "sts",
    "STS12",
    {"spearman": Estimate(40.0, 38.5, float("nan"))},
    np.array([39.0, np.nan, 41.0]),
    7,
    "abc",
    (0.5, -0.25),
)
SETTINGS = {"model": "mini", "limit": None}
WHERE = ("Causal, mean", "sts", "STS12")


def test_a_cell_comes_back_from_the_file(tmp_path):
    Results(tmp_path / "new", SETTINGS).keep([CELL])
    found = Results(tmp_path / "new", SETTINGS).find(*WHERE, digest="abc", probe=(0.5001, -0.25))
    assert found.metrics["spearman"].score == 40.0 and np.isnan(found.metrics["spearman"].high)
    np.testing.assert_array_equal(found.replicates, CELL.replicates)
    assert (found.examples, found.direction, found.main) == (7, "causal", found.metrics["spearman"])
    assert [file.name for file in (tmp_path / "new").iterdir()] == [RESULTS_FILE]


def test_other_data_or_another_model_is_measured_again(tmp_path):
    results = Results(tmp_path, SETTINGS)
    results.keep([CELL])
    assert results.find(*WHERE, digest="abc", probe=CELL.probe) is CELL
    assert results.find(*WHERE, digest="abd", probe=CELL.probe) is None
    assert results.find(*WHERE, digest="abc", probe=(0.51, -0.25)) is None
    assert results.find(*WHERE, digest="abc", probe=(0.5,)) is None


def test_files_that_cannot_be_gone_on_with(tmp_path):
    Results(tmp_path, SETTINGS).keep([CELL])
    with pytest.raises(InputError, match="holds results with limit None, not 100"):
        Results(tmp_path, {**SETTINGS, "limit": 100})
    for content in ("{", "[]", json.dumps({"settings": SETTINGS, "cells": [{}]})):
        (tmp_path / RESULTS_FILE).write_text(content)
        with pytest.raises(InputError, match="cannot be read"):
            Results(tmp_path, SETTINGS)
    with pytest.raises(InputError, match=r"'results\.json' is a file"):
        Results(tmp_path / RESULTS_FILE, SETTINGS)
