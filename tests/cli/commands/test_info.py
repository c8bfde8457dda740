from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoTokenizer, MambaConfig, MambaModel

from llm2vec_core import __version__
from llm2vec_core.presets import BUNDLED, PRESETS


def test_without_a_model(run):
    code, printed, talk = run("info")
    assert (code, talk) == (0, "")
    assert f"llm2vec core  {__version__}\n" in printed
    assert f"torch         {torch.__version__}\n" in printed
    assert all(key in printed for key in PRESETS)
    facts = json.loads(run("info", "--json")[1])
    assert facts["torch"] == torch.__version__
    assert [preset["key"] for preset in facts["presets"]] == list(PRESETS)


def test_presets(run):
    table = run("info", "--presets")[1].splitlines()
    assert [line.split()[0] for line in table[1:]] == list(PRESETS)
    (mini,) = [row for row in json.loads(run("info", "--presets", "--json")[1]) if row["key"] == "mini"]
    assert [stage["key"] for stage in mini["stages"]] == [stage.key for stage in BUNDLED.stages]


def test_a_model(run, bundled, bundled_causal):
    code, printed, _ = run("info", "mini:bidirectional", "--json")
    facts = json.loads(printed)
    assert code == 0
    assert facts["parameters"] == sum(weight.numel() for weight in bundled.model.parameters())
    assert facts["architecture"] == "LlamaModel (llama)"
    assert (facts["layers"], facts["hidden_size"], facts["dtype"]) == (4, 384, "float32")
    assert facts["weights_in_memory"]["float32"] == f"{facts['parameters'] * 4 / 2**20:.1f} MiB"
    assert (facts["converts"], facts["license"]) == (True, BUNDLED.license)
    before, after = facts["prefix_test"]["before"], facts["prefix_test"]["after"]
    assert before == {"earlier_tokens_moved_by": 0.0, "layers_that_see_the_future": "0 of 4"}
    moved = bundled.prefix_test().end_to_end
    assert after["layers_that_see_the_future"] == "4 of 4"
    assert after["earlier_tokens_moved_by"] == pytest.approx(moved, abs=1e-6)


def test_a_model_for_people(run):
    printed = run("info", "mini:mntp", "--max-length", "64", "--pooling-mode", "last_token")[1]
    lines = dict(line.split("  ", 1) for line in printed.splitlines())
    facts = {name: value.strip() for name, value in lines.items()}
    assert facts["parameters"] == "10,227,072"
    assert (facts["max length"], facts["pooling"], facts["adapters"]) == ("64", "last_token", "mntp")
    assert facts["prefix test before"] == "earlier tokens moved by 0.0; layers that see the future 0 of 4"


def test_a_model_that_does_not_convert(tmp_path, run):
    torch.manual_seed(0)
    MambaModel(MambaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=2, state_size=4)).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(BUNDLED.base).save_pretrained(tmp_path)
    code, printed, _ = run("info", str(tmp_path), "--json")
    facts = json.loads(printed)
    assert (code, facts["converts"]) == (0, False)
    assert "cannot be made bidirectional" in facts["reason"]
    assert "after" not in facts["prefix_test"]


def test_no_model_there(tmp_path, run):
    code, printed, talk = run("info", str(tmp_path))
    assert (code, printed) == (2, "")
    assert talk.startswith(f"error: the folder {tmp_path.name!r} has no config.json")
