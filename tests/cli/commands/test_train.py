from __future__ import annotations

import json

import pytest

from llm2vec_core.bundled_data import passages
from llm2vec_core.cli import main
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.presets import BUNDLED


@pytest.fixture
def texts(tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(p.text for p in passages()[:40]))
    return file


@pytest.mark.parametrize("objective", ["mntp", "simcse"])
def test_train_writes_an_adapter_that_loads(tmp_path, texts, capsys, objective):
    out = tmp_path / "adapter"
    options = ["--steps", "2", "--batch-size", "8", "--max-length", "24", "--held-out", "8", "--held-out-every", "1"]
    extra = (
        ["--mask-probability", "0.3"]
        if objective == "mntp"
        else ["--token-dropout", "0.2", "--merge", BUNDLED.stages[2].adapters[0]]
    )
    assert (
        main(["train", objective, "--base", BUNDLED.base, "--texts", str(texts), "--out", str(out), *options, *extra])
        == 0
    )
    settings = json.loads((out / "training.json").read_text())
    assert (settings["objective"], settings["steps_done"], settings["texts"]) == (objective, 2, 32)
    assert settings["final_held_out_loss"] > 0
    assert "step 2/2" in capsys.readouterr().out
    assert LLM2Vec.from_pretrained(BUNDLED.base, [out]).prefix_test().is_bidirectional


def test_missing_texts(tmp_path, capsys):
    base = ["train", "mntp", "--out", str(tmp_path / "o")]
    assert main([*base, "--base", str(tmp_path), "--texts", str(tmp_path / "none.txt")]) == 2
    assert "no file 'none.txt'" in capsys.readouterr().err
