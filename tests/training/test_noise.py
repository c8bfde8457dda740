from __future__ import annotations

import torch

from llm2vec_core.training.noise import add_hidden_dropout, set_attention_dropout


def run(model):
    return model(input_ids=torch.tensor([[3, 4, 5, 6]]), use_cache=False).last_hidden_state


def test_attention_dropout_acts_in_training_only(tiny_model):
    clean = run(tiny_model)
    assert set_attention_dropout(tiny_model, 0.5) == 3
    assert torch.equal(run(tiny_model), clean)
    tiny_model.train()
    assert not torch.equal(run(tiny_model), run(tiny_model))


def test_hidden_dropout_acts_in_training_only(tiny_model):
    clean = run(tiny_model)
    add_hidden_dropout(tiny_model, 0.3)
    assert torch.equal(run(tiny_model), clean)
    tiny_model.train()
    assert not torch.equal(run(tiny_model), run(tiny_model))


def test_no_dropout_no_hooks(tiny_model):
    add_hidden_dropout(tiny_model, 0.0)
    tiny_model.train()
    assert torch.equal(run(tiny_model), run(tiny_model))
