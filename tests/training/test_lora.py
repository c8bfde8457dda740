from __future__ import annotations

import pytest
import torch
from transformers import AutoModel, GPT2Config

from llm2vec_core.training.config import TrainingConfig
from llm2vec_core.training.lora import add_lora


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


@pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to False:UserWarning")
def test_another_architecture_needs_no_list_of_names():
    model = AutoModel.from_config(GPT2Config(vocab_size=97, n_embd=32, n_layer=2, n_head=4))
    assert any(p.requires_grad for p in add_lora(model, TrainingConfig()).parameters())
