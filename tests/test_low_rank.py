"""Plain LoRA without PEFT's layers: PEFT's own model is the oracle, and whatever is not plain goes PEFT's road."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from transformers import AutoModel, LlamaConfig, MambaConfig

from llm2vec_core import encoder as encoder_module
from llm2vec_core.adapters import adapted_view, apply_adapters, merged_copy
from llm2vec_core.architectures import tiny_model
from llm2vec_core.bidirectional import shared_weights_view
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import AdapterError, ConversionError
from llm2vec_core.low_rank import low_rank_layers
from llm2vec_core.presets import BUNDLED, ModelPreset, Stage
from llm2vec_core.stages import StagedModel
from tests.conftest import SMALL
from tests.test_adapters import IDS, LORA, QV, adapter, assert_same, by_peft, plain, trained, write

pytestmark = pytest.mark.filterwarnings("ignore:::(?!llm2vec_core|tests)")  # PEFT and torch warn about much
TEXTS = ["A river flows to the sea.", "The bank was robbed at noon."]
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    options = {**SMALL, "initializer_range": 0.2, "attention_bias": True, "tie_word_embeddings": False}
    return write(tmp_path_factory.mktemp("base"), LlamaConfig(**options))


@torch.no_grad()
def states(model: torch.nn.Module) -> np.ndarray:
    return model(input_ids=IDS).last_hidden_state.numpy()


PLAIN = {
    "two kinds of layers": {},
    "one layer by its full name": {"target_modules": ["model.layers.1.mlp.up_proj"]},
    "every linear layer": {"target_modules": "all-linear"},
    "dropout and another start": {"lora_dropout": 0.3, "init_lora_weights": "gaussian"},
    "a scale that is no power of two": {"r": 3, "lora_alpha": 7},
}


@pytest.mark.parametrize("options", PLAIN.values(), ids=PLAIN.keys())
def test_plain_lora_is_what_peft_computes(base, tmp_path, options):
    folder = adapter(base, tmp_path, LoraConfig(**{"target_modules": QV, "r": 4, "task_type": "CAUSAL_LM"} | options))
    model = AutoModel.from_pretrained(base)
    view, want = adapted_view(model, [str(folder)]), by_peft(base, folder)
    assert low_rank_layers(view) and not low_rank_layers(model)
    assert np.abs(want - plain(base)).max() > 1e-2
    assert_same(states(view), want)
    assert_same(states(merged_copy(view)), want)
    assert not low_rank_layers(merged_copy(view)) and low_rank_layers(view)
    np.testing.assert_array_equal(states(model), plain(base))


def test_float16_matrices_are_read_as_peft_reads_them(base, tmp_path):
    folder = adapter(base, tmp_path, LoraConfig(target_modules=QV, r=4))
    save_file({name: tensor.half() for name, tensor in load_file(folder / WEIGHTS).items()}, folder / WEIGHTS)
    assert_same(states(adapted_view(AutoModel.from_pretrained(base), [str(folder)])), by_peft(base, folder))


def test_several_adapters_add_up(base, tmp_path):
    options = [{"target_modules": QV, "r": 4}, {"target_modules": ["q_proj", "up_proj"], "r": 3, "lora_alpha": 5}]
    folders = [
        str(adapter(base, tmp_path / str(seed), LoraConfig(**option), seed=seed)) for seed, option in enumerate(options)
    ]
    view = adapted_view(AutoModel.from_pretrained(base), folders)
    assert {layer.down.shape[0] for layer in low_rank_layers(view).values()} == {3, 4, 7}
    want = states(apply_adapters(AutoModel.from_pretrained(base), folders, merge=False))
    assert_same(states(view), want)
    # One after the other too, and the first is left as it was.
    first = adapted_view(AutoModel.from_pretrained(base), folders[:1])
    before = states(first)
    both = adapted_view(first, folders[1:])
    assert {layer.down.shape[0] for layer in low_rank_layers(both).values()} == {3, 4, 7}
    assert_same(states(both), want)
    np.testing.assert_array_equal(states(first), before)


def test_peft_takes_over_where_what_comes_on_top_is_not_plain(base, tmp_path):
    below = adapter(base, tmp_path / "below", LoraConfig(target_modules=QV, r=4), seed=0)
    above = adapter(base, tmp_path / "above", LoraConfig(target_modules=QV, r=2, use_rslora=True, lora_alpha=3), seed=1)
    view = adapted_view(adapted_view(AutoModel.from_pretrained(base), [str(below)]), [str(above)])
    merged = apply_adapters(AutoModel.from_pretrained(base), [str(below)])
    assert_same(states(view), states(apply_adapters(merged, [str(above)], merge=False)))


@pytest.mark.parametrize("name", [name for name in LORA if name not in ("targets by full names", "every linear layer")])
def test_what_is_not_plain_goes_the_road_of_peft(base, tmp_path, name):
    options = {"target_modules": QV, "r": 4, "lora_alpha": 8, "task_type": "CAUSAL_LM"} | LORA[name]
    folder = adapter(base, tmp_path, LoraConfig(**options))
    view = adapted_view(AutoModel.from_pretrained(base), [str(folder)])
    assert not low_rank_layers(view)
    assert_same(states(view), by_peft(base, folder))


def lose_a_tensor(folder):
    tensors = load_file(folder / WEIGHTS)
    del tensors[sorted(tensors)[0]]
    save_file(tensors, folder / WEIGHTS)


def gain_a_tensor(folder):
    save_file(load_file(folder / WEIGHTS) | {"base_model.model.model.stranger.weight": torch.ones(2)}, folder / WEIGHTS)


def claim(**values):
    def change(folder):
        config = json.loads((folder / CONFIG).read_text()) | values
        (folder / CONFIG).write_text(json.dumps(config))

    return change


def overflow(folder):
    save_file({name: tensor * 1e30 for name, tensor in load_file(folder / WEIGHTS).items()}, folder / WEIGHTS)


BROKEN = {
    "a matrix is missing": lose_a_tensor,
    "a tensor too many": gain_a_tensor,
    "another rank": claim(r=2),
    "fewer targets than weights": claim(target_modules=["q_proj"]),
    "more targets than weights": claim(target_modules=[*QV, "k_proj"]),
    "targets that are none": claim(target_modules=["nothing"]),
    "numbers that overflow": overflow,
}


@pytest.mark.parametrize("breaks", BROKEN.values(), ids=BROKEN.keys())
def test_what_does_not_fit_is_refused_in_the_same_words(base, tmp_path, breaks):
    folder = adapter(base, tmp_path, LoraConfig(target_modules=QV, r=4))
    breaks(folder)
    with pytest.raises(AdapterError) as by_the_other_road:
        apply_adapters(AutoModel.from_pretrained(base), [str(folder)], merge=False)
    with pytest.raises(AdapterError) as found:
        adapted_view(AutoModel.from_pretrained(base), [str(folder)])
    assert str(found.value) == str(by_the_other_road.value)


def test_an_adapter_of_another_base_is_refused(base, tmp_path):
    other = write(tmp_path / "other", LlamaConfig(**{**SMALL, "hidden_size": 64, "intermediate_size": 80}))
    folder = adapter(other, tmp_path / "adapter", LoraConfig(target_modules=QV, r=4))
    with pytest.raises(AdapterError, match="was trained on another base"):
        adapted_view(AutoModel.from_pretrained(base), [str(folder)])


@pytest.mark.parametrize("key", ["mntp", "simcse"])
def test_a_stage_is_what_peft_makes_of_it_and_saves_as_such(key, tmp_path):
    base = LLM2Vec.from_pretrained(BUNDLED.base)
    adapters = BUNDLED.stage(key).adapters
    stage = base.with_adapters(adapters)
    model = apply_adapters(shared_weights_view(base.causal_model), adapters, merge=False)
    want = LLM2Vec(model, base.tokenizer).encode(TEXTS)
    assert_same(stage.encode(TEXTS), want)
    assert_same(stage.attentions(TEXTS[0]).weights, LLM2Vec(model, base.tokenizer).attentions(TEXTS[0]).weights)
    assert_same(
        stage.view(bidirectional=False).encode(TEXTS), LLM2Vec(model, base.tokenizer, bidirectional=False).encode(TEXTS)
    )
    stage.save_pretrained(tmp_path / "saved")
    assert_same(LLM2Vec.from_pretrained(tmp_path / "saved").encode(TEXTS), want)


@pytest.mark.parametrize("precision", ["int8", "bfloat16"])
def test_fewer_bits_keep_the_adapters(precision):
    base, adapters = LLM2Vec.from_pretrained(BUNDLED.base), BUNDLED.stage("simcse").adapters
    want = base.with_adapters(adapters).encode(TEXTS)
    got = base.with_settings(precision=precision).with_adapters(adapters).encode(TEXTS)
    assert (np.sum(got * want, 1) / np.linalg.norm(got, axis=1) / np.linalg.norm(want, axis=1)).min() > 0.99
    assert np.abs(got - want).max() > 0


def staged(base, *adapters):
    stage = Stage("opened", "Opened", True, tuple(map(str, adapters)), "")
    return StagedModel(ModelPreset("test", "Test", str(base), "MIT", 1000, (stage,)))


def test_a_stage_of_a_model_that_cannot_be_opened_is_refused(tmp_path):
    """The base is opened and proven before an adapter stands there, so nothing slips through that fits the adapter."""
    base = write(tmp_path, MambaConfig(vocab_size=8192, hidden_size=32, num_hidden_layers=2, state_size=4))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(Path(BUNDLED.base) / name, base)
    folder = trained(AutoModel.from_pretrained(base), LoraConfig(target_modules=["in_proj"], r=4), tmp_path / "adapter")
    assert low_rank_layers(adapted_view(AutoModel.from_pretrained(base), [str(folder)]))
    with pytest.raises(ConversionError, match="recurrent"):
        staged(base, folder).encoder("opened")


@pytest.mark.parametrize(("options", "proofs"), [({}, 0), ({"use_dora": True}, 1)], ids=["plain", "not plain"])
def test_only_plain_adapters_share_the_proof_of_their_base(tmp_path, monkeypatch, options, proofs):
    config = LoraConfig(target_modules=QV, r=4, **options)
    folder = trained(AutoModel.from_pretrained(BUNDLED.base), config, tmp_path)
    base, proven = LLM2Vec.from_pretrained(BUNDLED.base), []
    prove = encoder_module.make_bidirectional
    monkeypatch.setattr(
        encoder_module, "make_bidirectional", lambda model, **how: proven.append(how) or prove(model, **how)
    )
    stage = base.with_adapters([str(folder)])
    assert [how.get("verify", True) for how in proven] == [True] * proofs
    assert stage.prefix_test().is_bidirectional and base.with_adapters([]) is base


# Opened by its flag, by the flags of its modules, by its buffers, and by a mask that its forward method is given.
@pytest.mark.parametrize("model_type", ["llama", "stablelm", "gpt_neo", "llama4_text"])
def test_whatever_opened_the_base_opens_its_stages(model_type, tmp_path):
    model = tiny_model(model_type)
    folder = trained(tiny_model(model_type), LoraConfig(target_modules=["q_proj", "o_proj", "out_proj"], r=4), tmp_path)
    tokenizer = LLM2Vec.from_pretrained(BUNDLED.base).tokenizer
    causal, opened = (LLM2Vec(model, tokenizer, bidirectional=way) for way in (False, True))
    for base in (causal, opened):
        stage = base.with_adapters([str(folder)])
        assert low_rank_layers(stage.model)
        beside = apply_adapters(shared_weights_view(model), [str(folder)], merge=False)
        assert_same(states(stage.model), states(LLM2Vec(beside, tokenizer, bidirectional=base.bidirectional).model))
    assert stage.prefix_test().is_bidirectional
    np.testing.assert_array_equal(states(opened.model), states(LLM2Vec(model, tokenizer).model))
