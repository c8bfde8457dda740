"""The whole recipe: stages stand on each other, and what is finished is passed over."""

from __future__ import annotations

import json

from llm2vec_core.cli import main

COMMON = ["adapt", "--config", "mini", "--texts", "texts.txt", "--out", "out", "--steps", "1", "--held-out", "2"]


def test_stages_stand_on_each_other_and_a_second_run_trains_nothing(folder, tmp_path, capsys):
    command = [*COMMON, "--stages", "mntp", "simcse"]
    assert main(command) == 0, capsys.readouterr().err
    for stage in ("mntp", "simcse"):
        settings = json.loads((tmp_path / "out" / stage / "training.json").read_text())
        assert (settings["objective"], settings["steps_done"]) == (stage, 1)
    weights = tmp_path / "out" / "simcse" / "adapter_model.safetensors"
    written = weights.stat().st_mtime_ns
    capsys.readouterr()
    assert main(command) == 0
    assert capsys.readouterr().err.count("already finished") == 2
    assert weights.stat().st_mtime_ns == written


def test_what_is_missing_is_named_before_anything_is_trained(folder, tmp_path, capsys):
    assert main(COMMON) == 2
    assert "--pairs FILE" in capsys.readouterr().err
    assert main([*COMMON, "--stages", "simcse"]) == 2
    assert "'simcse' starts from 'mntp', which is not yet in 'out'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
