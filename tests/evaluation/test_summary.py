from __future__ import annotations

import json

import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.bootstrap import Estimate
from llm2vec_core.evaluation.summary import kind_label, read_summary, summarise
from tests.evaluation.test_tables import ROWS


@pytest.fixture
def summary(tmp_path):
    file = tmp_path / "ladder.json"
    file.write_text(json.dumps(summarise(ROWS, "mini", 50)))
    return read_summary(file)


def test_every_number_comes_back(summary):
    assert [row.label for row in summary.encoders] == [row.label for row in ROWS]
    assert summary.kinds == ("sts", "clustering") and summary.sets("sts") == ("A", "B")
    for found, row in zip(summary.encoders, ROWS, strict=True):
        assert [each.found.score for each in found.sets] == [cell.main.score for cell in row.cells]
        assert found.means["mean"].score == pytest.approx(row.mean.score, abs=1e-3)
        assert found.means["sts"].low == pytest.approx(row.only("sts").mean.low, abs=1e-3)
        assert {each.examples for each in found.sets} == {20}
    assert summary.encoder("LLM2Vec").above["Causal, mean"]["mean"].score == 12.5
    assert summary.encoder("Causal, mean").above["LLM2Vec"]["sts"] == Estimate(-15.0, -15.0, -15.0)
    assert summary.encoder("no such") is None
    assert "--limit 50" in summary.command
    assert kind_label("mean") != kind_label("sts")


def test_a_missing_file_is_none_and_a_wrong_one_is_named(tmp_path):
    assert read_summary(tmp_path / "ladder.json") is None
    for text in ("{", "{}", '{"model": "m", "limit": null, "encoders": []}', '{"data": [], "layout": {}}'):
        (tmp_path / "ladder.json").write_text(text)
        with pytest.raises(InputError, match=r"ladder\.json holds no ladder"):
            read_summary(tmp_path / "ladder.json")
