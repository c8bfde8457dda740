from __future__ import annotations

import torch

from llm2vec_core.batching import TokenizedText
from llm2vec_core.training.noise import add_hidden_dropout, drop_tokens, set_attention_dropout


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


def test_token_dropout_keeps_the_begin_token_and_one_more():
    row = TokenizedText(tuple(range(1, 30)))
    for seed in range(30):
        kept = drop_tokens(row, 0.9, torch.Generator().manual_seed(seed)).input_ids
        assert kept[0] == 1
        assert 2 <= len(kept) <= 15
        assert list(kept) == sorted(kept)
    assert drop_tokens(TokenizedText((1,)), 0.9, torch.Generator()).input_ids == (1,)


def test_token_dropout_leaves_what_surrounds_the_text():
    row = TokenizedText(tuple(range(1, 30)), pooling_start=5, pooling_stop=20)
    for seed in range(10):
        kept = drop_tokens(row, 0.9, torch.Generator().manual_seed(seed))
        assert kept.input_ids[:5] == (1, 2, 3, 4, 5)
        assert kept.input_ids[kept.pooling_stop :] == tuple(range(21, 30))
        own = kept.input_ids[kept.pooling_start : kept.pooling_stop]
        assert own and set(own) <= set(range(6, 21))
