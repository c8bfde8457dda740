"""Conversion, its proof and its undoing; every claim is checked on what the model computes."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    GPT2Config,
    GPTNeoConfig,
    JambaConfig,
    MambaConfig,
    MistralConfig,
    MptConfig,
    Qwen2Config,
    StableLmConfig,
)

from llm2vec_core.bidirectional import OPEN_WINDOW, make_bidirectional, prefix_test, shared_weights_view
from llm2vec_core.errors import ConversionError
from tests.conftest import SMALL, tiny_llama


def states(model, ids, mask=None, **kwargs):
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=mask, use_cache=False, **kwargs).last_hidden_state


@pytest.fixture
def ids() -> torch.Tensor:
    return torch.tensor([[5, 17, 23, 42, 8, 61]])


def test_causal_prefix_is_exact_and_bidirectional_is_not(tiny_model, ids):
    changed = ids.clone()
    changed[0, -1] = 3
    before = states(tiny_model, ids)
    assert torch.equal(before[:, :-1], states(tiny_model, changed)[:, :-1])
    make_bidirectional(tiny_model)
    moved = (states(tiny_model, ids) - states(tiny_model, changed)).abs().amax(-1)[0]
    assert (moved > 1e-4).all()


def test_undo_restores_every_bit(tiny_model, ids):
    config = tiny_model.config
    before = states(tiny_model, ids)
    conversion = make_bidirectional(tiny_model)
    assert not torch.equal(before, states(tiny_model, ids))
    conversion.undo()
    assert torch.equal(before, states(tiny_model, ids))
    assert tiny_model.config is config
    conversion.undo()
    assert torch.equal(before, states(tiny_model, ids))


def test_bidirectional_equals_a_hand_made_open_mask(tiny_model, ids):
    """Independent oracle: the causal model itself, given an explicit 4-D mask that hides nothing."""
    length = ids.shape[1]
    expected = states(tiny_model, ids, torch.zeros(1, 1, length, length))
    make_bidirectional(tiny_model)
    torch.testing.assert_close(states(tiny_model, ids), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_equals_unpadded(tiny_model, ids, side):
    make_bidirectional(tiny_model)
    alone = states(tiny_model, ids, torch.ones_like(ids))
    pad = torch.zeros(1, 4, dtype=torch.long)
    real = torch.ones_like(ids)
    if side == "right":
        padded = states(tiny_model, torch.cat([ids, pad], 1), torch.cat([real, pad], 1))[:, : ids.shape[1]]
    else:
        padded = states(tiny_model, torch.cat([pad, ids], 1), torch.cat([pad, real], 1))[:, 4:]
    torch.testing.assert_close(padded, alone, atol=1e-5, rtol=1e-5)


def test_no_mask_equals_a_mask_of_ones(tiny_model, ids):
    """Batch size 1 without padding must not fall back to causal attention."""
    make_bidirectional(tiny_model)
    assert torch.equal(states(tiny_model, ids), states(tiny_model, ids, torch.ones_like(ids)))


def test_a_sibling_that_shares_the_config_stays_causal():
    first = tiny_llama()
    second = type(first)(first.config).eval()
    assert first.config is second.config
    make_bidirectional(first)
    assert prefix_test(second).is_causal


def test_a_view_shares_tensors_but_not_its_direction(tiny_model):
    view = shared_weights_view(tiny_model)
    make_bidirectional(view)
    assert prefix_test(tiny_model).is_causal
    assert prefix_test(view).is_bidirectional
    pointers = {p.data_ptr() for p in tiny_model.parameters()}
    assert {p.data_ptr() for p in view.parameters()} == pointers


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize(
    "config",
    [
        Qwen2Config(**SMALL),
        MistralConfig(**SMALL, sliding_window=4),
        StableLmConfig(**SMALL),
        GPT2Config(vocab_size=97, n_embd=32, n_layer=3, n_head=4),
        GPTNeoConfig(
            vocab_size=97,
            hidden_size=32,
            num_layers=2,
            num_heads=4,
            attention_types=[[["global", "local"], 1]],
            window_size=4,
        ),
    ],
    ids=lambda c: c.model_type,
)
def test_other_architectures(config, implementation):
    if config.model_type == "gpt_neo" and implementation == "sdpa":
        with pytest.raises(ValueError, match="scaled_dot_product_attention"):
            AutoModel.from_config(config, attn_implementation="sdpa")
        return
    model = AutoModel.from_config(config, attn_implementation=implementation).eval()
    assert prefix_test(model).end_to_end == 0.0
    conversion = make_bidirectional(model)
    assert prefix_test(model).is_bidirectional
    conversion.undo()
    assert prefix_test(model).end_to_end == 0.0


def test_sliding_window_is_lifted_or_kept():
    model = AutoModel.from_config(MistralConfig(**{**SMALL, "num_hidden_layers": 1}, sliding_window=3)).eval()
    ids = torch.arange(1, 11)[None]
    changed = ids.clone()
    changed[0, -1] = 50

    def reached():
        return (states(model, ids) - states(model, changed)).abs().amax(-1)[0] > 1e-6

    conversion = make_bidirectional(model, sliding_window="keep", verify=False)
    # A window of 3 in one layer: the last token is seen by itself and the two (at most three) before it.
    assert not reached()[:6].any()
    assert reached()[8:].all()
    conversion.undo()
    make_bidirectional(model)
    assert model.config.sliding_window == OPEN_WINDOW
    assert reached().all()


@pytest.mark.parametrize(
    "config",
    [
        MambaConfig(vocab_size=97, hidden_size=32, num_hidden_layers=2, state_size=4),
        JambaConfig(**SMALL, attn_layer_period=2, attn_layer_offset=1, num_experts=1, use_mamba_kernels=False),
        MptConfig(vocab_size=97, d_model=32, n_layers=2, n_heads=4, max_seq_len=64),
    ],
    ids=lambda c: c.model_type,
)
def test_what_cannot_be_converted_is_refused_and_left_as_it_was(config):
    torch.manual_seed(0)
    model = AutoModel.from_config(config).eval()
    ids = torch.tensor([[5, 17, 23, 42]])
    before = states(model, ids)
    with pytest.raises(ConversionError, match=config.model_type) as caught:
        make_bidirectional(model)
    # mpt's forward pass itself fails without a causal mask; the others keep causal layers.
    assert bool(caught.value.causal_layers) == (config.model_type != "mpt")
    assert torch.equal(before, states(model, ids))


def test_a_model_with_its_head_converts_too():
    causal = AutoModelForCausalLM.from_config(Qwen2Config(**SMALL)).eval()
    make_bidirectional(causal)
    assert prefix_test(causal).is_bidirectional


def test_bundled_model_causal_exact_bidirectional_different_undo_exact(bundled, bundled_causal):
    report = bundled_causal.prefix_test()
    assert report.is_causal
    assert report.end_to_end == 0.0
    assert set(report.layers) == {0.0}
    assert bundled.prefix_test().is_bidirectional
    view = shared_weights_view(bundled.causal_model)
    ids = torch.tensor([[1, 300, 301, 302]])
    before = states(view, ids)
    make_bidirectional(view).undo()
    assert torch.equal(before, states(view, ids))
