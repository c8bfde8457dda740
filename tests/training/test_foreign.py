from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from llm2vec_core import AdapterError, LLM2Vec
from llm2vec_core.presets import ASSETS, BUNDLED
from llm2vec_core.stages import StagedModel
from llm2vec_core.training.foreign import load_foreign_adapter
from tests.close import assert_close

MNTP, SIMCSE = (ASSETS / "adapters" / "llm2vec-mini" / stage for stage in ("mntp", "simcse"))
LIMIT = 10**7
TEXTS = ["The river rose after the rain.", "It rained."]


@pytest.fixture(scope="module")
def base() -> LLM2Vec:
    return LLM2Vec.from_pretrained(BUNDLED.base)


def files(folder: Path, config: dict | str | None = None, tensors: dict | bytes | None = None) -> tuple[Path, Path]:
    given = json.loads((MNTP / "adapter_config.json").read_text())
    config_file, weights_file = folder / "c.json", folder / "w.safetensors"
    config_file.write_text(config if isinstance(config, str) else json.dumps(given | (config or {})))
    if isinstance(tensors, bytes):
        weights_file.write_bytes(tensors)
    else:
        save_file(load_file(MNTP / "adapter_model.safetensors") if tensors is None else tensors, weights_file)
    return config_file, weights_file


def test_it_gives_the_embeddings_of_the_stage_and_leaves_the_base_alone(base, tmp_path):
    before = base.encode(TEXTS)
    named = {"base_model_name_or_path": "/etc/passwd", "auto_mapping": {"base_model_class": "os.system"}}
    found = load_foreign_adapter(base, *files(tmp_path, named), LIMIT)
    assert np.abs(found.encode(TEXTS) - LLM2Vec.from_preset("mini:mntp").encode(TEXTS)).max() < 1e-4
    assert np.abs(base.encode(TEXTS) - before).max() == 0.0
    assert np.abs(found.encode(TEXTS) - before).max() > 0.1


def test_on_a_stage_whose_adapters_stand_beside_the_weights_it_takes_no_copy_of_them(tmp_path):
    stage = StagedModel(BUNDLED).encoder("mntp")
    before, given = stage.encode(TEXTS), json.loads((SIMCSE / "adapter_config.json").read_text())
    found = load_foreign_adapter(stage, *files(tmp_path, given, load_file(SIMCSE / "adapter_model.safetensors")), LIMIT)
    expected = LLM2Vec.from_preset("mini:simcse").encode(TEXTS)
    assert_close(found.encode(TEXTS), expected, 1e-4)
    assert found.model.layers[0].mlp.up_proj.frozen.weight is stage.model.layers[0].mlp.up_proj.frozen.weight
    assert np.array_equal(stage.encode(TEXTS), before) and np.abs(expected - before).max() > 0.1


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "is no JSON"),
        ("[1]", "no JSON object"),
        ({"peft_type": "IA3"}, "peft_type is 'IA3'"),
        ({"r": 10**9}, "rank r is 1000000000"),
        ({"r": "16"}, "rank r is '16'"),
        ({"lora_alpha": float("nan")}, "lora_alpha is nan"),
        ({"target_modules": "(a+)+$"}, "a pattern is not read"),
        ({"target_modules": ["c_attn"]}, "layers named 'c_attn'.*another base"),
        ({"use_dora": True}, "sets use_dora to True"),
        ({"layer_replication": [[0, 4], [0, 4]]}, "sets layer_replication"),
        ({"modules_to_save": ["embed_tokens"]}, "sets modules_to_save"),
        ({"megatron_config": {"a": 1}}, "sets megatron_config"),
        ({"rank_pattern": {"(a+)+$": 4}}, "sets rank_pattern"),
        ({"r": 8}, "rank 8 in adapter_config.json and rank 16 in its weights"),
    ],
)
def test_configurations_that_are_refused(base, tmp_path, config, message):
    with pytest.raises(AdapterError, match=message):
        load_foreign_adapter(base, *files(tmp_path, config), LIMIT)


def test_weights_that_are_refused(base, tmp_path):
    good = load_file(MNTP / "adapter_model.safetensors")
    name = next(iter(good))
    narrow = {key: value[..., :128].clone() for key, value in good.items()}
    for tensors, message in (
        (b"\x80\x04pickled", "damaged or no safetensors"),
        ((MNTP / "adapter_model.safetensors").read_bytes()[:5000], "damaged or no safetensors"),
        ({"model.embed_tokens.weight": torch.zeros(2, 2)}, "only LoRA's matrices"),
        ({}, "holds no weights"),
        (narrow, "another base .*q_proj.lora_A.* has the shape .* in its file, and .* here"),
        (good | {name: torch.full_like(good[name], float("nan"))}, "NaN"),
        ({key: torch.full_like(value, 1e38) for key, value in good.items()}, "NaN or infinity"),
        ({key: value for key, value in good.items() if key != name}, "another base"),
    ):
        with pytest.raises(AdapterError, match=message):
            load_foreign_adapter(base, *files(tmp_path, None, tensors), LIMIT)
    with pytest.raises(AdapterError, match=r"has 1.9 MB; at most 1 fit"):
        load_foreign_adapter(base, *files(tmp_path), 10**6)
    assert base.prefix_test().is_bidirectional
