from __future__ import annotations

import json

import numpy as np
import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.experiments.curves import read_sample_efficiency

ROWS = [
    {"key": "causal", "label": "Causal", "direction": "causal", "steps": [0, 10, 20], "scores": [[1, 4, 6], [3, 6, 8]]},
    {
        "key": "mntp",
        "label": "MNTP",
        "direction": "bidirectional",
        "steps": [0, 10, 20],
        "scores": [[5, 8, 7], [5, 8, 9]],
    },
]
FOUND = {"title": "T", "metric": "points", "command": "again", "starts": ROWS}


def test_leaders_overlap_and_steps(tmp_path):
    file = tmp_path / "curves.json"
    file.write_text(json.dumps(FOUND))
    found = read_sample_efficiency(file)
    causal, mntp = found.curves
    np.testing.assert_array_equal(causal.mean, [2, 5, 7])
    assert found.leader(0) is mntp and found.leader(-1) is mntp
    assert mntp.steps_to(7.0) == pytest.approx(10 * 2 / 3)
    assert causal.steps_to(8.0) is None
    assert not found.overlap(causal, mntp, 0)
    assert found.overlap(causal, mntp, -1)
    assert found.steps_to_causal() == (causal, {"MNTP": mntp.steps_to(7.0)})


def test_missing_and_broken_files(tmp_path):
    assert read_sample_efficiency(tmp_path / "no.json") is None
    for text in (
        "[]",
        "{",
        json.dumps({**FOUND, "starts": []}),
        json.dumps({**FOUND, "starts": [{**ROWS[0], "steps": [0]}]}),
    ):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(InputError, match=r"x\.json holds no such experiment"):
            read_sample_efficiency(tmp_path / "x.json")
