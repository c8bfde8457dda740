from __future__ import annotations

import json
import signal

import pytest

from llm2vec_core.bundled_data import passages
from llm2vec_core.cli import main
from llm2vec_core.cli.commands import train
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
    assert settings["batch_size"] == 8
    assert settings["final_held_out_loss"] > 0
    assert "step 2/2" in capsys.readouterr().out
    assert LLM2Vec.from_pretrained(BUNDLED.base, [out]).prefix_test().is_bidirectional


OPTIONS = ["--batch-size", "4", "--max-length", "16", "--held-out", "4", "--held-out-every", "1"]


def test_a_configuration_whose_values_flags_override(tmp_path, capsys):
    rows = [{"query": p.text[-30:], "positive": p.text[:40], "negative": ""} for p in passages()[:12]]
    rows += [rows[0], {"query": "a", "positive": "a", "negative": ""}]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = tmp_path / "own.toml"
    config.write_text(
        f'base = "mini:mntp"\n[supervised.data]\npath = {json.dumps(str(tmp_path / "pairs.jsonl"))}\n'
        "[supervised.training]\nsteps = 9\nlearning_rate = 1e-3\n[supervised.objective]\nscale = 30.0\n"
    )
    out = tmp_path / "adapter"
    flags = ["--config", str(config), "--out", str(out), "--steps", "2", "--chunk-size", "2", *OPTIONS]
    assert main(["train", "supervised", *flags]) == 0
    settings = json.loads((out / "training.json").read_text())
    assert (settings["steps"], settings["learning_rate"], settings["texts"]) == (2, 1e-3, 8)
    assert settings["options"]["scale"] == 30.0 and settings["options"]["chunk_size"] == 2
    assert "left out: 1 pairs whose positive is the query, 1 duplicates" in capsys.readouterr().err


def test_ctrl_c_keeps_the_step_and_resume_goes_on(tmp_path, texts, capsys, monkeypatch):
    show = train._show

    def interrupt(event, recent):
        show(event, recent)
        if event.step == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(train, "_show", interrupt)
    before = signal.getsignal(signal.SIGINT)
    flags = ["train", "mntp", "--base", "mini", "--texts", str(texts), "--steps", "4", *OPTIONS]
    straight, stopped = str(tmp_path / "straight"), str(tmp_path / "stopped")
    assert main([*flags, "--out", stopped]) == 130
    assert "stopped after step 2; the adapter keeps that step, --resume goes on" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before
    assert json.loads((tmp_path / "stopped" / "training.json").read_text())["steps_done"] == 2
    monkeypatch.undo()
    assert main([*flags, "--out", stopped]) == 2
    assert "holds checkpoints of an earlier run" in capsys.readouterr().err
    assert main([*flags, "--out", stopped, "--resume"]) == 0
    resumed = [line.partition("  held out")[2].split()[0] for line in capsys.readouterr().out.splitlines()[:-1]]
    assert main([*flags, "--out", straight]) == 0
    whole = [line.partition("  held out")[2].split()[0] for line in capsys.readouterr().out.splitlines()[:-1]]
    assert len(whole) == 4 and resumed == whole[2:]
    weights = [(tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("stopped", "straight")]
    assert weights[0] == weights[1]


def test_missing_texts(tmp_path, capsys):
    base = ["train", "mntp", "--out", str(tmp_path / "o")]
    assert main([*base, "--base", BUNDLED.base, "--texts", str(tmp_path / "none.txt")]) == 2
    assert "no file 'none.txt'" in capsys.readouterr().err
    assert main([*base, "--base", "mini"]) == 2
    assert "no training data is named" in capsys.readouterr().err
    assert main([*base, "--texts", "x.txt"]) == 2
    assert "no base model is named" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "\n \n", "one line\n"])
def test_too_little_text(tmp_path, capsys, text):
    (tmp_path / "a.txt").write_text(text)
    options = ["--texts", str(tmp_path / "a.txt"), "--held-out", "0", "--out", str(tmp_path / "o")]
    assert main(["train", "mntp", "--base", "mini", *options]) == 2
    assert f"{len(text.split()) // 2} usable texts to train on; give at least 2" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
