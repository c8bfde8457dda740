from __future__ import annotations

import json
import signal
import time

import numpy as np
import pytest

from llm2vec_core.bundled_data import passages
from llm2vec_core.cli import main, progress
from llm2vec_core.cli.commands import train
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.presets import BUNDLED
from llm2vec_core.training.objectives import MNTP


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
    printed = capsys.readouterr()
    assert "step 1/2  loss " in printed.err and "held out " in printed.err
    assert json.loads(printed.out)["texts"] == 32  # nothing but the result
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


def measured(told: str) -> list[str]:
    return [line.partition("  held out")[2].split()[0] for line in told.splitlines() if "  held out" in line]


def test_ctrl_c_keeps_the_step_and_resume_goes_on(tmp_path, texts, capsys, monkeypatch):
    line = train._line

    def interrupt(event, recent):
        if event.step == 2:
            signal.raise_signal(signal.SIGINT)
        return line(event, recent)

    monkeypatch.setattr(train, "_line", interrupt)
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
    resumed = measured(capsys.readouterr().err)
    assert main([*flags, "--out", straight]) == 0
    whole = measured(capsys.readouterr().err)
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
    assert f"{len(text.split()) // 2} usable examples to train on; give at least 2" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_without_held_out_texts_the_loss_is_told(tmp_path, texts, capsys):
    flags = ["--steps", "3", *OPTIONS, "--held-out", "0", "--held-out-every", "2"]
    assert main(["train", "mntp", "--base", "mini", "--texts", str(texts), "--out", str(tmp_path / "o"), *flags]) == 0
    told = [line.split()[1] for line in capsys.readouterr().err.splitlines() if line.startswith("step")]
    assert told == ["2/3", "3/3"]


def test_a_slow_run_speaks_every_ten_seconds(tmp_path, texts, capsys, monkeypatch):
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 4  # a step takes as long
        return now

    monkeypatch.setattr(train.time, "monotonic", clock)
    flags = ["--steps", "8", *OPTIONS, "--held-out", "0", "--held-out-every", "100"]
    assert main(["train", "mntp", "--base", "mini", "--texts", str(texts), "--out", str(tmp_path / "o"), *flags]) == 0
    told = [int(line.split()[1].split("/")[0]) for line in capsys.readouterr().err.splitlines() if line[:4] == "step"]
    assert told[-1] == 8 and len(told) >= 3 and max(np.diff([0, *told])) <= 3


def test_a_step_that_takes_long_speaks_too(tmp_path, texts, capsys, monkeypatch):
    loss = MNTP.loss

    def slow(self, model, rows, generator):
        time.sleep(0.6)
        return loss(self, model, rows, generator)

    monkeypatch.setattr(MNTP, "loss", slow)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.25)
    flags = ["--base", "mini", "--texts", str(texts), "--steps", "2", *OPTIONS, "--held-out", "0"]
    assert main(["train", "mntp", *flags, "--out", str(tmp_path / "o")]) == 0
    told = capsys.readouterr().err
    assert "working on step 1/2, " in told and "working on step 2/2, " in told


def test_a_loss_that_diverges_leaves_the_last_good_adapter(tmp_path, texts, capsys, monkeypatch):
    loss, seen = MNTP.loss, []

    def diverging(self, model, rows, generator):
        seen.append(1)
        return loss(self, model, rows, generator) * (float("nan") if len(seen) == 4 else 1.0)

    monkeypatch.setattr(MNTP, "loss", diverging)
    out = tmp_path / "o"
    flags = ["--base", "mini", "--texts", str(texts), "--out", str(out), "--steps", "9", *OPTIONS, "--held-out", "0"]
    assert main(["train", "mntp", *flags]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("error: the loss is nan at step 4: lower learning_rate (now 0.0005)")
    assert told.endswith("The adapter of step 2 is kept.")
    assert json.loads((out / "training.json").read_text())["steps_done"] == 2
    assert LLM2Vec.from_pretrained(BUNDLED.base, [out]).prefix_test().is_bidirectional


def test_places_and_amounts_that_do_not_fit(tmp_path, texts, capsys):
    base = ["train", "mntp", "--base", "mini", "--texts", str(texts)]
    assert main([*base, "--out", str(texts)]) == 2
    assert "'texts.txt' is a file; --out needs a folder" in capsys.readouterr().err
    assert main([*base, "--out", str(tmp_path / "o")]) == 2
    assert "40 usable examples, and 128 would be held out to measure on: give more, or --held-out 8" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "o").exists()


def test_an_option_of_another_objective_is_named_before_anything_is_loaded(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(LLM2Vec, "from_pretrained", None)
    flags = ["--base", "mini", "--data", "none.txt", "--out", str(tmp_path / "o"), "--scale", "3"]
    assert main(["train", "mntp", *flags]) == 2
    assert "mntp has no option 'scale'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("objective", "helps"),
    [
        ("mntp", "--batch-size 2 --accumulation-steps 2"),
        ("simcse", "--chunk-size 1 (the same loss, some slower), --batch-size 2,"),
    ],
)
def test_a_step_that_does_not_fit_into_memory_is_refused_before_it_is_taken(
    tmp_path, texts, capsys, monkeypatch, objective, helps
):
    monkeypatch.setattr("llm2vec_core.training.memory.BYTES", 10**9)
    flags = ["train", objective, "--base", "mini", "--texts", str(texts), "--steps", "1", *OPTIONS]
    assert main([*flags, "--out", str(tmp_path / "o")]) == 2
    told = capsys.readouterr().err
    assert "Training llm2vec-mini on" in told and "texts of up to 16 tokens at once takes about" in told
    assert helps in told and "--no-memory-check trains all the same" in told
    assert not (tmp_path / "o").exists()
    assert main([*flags, "--out", str(tmp_path / "o"), "--no-memory-check"]) == 0


ROWS = [{"query": f"question {i}", "positive": f"answer {i}", "negative": ""} for i in range(3)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([ROWS[0]] * 5, "1 usable examples to train on; give at least 2 different ones"),
        ([row | {"positive": row["query"]} for row in ROWS], "0 usable examples"),
        ([ROWS[0] | {"label": 3}], "pairs, row 1: the label '3' is neither 1 (a pair) nor 0 (none)"),
    ],
)
def test_pairs_that_teach_nothing(tmp_path, capsys, rows, message):
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = ["--data", str(tmp_path / "pairs.jsonl"), "--held-out", "0", "--out", str(tmp_path / "o")]
    assert main(["train", "supervised", "--base", "mini", *flags]) == 2
    assert message in capsys.readouterr().err


def test_a_checkpoint_of_another_base(tmp_path, texts, capsys):
    flags = ["--texts", str(texts), "--out", str(tmp_path / "o"), "--steps", "1", *OPTIONS]
    assert main(["train", "mntp", "--base", "mini", *flags]) == 0
    before = {file.name: file.read_bytes() for file in (tmp_path / "o").iterdir() if file.is_file()}
    assert main(["train", "mntp", "--base", "mini:mntp", *flags, "--resume"]) == 2
    assert (
        "'checkpoint-1' belongs to another run: it was trained on a base with other weights" in capsys.readouterr().err
    )
    assert {file.name: file.read_bytes() for file in (tmp_path / "o").iterdir() if file.is_file()} == before
