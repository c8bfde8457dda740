"""What is refused, with what words, and that nothing unsafe is read on the way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import AutoModel, BertConfig, BertModel, LlamaForCausalLM, MambaConfig, MambaModel, T5Config, T5Model

from llm2vec_core import loading
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import AdapterError, ConversionError, InputError, ModelError
from llm2vec_core.loading import (
    available_memory,
    load_tokenizer,
    refuse_broken_weights,
    refuse_if_too_large,
    weight_bytes,
)
from tests.close import assert_close

REFERENCE = Path(__file__).parent / "data" / "reference"
BASE = REFERENCE / "models" / "llama"
ADAPTER = REFERENCE / "adapters" / "llama_lora"
CPU = torch.device("cpu")


@pytest.fixture
def base(tmp_path) -> Path:
    """A copy of the small model that a test may damage."""
    return Path(shutil.copytree(BASE, tmp_path / "base"))


@pytest.fixture
def adapter(tmp_path) -> Path:
    return Path(shutil.copytree(ADAPTER, tmp_path / "adapter"))


def test_pickled_weights_are_refused(base):
    (base / "model.safetensors").unlink()
    (base / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(ModelError, match=r"pickle \(pytorch_model\.bin\).*safetensors"):
        LLM2Vec.from_pretrained(base)


def test_a_pickled_adapter_is_refused(adapter):
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    with pytest.raises(AdapterError, match=r"no adapter_model\.safetensors.*pickled"):
        LLM2Vec.from_pretrained(BASE, [adapter])


def test_no_weights_at_all(base):
    (base / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"no \*\.safetensors"):
        LLM2Vec.from_pretrained(base)


def test_weights_cut_off(base):
    file = base / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelError, match="damaged or cut off"):
        LLM2Vec.from_pretrained(base)


def test_weights_of_another_model(base):
    tensors = load_file(base / "model.safetensors")
    save_file({k: v for k, v in tensors.items() if "layers.2." not in k}, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"are not those of its config\.json: 9 are missing"):
        LLM2Vec.from_pretrained(base)
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"hidden_size": 32, "num_hidden_layers": 2}))
    with pytest.raises(ModelError, match="cannot load a model"):
        LLM2Vec.from_pretrained(base)


def test_weights_without_a_place_are_told(base, caplog):
    LLM2Vec.from_pretrained(base)
    assert "left aside" not in caplog.text
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"num_hidden_layers": config["num_hidden_layers"] - 1}))
    LLM2Vec.from_pretrained(base)
    assert "9 of the weights" in caplog.text and "have no place in the model of its config.json" in caplog.text


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_weights(base, value):
    tensors = load_file(base / "model.safetensors")
    tensors["model.layers.1.mlp.up_proj.weight"][3, 4] = value
    save_file(tensors, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"layers\.1\.mlp\.up_proj\.weight of 'base' holds NaN or infinity"):
        LLM2Vec.from_pretrained(base)


def test_weights_that_are_large_are_not_broken():
    layer = torch.nn.Linear(8, 8)
    torch.nn.init.constant_(layer.weight, 3e38)  # their sum is no float32
    assert layer.weight.sum().isinf()
    refuse_broken_weights(layer, "base")


def test_too_large_for_the_memory_is_said_before_loading(monkeypatch):
    monkeypatch.setattr(loading, "available_memory", lambda: 10**6)
    monkeypatch.setattr(AutoModel, "from_pretrained", lambda *_a, **_k: pytest.fail("was loaded"))
    with pytest.raises(ModelError, match=r"needs about 0\.0 GB.*bfloat16"):
        LLM2Vec.from_pretrained(BASE)


def test_bytes_are_counted_from_the_headers():
    parameters = sum(p.numel() for p in LlamaForCausalLM.from_pretrained(BASE).parameters())
    assert weight_bytes(str(BASE), torch.float32) == 4 * parameters
    assert weight_bytes(str(BASE), "bfloat16") == 2 * parameters
    assert weight_bytes(str(BASE), "auto") == 4 * parameters
    assert available_memory() > 0
    refuse_if_too_large(str(BASE), torch.float32, CPU)


def test_a_hub_that_does_not_tell_the_size(monkeypatch):
    def offline(*_args, **_options):
        raise OSError("offline")

    monkeypatch.setattr(loading, "get_safetensors_metadata", offline)
    assert weight_bytes("owner/model", torch.float32) is None


def test_an_adapter_for_another_base(adapter, bundled):
    with pytest.raises(AdapterError, match="does not fit LlamaModel \\(384 wide\\)"):
        LLM2Vec.from_pretrained(bundled.causal_model.config._name_or_path, [adapter])


def test_an_adapter_for_a_deeper_base(adapter):
    tensors = load_file(adapter / "adapter_model.safetensors")
    extra = {k.replace("layers.2.", "layers.7."): v.clone() for k, v in tensors.items() if "layers.2." in k}
    save_file({**tensors, **extra}, adapter / "adapter_model.safetensors")
    with pytest.raises(AdapterError, match=r"14 of its tensors find no place.*layers\.7"):
        LLM2Vec.from_pretrained(BASE, [adapter])


def test_an_adapter_for_a_shallower_base(adapter):
    tensors = load_file(adapter / "adapter_model.safetensors")
    save_file({k: v for k, v in tensors.items() if "layers.2." not in k}, adapter / "adapter_model.safetensors")
    with pytest.raises(AdapterError, match=r"14 of its tensors.*missing"):
        LLM2Vec.from_pretrained(BASE, [adapter])


@pytest.mark.parametrize("merge", [True, False])
def test_an_adapter_trained_with_the_language_model_head(tmp_path, merge):
    """Its names say ``model.layers…`` where the headless model says ``layers…``."""
    torch.manual_seed(0)
    lm = get_peft_model(
        LlamaForCausalLM.from_pretrained(BASE),
        LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False),
    )
    lm.save_pretrained(tmp_path)
    ids = torch.tensor([[1, 36, 538, 263]])
    with torch.no_grad():
        expected = lm(input_ids=ids, output_hidden_states=True).hidden_states[-1]
        model = LLM2Vec.from_pretrained(BASE, [tmp_path], bidirectional=False, merge_adapters=merge).model
        np.testing.assert_allclose(model(input_ids=ids).last_hidden_state, expected, atol=1e-5)


def test_unmerged_adapters_are_saved_merged(tmp_path):
    encoder = LLM2Vec.from_pretrained(BASE, [ADAPTER, REFERENCE / "adapters" / "llama_lora2"], merge_adapters=False)
    assert any("lora_" in name for name, _ in encoder.model.named_parameters())
    before = encoder.encode(["A cat sat."])
    encoder.save_pretrained(tmp_path)
    back = LLM2Vec.from_pretrained(tmp_path)
    assert not any("lora_" in name for name, _ in back.model.named_parameters())
    assert_close(back.encode(["A cat sat."]), before)
    np.testing.assert_array_equal(encoder.encode(["A cat sat."]), before)


SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 1000,
}


def saved(tmp_path: Path, model) -> Path:
    folder = tmp_path / "model"
    shutil.copytree(BASE, folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder)
    return folder


def test_an_encoder_only_model_is_refused(tmp_path):
    folder = saved(tmp_path, BertModel(BertConfig(**SMALL)))
    with pytest.raises(ModelError, match=r"bert.*encoder-only: it reads in both directions"):
        LLM2Vec.from_pretrained(folder)


def test_a_decoder_that_reads_in_both_directions_is_refused(tmp_path, monkeypatch):
    """By behaviour, whatever its type is called."""
    monkeypatch.setattr(loading, "OUT_OF_SCOPE", {})
    folder = saved(tmp_path, BertModel(BertConfig(**SMALL)))
    with pytest.raises(ModelError, match=r"bert.*both directions already"):
        LLM2Vec.from_pretrained(folder)


def test_an_encoder_with_a_decoder_is_refused(tmp_path):
    folder = saved(tmp_path, T5Model(T5Config(vocab_size=99, d_model=16, d_kv=4, d_ff=32, num_layers=1, num_heads=4)))
    with pytest.raises(ModelError, match="encoder with a decoder"):
        LLM2Vec.from_pretrained(folder)


def test_a_recurrent_model_is_refused_with_its_layers(tmp_path):
    mamba = MambaModel(MambaConfig(vocab_size=1000, hidden_size=16, state_size=4, num_hidden_layers=2))
    with pytest.raises(ConversionError, match="mamba") as caught:
        LLM2Vec.from_pretrained(saved(tmp_path, mamba))
    assert caught.value.causal_layers == (0, 1)


def test_an_unknown_type_is_refused_without_asking_for_its_code(base, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on the terminal"))
    config = json.loads((base / "config.json").read_text())
    config |= {"model_type": "from_the_future", "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}}
    (base / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="'from_the_future', which the installed transformers does not know"):
        LLM2Vec.from_pretrained(base)


def test_a_folder_without_a_tokenizer(base):
    (base / "tokenizer.json").unlink()
    (base / "tokenizer_config.json").unlink()
    with pytest.raises(ModelError, match="cannot load the tokenizer of 'base'"):
        LLM2Vec.from_pretrained(base)


def test_the_tokenizer_file_is_the_truth(base):
    """transformers rebuilds this type from vocabulary and merges and would split differently."""
    config = json.loads((base / "tokenizer_config.json").read_text())
    (base / "tokenizer_config.json").write_text(json.dumps(config | {"tokenizer_class": "Qwen2Tokenizer"}))
    model = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(model | {"model_type": "qwen2"}))
    exact = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer = load_tokenizer(str(base), None)
    for text in ("A cat sat on 3 mats.", "  naïve\n café"):
        assert tokenizer(text)["input_ids"] == exact.encode(text).ids


def test_quantization_needs_bitsandbytes():
    with pytest.raises(ModelError, match="pip install bitsandbytes"):
        LLM2Vec.from_pretrained(BASE, quantization="4bit")
    with pytest.raises(ModelError, match="choose 4bit or 8bit"):
        LLM2Vec.from_pretrained(BASE, quantization="2bit")


@pytest.mark.parametrize("dtype", ["float8", "torch.float32", "half", "", torch.int8, 32, ["float32"]])
def test_an_unknown_dtype(dtype):
    with pytest.raises(InputError, match=r"unknown dtype.*choose one of auto, float32, bfloat16"):
        LLM2Vec.from_pretrained(BASE, dtype=dtype)


@pytest.mark.parametrize("dtype", ["bfloat16", torch.float16])
def test_half_precision(dtype):
    encoder = LLM2Vec.from_pretrained(BASE, dtype=dtype, device="cpu")
    assert encoder.model.dtype in (torch.bfloat16, torch.float16)
    full = LLM2Vec.from_pretrained(BASE, device="cpu")
    assert encoder.prefix_test().is_bidirectional
    ours, theirs = encoder.encode(["A cat sat."])[0], full.encode(["A cat sat."])[0]
    assert ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs) > 0.995


def test_the_attention_implementation_can_be_chosen():
    eager = LLM2Vec.from_pretrained(BASE, attn_implementation="eager")
    assert eager.model.config._attn_implementation == "eager"
    np.testing.assert_allclose(
        eager.encode(["A cat sat."]), LLM2Vec.from_pretrained(BASE).encode(["A cat sat."]), atol=1e-5
    )
    with pytest.raises(ModelError, match=r"attn_implementation 'no_such_thing' cannot be used with 'llama'"):
        LLM2Vec.from_pretrained(BASE, attn_implementation="no_such_thing")


def test_devices_and_settings_that_do_not_exist():
    with pytest.raises(InputError, match="unknown device 'toaster'"):
        LLM2Vec.from_pretrained(BASE, device="toaster")
    with pytest.raises(InputError, match="unknown setting 'poolng_mode'"):
        LLM2Vec.from_pretrained(BASE, poolng_mode="mean")


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, bundled):
    bundled.save_pretrained(tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(bundled.model), "save_pretrained", full)
    with pytest.raises(ModelError, match=r"No space left.*make room"):
        bundled.with_settings(pooling_mode="last_token").save_pretrained(tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_file_that_is_no_model_is_refused_for_that(tmp_path):
    (tmp_path / "notes.txt").write_text("no model")
    with pytest.raises(ModelError, match=r"'notes.txt' is a file; a model is a folder, a .gguf file, or a Hub id"):
        LLM2Vec.from_pretrained(tmp_path / "notes.txt")


def test_one_adapter_by_its_name(adapter):
    alone, listed = (LLM2Vec.from_pretrained(BASE, names).encode(["a river"]) for names in (str(adapter), [adapter]))
    np.testing.assert_array_equal(alone, listed)


@pytest.mark.parametrize("arguments", [(None,), (5,), (BASE, [None]), (BASE, [3])], ids=str)
def test_names_that_are_none(arguments):
    with pytest.raises(InputError, match=r"(source|adapters) .*(None|5|3).* must be a string or a path"):
        LLM2Vec.from_pretrained(*arguments)


@pytest.mark.parametrize(
    ("device_map", "wanted"),
    [
        ("gpu", "device_map 'gpu' must be one of auto, balanced"),
        (2.5, r"device_map 2.5 must be .* a device such as 'cuda:0'"),
        ({}, "device_map {} must be"),
        ({"": "nowhere"}, "device_map .*nowhere.* must be"),
        ({"": 99}, "asks for the GPU 99, and 0 are here"),
        ({"": "cpu", "model.layers": "cpu"}, "device_map names 'model.layers', which is no module of this llama"),
    ],
    ids=str,
)
def test_a_device_map_that_is_none_is_named(device_map, wanted):
    with pytest.raises(InputError, match=wanted):
        LLM2Vec.from_pretrained(BASE, device_map=device_map)
