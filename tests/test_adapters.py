"""Adapters as PEFT reads them: PEFT's own model on the causal language model is the oracle, never our reading of names."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import peft
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    GPT2Config,
    LlamaConfig,
    MixtralConfig,
    PreTrainedConfig,
)

from llm2vec_core.adapters import apply_adapters, merged_copy
from llm2vec_core.errors import AdapterError, ModelError
from tests.conftest import SMALL

pytestmark = pytest.mark.filterwarnings("ignore:::(?!llm2vec_core|tests)")  # PEFT and torch warn about much

IDS = torch.tensor([[1, 36, 53, 26, 90, 7, 64, 12]])
QV = ["q_proj", "v_proj"]


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """Causal language models with random weights, by name."""
    llama = {**SMALL, "initializer_range": 0.2}
    gpt2 = {"vocab_size": 97, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "initializer_range": 0.2}
    configs = {
        "tied": LlamaConfig(**llama, tie_word_embeddings=True),
        "untied": LlamaConfig(**llama, tie_word_embeddings=False),
        "biased": LlamaConfig(**llama, attention_bias=True, mlp_bias=True),
        "gpt2": GPT2Config(**gpt2),
        "experts": MixtralConfig(**llama, num_local_experts=4, num_experts_per_tok=2),
    }
    folder = tmp_path_factory.mktemp("bases")
    return {name: write(folder / name, config) for name, config in configs.items()}


def write(folder: Path, config: PreTrainedConfig) -> Path:
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def trained(model: torch.nn.Module, config: peft.PeftConfig, folder: Path, seed: int = 1) -> Path:
    """A model's adapter with random weights where training would have put learned ones, saved by PEFT."""
    torch.manual_seed(seed)
    wrapped = get_peft_model(model, config)
    with torch.no_grad():
        for parameter in wrapped.parameters():
            if parameter.requires_grad and parameter.is_floating_point():
                parameter.add_(torch.randn_like(parameter) * 0.1)
    wrapped.save_pretrained(folder)
    return folder


def adapter(base: Path, folder: Path, config: peft.PeftConfig, **options) -> Path:
    return trained(AutoModelForCausalLM.from_pretrained(base), config, folder, **options)


@torch.no_grad()
def by_peft(base: Path, folder: Path, model: torch.nn.Module | None = None) -> np.ndarray:
    """Hidden states as PEFT's own model has them, nothing merged."""
    model = model or AutoModelForCausalLM.from_pretrained(base)
    read = PeftModel.from_pretrained(model, str(folder)).eval()
    return read(input_ids=IDS, output_hidden_states=True).hidden_states[-1].numpy()


@torch.no_grad()
def by_us(base: Path, *folders: Path, **options) -> np.ndarray:
    model = apply_adapters(AutoModel.from_pretrained(base), [str(folder) for folder in folders], **options)
    return model(input_ids=IDS).last_hidden_state.numpy()


def plain(base: Path) -> np.ndarray:
    return by_us(base)


def assert_same(got: np.ndarray, want: np.ndarray) -> None:
    np.testing.assert_allclose(got, want, atol=1e-4 * np.abs(want).max())


LORA = {
    "alpha of one layer by its full name": {"alpha_pattern": {"model.layers.0.self_attn.q_proj": 64}},
    "alpha by a regular expression": {"alpha_pattern": {r"model\.layers\.[12]\..*": 64}},
    "rank of one layer by its full name": {"rank_pattern": {"model.layers.1.self_attn.v_proj": 2}},
    "rank by a suffix": {"rank_pattern": {"q_proj": 3}},
    "targets by a regular expression": {"target_modules": r"model\.layers\.[02]\.mlp\.(up|down)_proj"},
    "targets by full names": {"target_modules": ["model.layers.0.mlp.up_proj", "model.layers.2.self_attn.o_proj"]},
    "every linear layer": {"target_modules": "all-linear"},
    "excluded by a regular expression": {"exclude_modules": r"model\.layers\.0\..*"},
    "excluded by full name": {"exclude_modules": ["model.layers.1.self_attn.q_proj"]},
    "one layer": {"layers_to_transform": [1]},
    "one layer, its list named": {"layers_to_transform": 2, "layers_pattern": "layers"},
    "weight decomposed": {"use_dora": True},
    "scaled by the root of the rank": {"use_rslora": True},
    "embeddings": {"target_modules": ["q_proj", "embed_tokens"]},
    "head": {"target_modules": ["q_proj", "lm_head"]},
    "embeddings and head": {"target_modules": ["q_proj", "embed_tokens", "lm_head"]},
    "head whole": {"modules_to_save": ["lm_head"]},
    "embeddings and head whole": {"modules_to_save": ["embed_tokens", "lm_head"]},
    "norms whole": {"modules_to_save": ["norm", "input_layernorm"]},
    "some tokens": {"trainable_token_indices": [36, 53]},
    "some tokens, by name": {"trainable_token_indices": {"embed_tokens": [7, 90]}},
    "some tokens of embeddings and head": {"trainable_token_indices": {"embed_tokens": [7, 36], "lm_head": [3]}},
    "the output of a layer's parameter": {"target_modules": [], "target_parameters": ["mlp.up_proj.weight"]},
    "initialised by principal components": {"init_lora_weights": "pissa"},
}


@pytest.mark.parametrize(
    ("name", "base"),
    [(name, "tied") for name in LORA] + [(name, "untied") for name in LORA if "head" in name or "token" in name],
)
def test_lora_settings(bases, tmp_path, name, base):
    options = {"target_modules": QV, "r": 4, "lora_alpha": 8, "task_type": "CAUSAL_LM"} | LORA[name]
    folder = adapter(bases[base], tmp_path, LoraConfig(**options))
    want = by_peft(bases[base], folder)
    assert np.abs(want - plain(bases[base])).max() > 1e-2  # the adapter does something
    assert_same(by_us(bases[base], folder), want)
    assert_same(by_us(bases[base], folder, merge=False), want)


@pytest.mark.parametrize("options", [{"bias": "all"}, {"bias": "lora_only"}, {"lora_bias": True}], ids=str)
@pytest.mark.parametrize(("base", "targets"), [("biased", QV), ("gpt2", ["c_attn", "c_proj"])])
def test_biases(bases, tmp_path, base, targets, options):
    folder = adapter(bases[base], tmp_path, LoraConfig(target_modules=targets, r=4, **options))
    assert_same(by_us(bases[base], folder), by_peft(bases[base], folder))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"target_parameters": ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]},
        {"target_modules": [], "target_parameters": ["experts.down_proj"]},
        {"modules_to_save": ["gate"]},
    ],
    ids=str,
)
def test_a_model_of_experts(bases, tmp_path, options):
    folder = adapter(bases["experts"], tmp_path, LoraConfig(**{"target_modules": ["q_proj"], "r": 4, **options}))
    want = by_peft(bases["experts"], folder)
    assert np.abs(want - plain(bases["experts"])).max() > 1e-2
    for merge in (True, False):
        assert_same(by_us(bases["experts"], folder, merge=merge), want)


def test_weights_that_peft_takes_away_at_random_are_refused(bases, tmp_path):
    config = LoraConfig(target_modules=QV, r=4, init_lora_weights="pissa_niter_2")
    folder = adapter(bases["untied"], tmp_path, config)
    assert np.abs(by_peft(bases["untied"], folder) - by_peft(bases["untied"], folder)).max() > 1e-2
    with pytest.raises(AdapterError, match=r"init_lora_weights 'pissa_niter_2'.*drawn at random"):
        by_us(bases["untied"], folder)


def test_names_of_another_architecture(bases, tmp_path):
    """GPT-2's decoder stands under ``transformer.``, and its layers are turned matrices."""
    options = {
        "target_modules": r"transformer\.h\.1\..*c_(attn|fc)",
        "alpha_pattern": {"transformer.h.1.attn.c_attn": 99},
    }
    folder = adapter(bases["gpt2"], tmp_path, LoraConfig(r=4, fan_in_fan_out=True, **options))
    assert_same(by_us(bases["gpt2"], folder), by_peft(bases["gpt2"], folder))


def test_trained_on_the_decoder_alone(bases, tmp_path):
    config = LoraConfig(target_modules=r"layers\.0\..*_proj", r=4, alpha_pattern={"layers.0.self_attn.q_proj": 64})
    folder = trained(AutoModel.from_pretrained(bases["tied"]), config, tmp_path)
    with torch.no_grad():
        read = PeftModel.from_pretrained(AutoModel.from_pretrained(bases["tied"]), str(folder)).eval()
        assert_same(by_us(bases["tied"], folder), read(input_ids=IDS).last_hidden_state.numpy())


def test_trained_on_a_classifier(bases, tmp_path, caplog):
    base = bases["untied"]
    model = AutoModelForSequenceClassification.from_pretrained(base)
    folder = trained(model, LoraConfig(target_modules=QV, r=4, task_type="SEQ_CLS"), tmp_path)
    read = PeftModel.from_pretrained(AutoModelForSequenceClassification.from_pretrained(base), str(folder)).eval()
    with torch.no_grad():
        want = read(input_ids=IDS, output_hidden_states=True).hidden_states[-1].numpy()
    with caplog.at_level(logging.WARNING, "llm2vec_core"):
        assert_same(by_us(base, folder), want)
    assert "score" in caplog.text and "left aside" in caplog.text


class Seeing(torch.nn.Module):
    """The shape of a model that also sees: its text tower stands under ``model.language_model``."""

    def __init__(self, base: Path) -> None:
        super().__init__()
        text = AutoModel.from_pretrained(base)
        self.config = text.config
        self.model = torch.nn.Module()
        self.model.language_model = text
        self.model.vision_tower = torch.nn.Sequential(torch.nn.Linear(4, 4))

    def forward(self, input_ids, **_):
        return self.model.language_model(input_ids=input_ids)


def test_trained_on_a_model_that_also_sees(bases, tmp_path, caplog):
    options = {"target_modules": r".*language_model.*\.q_proj|.*vision_tower\.0", "r": 4}
    folder = trained(Seeing(bases["tied"]), LoraConfig(**options), tmp_path)
    with torch.no_grad():
        want = PeftModel.from_pretrained(Seeing(bases["tied"]), str(folder)).eval()(input_ids=IDS).last_hidden_state
    assert_same(by_us(bases["tied"], folder), want.numpy())


def test_what_is_the_heads_alone_is_left_aside_and_said(bases, tmp_path, caplog):
    folder = adapter(bases["untied"], tmp_path, LoraConfig(target_modules=["lm_head"], r=4))
    with caplog.at_level(logging.WARNING, "llm2vec_core"):
        np.testing.assert_array_equal(by_us(bases["untied"], folder), plain(bases["untied"]))
    assert "lm_head" in caplog.text


OTHER = {
    "IA3": {"target_modules": ["k_proj", "v_proj", "down_proj"], "feedforward_modules": ["down_proj"]},
    "LoHa": {"target_modules": QV, "r": 4},
    "LoKr": {"target_modules": QV, "r": 4},
    "AdaLora": {"target_modules": QV, "init_r": 4, "target_r": 2, "total_step": 10},
    "OFT": {"target_modules": QV, "oft_block_size": 8, "r": 0},
    "BOFT": {"target_modules": ["q_proj"], "boft_block_size": 8},
    "Vera": {"target_modules": ["q_proj", "o_proj"], "r": 4},
    "FourierFT": {"target_modules": QV, "n_frequency": 20},
    "HRA": {"target_modules": ["q_proj"], "r": 4},
    "LNTuning": {"target_modules": ["input_layernorm", "norm"]},
    "RandLora": {"target_modules": ["q_proj", "o_proj"], "r": 4},
    "Road": {"target_modules": ["q_proj", "o_proj"], "group_size": 8},
    "TrainableTokens": {"target_modules": ["embed_tokens"], "token_indices": [36, 53]},
    "VBLoRA": {"target_modules": ["q_proj", "o_proj"], "r": 4, "num_vectors": 16, "vector_length": 8, "topk": 2},
}


@pytest.mark.parametrize("name", OTHER)
def test_other_types_load_as_peft_reads_them_or_are_named(bases, tmp_path, name):
    folder = adapter(bases["untied"], tmp_path, getattr(peft, f"{name}Config")(**OTHER[name]))
    want = by_peft(bases["untied"], folder)
    assert np.abs(want - plain(bases["untied"])).max() > 1e-3
    assert_same(by_us(bases["untied"], folder), want)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("PromptTuning", {"num_virtual_tokens": 4}),
        ("PrefixTuning", {"num_virtual_tokens": 4}),
        ("PromptEncoder", {"num_virtual_tokens": 4, "encoder_hidden_size": 8}),
        ("AdaptionPrompt", {"adapter_len": 4, "adapter_layers": 2}),
    ],
)
def test_prompts_are_refused_by_name(bases, tmp_path, name, options):
    config = getattr(peft, f"{name}Config")(task_type="CAUSAL_LM", **options)
    folder = adapter(bases["untied"], tmp_path, config)
    with pytest.raises(AdapterError, match=f"PEFT type {config.peft_type.value}.*prompt"):
        by_us(bases["untied"], folder)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"alora_invocation_tokens": [36, 53]}, r"alora_invocation_tokens \[36, 53\].*train it without"),
        ({"layer_replication": [[0, 2], [1, 3]]}, "layer_replication.*merge_adapters=False"),
    ],
)
def test_lora_that_cannot_be_merged_is_refused_by_name(bases, tmp_path, options, said):
    config = LoraConfig(target_modules=QV, r=4, task_type="CAUSAL_LM", **options)
    folder = adapter(bases["untied"], tmp_path, config)
    with pytest.raises(AdapterError, match=said):
        by_us(bases["untied"], folder)


def test_tokens_that_switch_an_adapter_on_are_not_passed_over_beside_the_weights(bases, tmp_path):
    """PEFT looks for them in its own model's forward pass, which nothing beside the weights goes through."""
    config = LoraConfig(target_modules=QV, r=4, task_type="CAUSAL_LM", alora_invocation_tokens=[36, 53])
    folder = adapter(bases["untied"], tmp_path, config)
    assert np.abs(by_peft(bases["untied"], folder) - plain(bases["untied"])).max() > 1e-2  # they stand in IDS
    with pytest.raises(AdapterError, match="alora_invocation_tokens"):
        by_us(bases["untied"], folder, merge=False)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (peft.BeftConfig(target_modules=["q_proj"]), "BEFT.*no bias.*merge_adapters=False"),
        (peft.LilyConfig(target_modules=["q_proj", "o_proj"], r=4), "LILY.*merge_adapters=False"),
        (peft.PolyConfig(target_modules=["q_proj"], r=4, n_tasks=2, n_skills=2), "POLY.*task_ids.*cannot use it"),
        (peft.CartridgeConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"), "CARTRIDGE.*prompt"),
    ],
    ids=lambda value: value.peft_type.value if isinstance(value, peft.PeftConfig) else "",
)
def test_what_peft_does_not_merge_or_run_on_a_text_alone_is_not_blamed_on_the_base(bases, tmp_path, config, said):
    folder = adapter(bases["untied"], tmp_path, config)
    with pytest.raises(AdapterError, match=said) as caught:
        by_us(bases["untied"], folder)
    assert "another base" not in str(caught.value)


def test_weights_in_several_files_are_named(bases, tmp_path):
    folder = adapter(bases["untied"], tmp_path, LoraConfig(target_modules=QV, r=4))
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model-00001-of-00001.safetensors")
    (folder / "adapter_model.safetensors.index.json").write_text("{}")
    with pytest.raises(AdapterError, match=r"several files \(adapter_model.safetensors.index.json\)"):
        by_us(bases["untied"], folder)


@pytest.mark.parametrize("rows", [101, 90])
@pytest.mark.parametrize("options", [{}, {"modules_to_save": ["embed_tokens", "lm_head"]}], ids=str)
def test_a_resized_vocabulary_that_the_adapter_brings(bases, tmp_path, options, rows):
    def resized() -> torch.nn.Module:
        model = AutoModelForCausalLM.from_pretrained(bases["untied"])
        model.resize_token_embeddings(rows)
        return model

    folder = trained(resized(), LoraConfig(target_modules=QV, r=4, **options), tmp_path)
    got = apply_adapters(AutoModel.from_pretrained(bases["untied"]), [str(folder)])
    assert got.get_input_embeddings().weight.shape[0] == got.config.vocab_size == rows
    ids = torch.tensor([[1, 36, min(rows, 97) - 1, rows - 1]])
    with torch.no_grad():
        read = PeftModel.from_pretrained(resized(), str(folder)).eval()
        want = read(input_ids=ids, output_hidden_states=True).hidden_states[-1]
        assert_same(got(input_ids=ids).last_hidden_state.numpy(), want.numpy())


def test_a_resized_vocabulary_that_it_does_not_bring_is_named(bases, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(bases["untied"])
    model.resize_token_embeddings(101)
    config = LoraConfig(target_modules=["embed_tokens"], r=4)
    torch.manual_seed(0)
    get_peft_model(model, config).save_pretrained(tmp_path, save_embedding_layers=False)
    with pytest.raises(AdapterError, match="vocabulary is not the base's of 97 tokens"):
        by_us(bases["untied"], tmp_path)


def test_one_on_top_of_the_other(bases, tmp_path):
    first = adapter(bases["tied"], tmp_path / "1", LoraConfig(target_modules=QV, r=4, use_dora=True))
    second = adapter(bases["tied"], tmp_path / "2", LoraConfig(target_modules=QV, r=2, bias="none"), seed=2)
    lower = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(bases["tied"]), str(first))
    want = by_peft(bases["tied"], second, lower.merge_and_unload())
    assert_same(by_us(bases["tied"], first, second), want)
    with pytest.raises(AdapterError, match=r"use_dora.*merge_adapters=True"):
        by_us(bases["tied"], first, second, merge=False)


def test_side_by_side(bases, tmp_path):
    first = adapter(bases["tied"], tmp_path / "1", LoraConfig(target_modules=QV, r=4))
    second = adapter(bases["tied"], tmp_path / "2", LoraConfig(target_modules=["q_proj", "up_proj"], r=2), seed=2)
    assert_same(by_us(bases["tied"], first, second, merge=False), by_us(bases["tied"], first, second))


@pytest.mark.parametrize(
    "options",
    [
        {"modules_to_save": ["embed_tokens", "norm"]},
        {"trainable_token_indices": [36, 53]},
        {"use_dora": True},
        {"target_modules": ["embed_tokens"]},
    ],
    ids=str,
)
def test_a_merged_copy_of_what_stands_beside(bases, tmp_path, options):
    folder = adapter(bases["tied"], tmp_path, LoraConfig(**{"target_modules": QV, "r": 4} | options))
    beside = apply_adapters(AutoModel.from_pretrained(bases["tied"]), [str(folder)], merge=False)
    merged = merged_copy(beside)
    assert {name for name, _ in merged.named_parameters()} == {
        name for name, _ in AutoModel.from_pretrained(bases["tied"]).named_parameters()
    }
    with torch.no_grad():
        assert_same(merged(input_ids=IDS).last_hidden_state.numpy(), by_peft(bases["tied"], folder))


def test_half_precision(bases, tmp_path):
    folder = adapter(bases["tied"], tmp_path, LoraConfig(target_modules="all-linear", r=4))
    model = apply_adapters(AutoModel.from_pretrained(bases["tied"], dtype=torch.bfloat16), [str(folder)])
    assert model.dtype == torch.bfloat16


def test_damaged_tensors_are_named(bases, tmp_path):
    folder = adapter(bases["tied"], tmp_path, LoraConfig(target_modules=QV, r=4))
    tensors = load_file(folder / "adapter_model.safetensors")
    tensors[next(iter(tensors))][0, 0] = float("nan")
    save_file(tensors, folder / "adapter_model.safetensors")
    with pytest.raises(AdapterError, match="NaN or infinity"):
        by_us(bases["tied"], folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"peft_type": "NO_SUCH_TYPE"}, "cannot be read by PEFT.*NO_SUCH_TYPE"),
        ({"target_modules": 7}, "target_modules.*7"),
        ({"target_modules": "("}, "does not fit"),
        ({"r": "four"}, "r='four'.*a number"),
        ({"r": 8}, "has rank 8 in adapter_config.json and rank 4 in its weights"),
        ({"rank_pattern": {"v_proj": 2}}, "has rank 2 in adapter_config.json and rank 4 in its weights"),
        *[
            ({"trainable_token_indices": value}, "trainable_token_indices .*: no list of token ids")
            for value in (-1, True, [], ["a"], [1.5], {"embed_tokens": 3}, {"embed_tokens": []})
        ],
        ({"trainable_token_indices": [10**6]}, "does not fit|find no place"),
        ({"alpha_pattern": ["q_proj"]}, "does not fit|cannot be read"),
        ({"use_rslora": "false"}, "use_rslora='false'.*true or false"),
        ({"lora_alpha": "16"}, "lora_alpha='16'.*a number"),
        ({"lora_alpha": float("nan")}, "lora_alpha=nan.*a number"),
        ({"lora_alpha": 10**400}, r"lora_alpha=10000000\.\.\. \(401 digits\); no number may have more than 64 bits"),
        ({"rank_pattern": {"q_proj": 10**30}}, "q_proj=1000.*64 bits"),
        ({"layers_to_transform": [0, 2**64]}, "layers_to_transform=1844.*64 bits"),
        ({"bias": "some"}, "adapter_config.json says .*Requested bias: some"),
        ({"megatron_config": {"a": 1}}, "adapter_config.json says .*megatron"),
    ],
)
def test_settings_that_make_no_sense(bases, tmp_path, changes, said):
    folder = adapter(bases["tied"], tmp_path, LoraConfig(target_modules=QV, r=4))
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(AdapterError, match=said):
        by_us(bases["tied"], folder)


def test_some_tokens_beside_the_weights_are_saved(bases, tmp_path):
    folder = adapter(bases["tied"], tmp_path / "a", LoraConfig(target_modules=QV, r=4, trainable_token_indices=[36]))
    beside = apply_adapters(AutoModel.from_pretrained(bases["tied"]), [str(folder)], merge=False)
    merged_copy(beside).save_pretrained(tmp_path / "merged")
    with torch.no_grad():
        got = AutoModel.from_pretrained(tmp_path / "merged")(input_ids=IDS).last_hidden_state.numpy()
    assert_same(got, by_peft(bases["tied"], folder))


def test_a_bias_without_a_place_stays_beside_the_weights(bases, tmp_path):
    """The base's layers have no bias to add it to: PEFT cannot merge it, and neither can we."""
    folder = adapter(bases["tied"], tmp_path, LoraConfig(target_modules=QV, r=4, lora_bias=True))
    with pytest.raises(AdapterError, match=r"lora_bias.*merge_adapters=False"):
        by_us(bases["tied"], folder)
    beside = apply_adapters(AutoModel.from_pretrained(bases["tied"]), [str(folder)], merge=False)
    with torch.no_grad():
        assert_same(beside(input_ids=IDS).last_hidden_state.numpy(), by_peft(bases["tied"], folder))
    with pytest.raises(ModelError, match="lora_bias"):
        merged_copy(beside)
