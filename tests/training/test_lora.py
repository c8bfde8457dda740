from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, AutoModel

from llm2vec_core.architectures import tiny_model as tiny_model_of
from llm2vec_core.errors import TrainingError
from llm2vec_core.training.config import TrainingConfig
from llm2vec_core.training.lora import add_lora, linear_layers


def test_base_tensors_are_shared_and_left_alone(tiny_model):
    before = {name: tensor.clone() for name, tensor in tiny_model.state_dict().items()}
    peft = add_lora(tiny_model, TrainingConfig())
    assert {n for n, _ in tiny_model.named_modules() if "lora" in n} == set()
    shared = {p.data_ptr() for p in peft.parameters() if not p.requires_grad}
    assert shared == {p.data_ptr() for p in tiny_model.parameters()}
    for name, tensor in tiny_model.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_a_fresh_adapter_changes_nothing(tiny_model):
    ids = torch.tensor([[3, 4, 5]])
    peft = add_lora(tiny_model, TrainingConfig()).eval()
    with torch.no_grad():
        assert torch.equal(peft(input_ids=ids).last_hidden_state, tiny_model(input_ids=ids).last_hidden_state)


def test_the_seven_linear_layers_of_a_llama_block_are_adapted(tiny_model):
    peft = add_lora(tiny_model, TrainingConfig(lora_rank=4))
    adapted = {n.split(".")[-4] for n, p in peft.named_parameters() if p.requires_grad}
    assert adapted == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    trained = sum(p.numel() for p in peft.parameters() if p.requires_grad)
    # rank x (in + out) for q, o (32, 32), k, v (32, 16), gate, up (32, 64), down (64, 32), in three layers
    assert trained == 3 * 4 * (2 * 64 + 2 * 48 + 3 * 96)


ROUTED = {"ctrl": "Wq, Wk, Wv, dense, ffn.0, ffn.2", "llama4_text": None, "phimoe": None, "longcat_flash": None}


@pytest.mark.filterwarnings("ignore:The following (rank|alpha)_pattern keys:RuntimeWarning")
@pytest.mark.parametrize("model_type", ROUTED)
def test_what_is_adapted_acts_before_and_after_merging(model_type):
    """CTRL's layers are numbered as its linear layers are; routers answer with tuples, or have their weight read."""
    model = tiny_model_of(model_type)
    found = linear_layers(model)
    assert not [name for name in found if "router" in name or "classifier" in name]
    assert ROUTED[model_type] in (None, ", ".join(found))
    peft = add_lora(model, TrainingConfig(lora_rank=4, lora_dropout=0.0)).eval()
    ids = torch.tensor([[3, 4, 5, 6]])
    with torch.no_grad():
        for name, parameter in peft.named_parameters():
            if "lora_" in name:
                parameter.normal_(0, 0.05)
        adapted = peft(input_ids=ids, use_cache=False).last_hidden_state
        assert not torch.allclose(adapted, model(input_ids=ids, use_cache=False).last_hidden_state, atol=1e-4)
        merged = peft.merge_and_unload()(input_ids=ids, use_cache=False).last_hidden_state
    torch.testing.assert_close(merged, adapted, rtol=1e-4, atol=1e-4)


def test_experts_that_take_no_dropout_are_named():
    with pytest.raises(TrainingError, match=r"longcat_flash \(lora_dropout is 0.05.*take lora_dropout=0"):
        add_lora(tiny_model_of("longcat_flash"), TrainingConfig())


SMALL_CONFIGS = {
    "llama": {"num_key_value_heads": 2},
    "phi": {},
    "gptj": {"n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4},
    "gpt_neox": {},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "falcon": {},
    "phi3": {"num_key_value_heads": 2, "pad_token_id": 0},
    "gemma3_text": {"num_key_value_heads": 2, "head_dim": 8},
    "qwen3": {"num_key_value_heads": 2, "head_dim": 8},
    "mistral": {"num_key_value_heads": 2},
    "bloom": {"n_layer": 2, "n_head": 4},
    "mixtral": {"num_key_value_heads": 2, "num_local_experts": 2},
}


@pytest.mark.parametrize("model_type", SMALL_CONFIGS)
def test_any_architecture_needs_no_list_of_names(model_type):
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = AutoConfig.for_model(model_type, vocab_size=97, **(sizes | SMALL_CONFIGS[model_type]))
    model = AutoModel.from_config(config).eval()
    peft = add_lora(model, TrainingConfig(lora_rank=2))
    places = {n.split(".lora_")[0].rpartition(".")[2] for n, p in peft.named_parameters() if p.requires_grad}
    assert places == set(linear_layers(model))
    layers = {n.split("lora_")[0] for n, p in peft.named_parameters() if p.requires_grad}
    assert len(layers) >= 2 * len(places)
    ids = torch.tensor([[3, 4, 5, 6]])
    peft.train()
    peft(input_ids=ids, use_cache=False).last_hidden_state.square().sum().backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in peft.parameters() if p.requires_grad)


def test_targets_by_name(tiny_model):
    peft = add_lora(tiny_model, TrainingConfig(lora_targets=("q_proj", "v_proj")))
    assert {n.split(".")[-4] for n, p in peft.named_parameters() if p.requires_grad} == {"q_proj", "v_proj"}
    with pytest.raises(TrainingError, match="lora_targets names 'c_attn'; this model's layers have q_proj, "):
        add_lora(tiny_model, TrainingConfig(lora_targets=("c_attn",)))


def test_experts_that_are_one_tensor_are_left_alone():
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = AutoConfig.for_model("mixtral", vocab_size=97, **(sizes | SMALL_CONFIGS["mixtral"]))
    assert list(linear_layers(AutoModel.from_config(config))) == ["q_proj", "k_proj", "v_proj", "o_proj"]
