from __future__ import annotations

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llm2vec_core import baselines
from llm2vec_core.cli.commands import evaluate
from llm2vec_core.cli.commands.evaluate import _places
from llm2vec_core.evaluation.summary import read_summary
from llm2vec_core.evaluation.tasks.sts import TASK
from llm2vec_core.presets import BUNDLED, MINILM
from llm2vec_core.provision import how_to_get

PAIRS = {
    "sentence1": ["A river rose.", "A cat slept.", "He sold bread."],
    "sentence2": ["The stream swelled.", "Stars burn.", "He baked."],
    "score": [5.0, 0.0, 3.0],
}


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in TASK.sets:
        pq.write_table(pa.table(PAIRS), folder / f"{name}.parquet")
    return str(folder)


@pytest.fixture(autouse=True)
def no_encoder_only_model(monkeypatch):
    """The rows are the same wherever these tests run."""
    monkeypatch.setattr(evaluate, "installed_folder", lambda _: None)


def test_the_ladder_goes_to_standard_output(data, run):
    code, out, err = run("evaluate", "--data", data)
    assert code == 0
    assert out.startswith("| encoder | STS12 |")
    assert "Causal, last token" in out
    assert "Causal, last token: " in err
    assert "missing: MRPC, Banking77" in err
    assert f"missing: {MINILM.label}; {how_to_get(MINILM)}" in err and MINILM.label not in out


def test_the_encoder_only_model_is_a_row_of_its_own(data, run, monkeypatch, bundled):
    asked = []
    monkeypatch.setattr(baselines, "encoder_only", lambda *given: asked.append(given) or baselines.static(bundled))
    common = ("evaluate", "--data", data, "--tasks", "STS12", "--quiet")
    code, out, err = run(*common, "--stages", MINILM.key, "--centred", "--device", "cpu")
    assert (code, err, asked) == (0, "", [(MINILM, "cpu")])
    names = [line.split("|")[1].strip() for line in out.splitlines() if line.startswith("| all")]
    assert names == [MINILM.label, f"{MINILM.label}, centred"] and "Causal" not in out
    # With the whole ladder where it is at hand, and not where only some stages are wanted.
    monkeypatch.setattr(evaluate, "installed_folder", lambda _: data)
    assert MINILM.label not in run(*common, "--stages", "mntp")[1]
    whole = run(*common, "--model", BUNDLED.base, "--pooling-mode", "mean")[1]
    assert f"\n| {MINILM.label} | " in whole and "| Causal, mean |" in whole
    assert "encoder-only was never a decoder" in whole


def test_out_holds_tables_figure_and_results_and_a_second_run_measures_nothing(data, run, tmp_path):
    out = tmp_path / "out"
    arguments = ("evaluate", "--data", data, "--tasks", "STS12", "--stages", "causal", "simcse", "--out", str(out))
    code, table, err = run(*arguments)
    assert code == 0
    assert "Causal, mean: STS12" in err and "| + MNTP" not in table
    assert {file.name for file in out.iterdir()} == {
        "results.json", "ladder.md", "ladder.csv", "differences.csv", "ladder.json", "figure.json", "ladder.html",
        "ladder.svg",
    }  # fmt: skip
    assert (out / "ladder.md").read_text() == table
    figure = json.loads((out / "figure.json").read_text())
    assert (out / "ladder.svg").read_text(encoding="utf-8").count('class="mark') == 8 + 3
    assert sum(len(trace["y"]) for trace in figure["data"]) == 8
    summary = read_summary(out / "ladder.json")
    assert (summary.model, summary.limit, len(summary.encoders), summary.kinds) == ("mini", None, 8, ("sts",))
    shown = f"{summary.encoder('Causal, echo').sets[0].found.score:.1f} ["
    assert any("Causal, echo" in line and shown in line for line in table.splitlines())
    html = (out / "ladder.html").read_text(encoding="utf-8")
    assert "Static token embeddings" in html and 'src="https://cdn' not in html
    code, again, err = run(*arguments)
    assert (code, again) == (0, table)
    assert "STS12" not in err
    code, _, err = run(*arguments, "--limit", "2")
    assert code == 2 and "results with limit None, not 2" in err


def test_a_folder_of_ones_own_is_measured_with_its_adapter(data, run):
    adapter = BUNDLED.stage("mntp").adapters[0]
    common = ("evaluate", "--data", data, "--tasks", "STS12", "--quiet")
    code, by_folder, err = run(*common, "--model", BUNDLED.base, "--adapter", adapter, "--pooling-mode", "mean")
    assert (code, err) == (0, "")
    rows = [line for line in by_folder.splitlines() if line.startswith("| +")]
    assert rows[0].startswith("| + mntp, mean | ")
    code, by_preset, _ = run(*common, "--stages", "mntp")
    assert rows[0].split("|")[2] == by_preset.splitlines()[2].split("|")[2]
    code, causal, _ = run(*common, "--causal")
    assert code == 0 and "Causal, echo" in causal and "Bidirectional" not in causal


def test_stages_of_ones_own_are_rows_of_their_own(data, run):
    mntp, simcse = BUNDLED.stage("simcse").adapters
    common = ("evaluate", "--data", data, "--tasks", "STS12", "--quiet")
    stages = ("--stage", f"mine={mntp}", "--stage", f"mine 2={mntp},{simcse}")
    code, out, err = run(*common, "--model", BUNDLED.base, *stages, "--stages", "mine", "mine 2")
    assert (code, err) == (0, "")
    ours = [line.split("|")[1:3] for line in out.splitlines() if line.startswith("| mine")]
    assert [name.strip() for name, _ in ours] == ["mine, mean", "mine 2, mean"]
    code, by_preset, _ = run(*common, "--stages", "mntp", "simcse")
    assert [score for _, score in ours] == [line.split("|")[2] for line in by_preset.splitlines()[2:4]]


def test_a_stage_whose_adapter_is_missing_is_told_before_anything_is_measured(data, run, tmp_path):
    named = ("--stage", f"late one={tmp_path / 'odd = name'}")
    code, out, err = run("evaluate", "--data", data, "--tasks", "STS12", *named)
    assert (code, out) == (2, "") and "stage 'late one': " in err and "odd = name" in err
    assert "encoding" not in err
    # Where it is not asked for, it does not matter.
    code, out, _ = run("evaluate", "--data", data, "--tasks", "STS12", *named, "--stages", "mntp", "--quiet")
    assert code == 0 and "late one" not in out


def test_a_place_may_hold_an_equals_sign_and_blanks(data, run, tmp_path):
    shutil.copytree(BUNDLED.stage("mntp").adapters[0], tmp_path / "a=b c")
    common = ("evaluate", "--data", data, "--tasks", "STS12", "--quiet")
    code, out, err = run(*common, "--stage", f" my own = {tmp_path / 'a=b c'} ", "--stages", "my own", "mntp")
    assert (code, err) == (0, "")
    scores = {line.split("|")[1].strip(): line.split("|")[2] for line in out.splitlines() if ", mean" in line}
    assert scores["my own, mean"] in [score for name, score in scores.items() if name != "my own, mean"]


def test_a_place_may_hold_commas(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b,c", "d,", ",e"):
        (tmp_path / name).mkdir()
    for text, places in {
        "a,b,c": ["a", "b,c"],
        "b,c,a": ["b,c", "a"],
        "owner/one, owner/two": ["owner/one", "owner/two"],
        "a,owner/x,b,c": ["a", "owner/x", "b,c"],
        "d,,a": ["d,", "a"],
        f"{tmp_path}/b,c,a": [f"{tmp_path}/b,c", "a"],
        ",e": [",e"],
        "a,,x": ["a", "", "x"],
    }.items():
        assert list(_places(text)) == places, text


@pytest.mark.parametrize("stage", ["mine", "mine=", "=adapter", "mine=a,,b", "causal=a"])
def test_a_stage_that_is_none(data, run, stage):
    code, _, err = run("evaluate", "--data", data, "--stage", stage)
    assert code == 2 and "--stage" in err and stage.split("=")[0] in err


def test_wrong_input(data, run, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "broken.json").write_text("{")
    for arguments, message in (
        (("--data", str(tmp_path / "nowhere")), "there is no folder 'nowhere'"),
        (("--data", str(tmp_path / "empty")), "folder 'empty' has no set to measure"),
        (("--data", data, "--preset", "huge"), "unknown preset 'huge'"),
        (("--data", data, "--stages", "last"), "preset 'mini' has no stage 'last'"),
        (("--data", data, "--tasks", "STS99"), "there is no set 'STS99'"),
        (("--data", data, "--limit", "1"), "--limit 1: an interval needs at least 2"),
        (("--data", data, "--instructions", str(tmp_path / "list.json")), "list.json must map"),
        (("--data", data, "--instructions", str(tmp_path / "broken.json")), "broken.json is not JSON"),
    ):
        code, out, err = run("evaluate", *arguments)
        assert (code, out) == (2, ""), arguments
        assert f"error: {message}" in err
