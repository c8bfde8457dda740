from __future__ import annotations

import pytest
import torch

from llm2vec_core.architectures import OUT_OF_SCOPE, causal_lm_types, tiny_config, tiny_model
from llm2vec_core.batching import TokenizedText
from llm2vec_core.bidirectional import decoder_layers, make_bidirectional, shared_weights_view
from llm2vec_core.errors import TrainingError
from llm2vec_core.training.noise import add_hidden_dropout, drop_tokens, set_attention_dropout
from tests.conftest import tiny_llama
from tests.test_architectures import REFUSED

CONVERTED = [t for t in causal_lm_types() if t not in OUT_OF_SCOPE and t not in REFUSED]
# How these name the probability of their attention dropout; their eager attention applies it to the weights.
OWN_DROPOUT = {
    "biogpt": "attention_probs_dropout_prob",
    "bloom": "attention_dropout",
    "codegen": "attn_pdrop",
    "gpt2": "attn_pdrop",
    "gpt_bigcode": "attn_pdrop",
    "gpt_neo": "attention_dropout",
    "gptj": "attn_pdrop",
    "opt": "attention_dropout",
    "persimmon": "attention_dropout",
    "qwen3": "attention_dropout",
    "xglm": "attention_dropout",
}


def run(model, seed=0):
    ids = torch.tensor([[3, 4, 5, 6, 7, 8]])
    torch.manual_seed(seed)
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).last_hidden_state


def without_dropout(model):
    """No dropout of its own, whatever it calls it."""
    for owner in [*model.modules(), *(m.config for m in model.modules() if hasattr(m, "config"))]:
        for name, value in list(vars(owner).items()):
            if isinstance(value, float) and ("drop" in name or (isinstance(owner, torch.nn.Dropout) and name == "p")):
                setattr(owner, name, 0.0)
    return model


@pytest.mark.parametrize("model_type", CONVERTED)
def test_each_layer_of_every_type_takes_both_dropouts(model_type):
    model = without_dropout(tiny_model(model_type))
    make_bidirectional(model)
    layers, clean = decoder_layers(model), run(model)
    model.train()
    assert torch.equal(run(model, 1), run(model, 2)), "noise of its own"
    assert set_attention_dropout(model, 0.3) == len(layers)
    for layer in layers:
        model.eval()
        layer.train()
        assert not torch.equal(run(model, 1), run(model, 2))
    model.eval()
    assert torch.equal(run(model), clean)
    set_attention_dropout(model, 0.0)
    model.train()
    assert torch.equal(run(model, 1), run(model, 2))
    add_hidden_dropout(model, 0.3)
    for module in (model.get_input_embeddings(), *layers[:-1]):
        model.eval()
        assert torch.equal(run(model), clean)
        module.training = True
        assert not torch.equal(run(model, 1), run(model, 2))


@pytest.mark.parametrize("model_type", OWN_DROPOUT)
@pytest.mark.parametrize("own", [0.0, 0.1])
def test_it_is_the_dropout_that_the_architecture_would_apply(model_type, own):
    """Whatever it had of its own is replaced, not added to."""
    models = []
    for probability in (own, 0.4):
        config = tiny_config(model_type, **{OWN_DROPOUT[model_type]: probability})
        models.append(tiny_model(model_type, config, attn_implementation="eager").train())
    ours, theirs = models
    set_attention_dropout(ours, 0.4)
    assert torch.equal(run(ours), run(theirs))
    assert not torch.equal(run(ours, 1), run(ours, 2))


@pytest.mark.parametrize("model_type", ["gpt2", "opt", "falcon", "persimmon"])
def test_under_sdpa_too(model_type):
    model = without_dropout(tiny_model(model_type, attn_implementation="sdpa")).train()
    set_attention_dropout(model, 0.4)
    assert not torch.equal(run(model, 1), run(model, 2))


def test_llama_keeps_its_own_modules_and_kernel():
    model = tiny_llama()
    kinds = [type(module) for module in model.modules()]
    assert set_attention_dropout(model, 0.3) == 3
    assert [type(module) for module in model.modules()] == kinds
    assert {layer.self_attn.attention_dropout for layer in model.layers} == {0.3}


def test_trying_out_leaves_random_state_and_mode_alone():
    model = tiny_model("gpt2").train()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    set_attention_dropout(model, 0.3)
    assert torch.equal(torch.rand(3), expected)
    assert all(module.training for module in model.modules())


def test_gradients_through_checkpointed_layers_are_those_without():
    """A checkpointed layer runs twice, and draws the same noise again."""
    gradients = []
    for checkpointed in (False, True):
        model = without_dropout(tiny_model("gpt2")).train()
        set_attention_dropout(model, 0.4)
        if checkpointed:
            model.activation_checkpointing_enable({"use_reentrant": False})
        torch.manual_seed(3)
        model(input_ids=torch.tensor([[3, 4, 5, 6]]), use_cache=False).last_hidden_state.square().sum().backward()
        gradients.append(model.get_input_embeddings().weight.grad)
    assert float(gradients[0].abs().max()) > 0
    torch.testing.assert_close(*gradients)


def test_a_view_of_a_noisy_model_is_noisy_too():
    model = without_dropout(tiny_model("gpt2"))
    set_attention_dropout(model, 0.4)
    view = shared_weights_view(model).train()
    assert not torch.equal(run(view, 1), run(view, 2))
    assert torch.equal(run(model, 1), run(model, 2))


def test_a_layer_without_weights_to_drop_is_refused():
    """As a kernel would be that makes its weights where nobody can reach them."""
    model = tiny_llama()
    for layer in model.layers:
        torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
    with pytest.raises(TrainingError, match=r"attention_dropout is 0.3, but llama \(LlamaDecoderLayer\).*'sdpa'"):
        set_attention_dropout(model, 0.3)
    assert set_attention_dropout(model, 0.0) == 0


def test_a_model_without_attention_is_refused():
    with pytest.raises(TrainingError, match="mamba"):
        set_attention_dropout(tiny_model("mamba"), 0.3)


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
