from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq


def test_curves_are_printed_and_kept_and_go_on_where_they_were_stopped(folder, run):
    arguments = (
        "efficiency", "--pairs", "training.jsonl", "--data", "sts", "--out", "curve.json", "--steps", "2", "--every", "1",
        "--stages", "causal", "--sets", "STS12", "--batch-size", "2",
    )  # fmt: skip
    code, out, err = run(*arguments, "--seeds", "1")
    assert code == 0
    assert out.startswith("Causal, weighted mean: 0: ")
    assert err.count("seed 0: step ") == 3
    found = json.loads((folder / "curve.json").read_text())
    assert found["starts"][0]["steps"] == [0, 1, 2]
    assert found["settings"]["sets"] == {"STS12": 3}
    assert "A · Causal, weighted mean" in (folder / "curve.svg").read_text(encoding="utf-8")
    assert str(folder) not in json.dumps(found)
    assert found["command"].startswith("python -m llm2vec_core efficiency --preset mini --stages causal --pairs PAIRS")
    code, _, err = run(*arguments, "--seeds", "2")
    assert code == 0
    assert err.count("seed 0: step ") == 0
    assert err.count("seed 1: step ") == 3


def test_wrong_input_is_named(folder, run):
    pairs = {"sentence1": ["a", "b"], "sentence2": ["c", "d"], "label": [0, 1]}
    pq.write_table(pa.table(pairs), folder / "sts" / "pairs.parquet")
    base = ("efficiency", "--pairs", "training.jsonl", "--data", "sts", "--out", "c.json")
    for arguments, message in (
        (("--seeds", "0"), "--seeds is 0; it must be at least 1"),
        (("--every", "0"), "--every is 0"),
        (("--preset", "gpt"), "unknown preset 'gpt'"),
        (("--stages", "gpt"), "no stage 'gpt'"),
        (
            ("--preset", "sheared-llama-1.3b", "--stages", "supervised"),
            "stage 'supervised' was trained on labelled pairs",
        ),
        (("--sets", "pairs"), "--sets pairs: this command measures sentence similarity"),
    ):
        code, _, err = run(*base, *arguments)
        assert code == 2
        assert message in err
    assert not (folder / "c.json").exists()
