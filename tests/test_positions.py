"""A text's vector depends on the text alone, and no more tokens are read than there are positions for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, OPTConfig, OPTModel

from llm2vec_core.architectures import OUT_OF_SCOPE, causal_lm_types, tiny_config, tiny_model
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError, ModelError
from llm2vec_core.positions import forward, learned_positions, length_groups
from llm2vec_core.presets import BUNDLED
from tests.close import assert_close
from tests.conftest import tiny_llama
from tests.test_architectures import REFUSED

CONVERTED = [t for t in causal_lm_types() if t not in OUT_OF_SCOPE and t not in REFUSED]
CONTEXT = 24
ROPE = {
    "dynamic": {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0},
    "longrope": {
        "rope_type": "longrope",
        "factor": 4.0,
        "rope_theta": 10000.0,
        "original_max_position_embeddings": CONTEXT,
        "short_factor": [1.0] * 4,
        "long_factor": [4.0] * 4,
    },
    "yarn": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 10000.0, "original_max_position_embeddings": CONTEXT},
}
SHORT, LONG, LONGER = "A river bank is muddy.", "river " * 30, "river bank " * 20


def scaled(kind: str) -> LLM2Vec:
    context = CONTEXT if kind == "dynamic" else 4 * CONTEXT
    model = tiny_llama(vocab_size=8192, max_position_embeddings=context, rope_parameters=ROPE[kind])
    return LLM2Vec(model, AutoTokenizer.from_pretrained(BUNDLED.base), max_length=4 * CONTEXT)


@pytest.mark.parametrize("kind", ROPE)
def test_neighbours_and_predecessors_change_nothing(kind):
    texts = [SHORT, LONG, LONGER, LONG, SHORT]
    lengths = [len(row.input_ids) for row in scaled(kind).tokenize(texts)]
    assert lengths[0] < CONTEXT < lengths[1] < lengths[2]
    fresh = np.stack([scaled(kind).encode(text) for text in texts])
    encoder = scaled(kind)
    assert_close(encoder.encode(texts), fresh)
    for text, expected in zip(texts[::-1], fresh[::-1], strict=True):
        assert_close(encoder.encode(text), expected)
        assert_close(encoder.token_states(text).hidden_states[-1].mean(0), expected)


@pytest.mark.parametrize("kind", ["dynamic", "longrope"])
def test_alone_it_is_what_transformers_gives(kind):
    encoder = scaled(kind).view(bidirectional=False)
    for text in (LONGER, LONG):
        plain = scaled(kind).causal_model
        ids = torch.tensor([encoder.tokenize([text])[0].input_ids])
        with torch.no_grad():
            expected = plain(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0].mean(0)
        assert_close(encoder.encode(text), expected.numpy())


def test_groups():
    lengths = [3, 30, 40, 30, 24]
    as_lists = {kind: [g.tolist() for g in length_groups(scaled(kind).model, lengths)] for kind in ROPE}
    assert as_lists["yarn"] == [[0, 1, 2, 3, 4]]
    assert as_lists["longrope"] == [[0, 4], [1, 2, 3]]
    assert as_lists["dynamic"] == [[0, 4], [1, 3], [2]]
    assert length_groups(scaled("dynamic").model, []) == []


@pytest.mark.parametrize("model_type", CONVERTED)
def test_learned_positions_of_every_type(model_type):
    """Either the model reads more tokens than its context, or it is known to end there."""
    model = tiny_model(model_type)
    ids = torch.arange(70)[None] % 90 + 3
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if (positions := learned_positions(model)) is None:
        with torch.no_grad():
            assert forward(model, batch).last_hidden_state.isfinite().all()
    else:
        assert positions == 64
        with pytest.raises((IndexError, RuntimeError)), torch.no_grad():
            forward(model, batch)


def tiny_gpt2(**settings) -> LLM2Vec:
    tokenizer = AutoTokenizer.from_pretrained(BUNDLED.base)
    return LLM2Vec(tiny_model("gpt2", tiny_config("gpt2", vocab_size=8192)), tokenizer, **settings)


def test_max_length_above_learned_positions(tmp_path):
    with pytest.raises(InputError, match="max_length 512 is more than the 64 positions"):
        tiny_gpt2(max_length=512)
    encoder = tiny_gpt2()
    assert encoder.max_length == 64
    assert np.isfinite(encoder.encode("river bank " * 300)).all()
    with pytest.raises(InputError, match="max_length 65"):
        encoder.with_settings(max_length=65)
    with pytest.raises(InputError, match="max_length 65"):
        encoder.with_settings(bidirectional=False, max_length=65)
    encoder.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="max_length 512"):
        LLM2Vec.from_pretrained(tmp_path, max_length=512)
    assert LLM2Vec.from_pretrained(tmp_path).max_length == 64


@pytest.mark.parametrize("model_type", CONVERTED)
def test_token_states_and_attentions_of_every_type(model_type):
    """Held against the model's own forward pass; the weights of a causal model look at nothing that follows."""
    sizes = {"vocab_size": 8192}
    if model_type.startswith("gemma4") and "unified" not in model_type:
        sizes["vocab_size_per_layer_input"] = 8192
    model = tiny_model(model_type, tiny_config(model_type, **sizes))
    encoder = LLM2Vec(model, AutoTokenizer.from_pretrained(BUNDLED.base), max_length=32, bidirectional=False)
    states = encoder.token_states(SHORT)
    ids = torch.tensor(states.token_ids)[None]
    with torch.no_grad():
        last = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).last_hidden_state[0]
    assert_close(states.hidden_states[-1], last)
    assert states.hidden_states.shape[1:] == (len(states.tokens), encoder.hidden_size)
    longer, beside = encoder.all_token_states([f"{SHORT} {SHORT}", SHORT])
    assert beside.tokens == states.tokens and len(longer.tokens) > len(states.tokens)
    assert_close(beside.hidden_states, states.hidden_states)
    assert encoder.encode(SHORT).shape == (encoder.hidden_size,)
    weights = encoder.attentions(SHORT).weights
    assert np.abs(np.triu(weights, k=1)).max() == 0.0
    sums = weights.sum(-1)
    if model_type in ("flint", "gpt_oss", "hy_v4", "mimo_v2_flash"):  # attention sinks
        assert sums.max() <= 1.0 + 1e-5 and sums.min() < 0.99
    else:
        np.testing.assert_allclose(sums, 1.0, atol=1e-4)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("alibi", [False, True])
def test_falcon_s_attentions_are_those_of_its_eager_self(alibi, attention):
    config = tiny_config("falcon", vocab_size=8192, alibi=alibi)
    tokenizer = AutoTokenizer.from_pretrained(BUNDLED.base)
    encoder = LLM2Vec(tiny_model("falcon", config, attn_implementation=attention), tokenizer, max_length=32)
    for each in (encoder.view(bidirectional=False), encoder):
        if alibi and attention == "sdpa":
            # transformers adds ALiBi twice in eager attention: these weights are of another forward pass.
            with pytest.raises(ModelError, match="eager attention of falcon gives other states than sdpa"):
                each.attentions(SHORT)
            continue
        eager = tiny_model("falcon", tiny_config("falcon", vocab_size=8192, alibi=alibi), attn_implementation="eager")
        eager.config.is_causal = not each.bidirectional
        ids = torch.tensor([each.tokenize([SHORT])[0].input_ids])
        with torch.no_grad():
            output = eager(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, output_attentions=True)
        np.testing.assert_allclose(each.attentions(SHORT).weights, torch.stack(output.attentions)[:, 0], atol=1e-5)


def test_other_weights_than_those_of_the_forward_pass_are_refused(monkeypatch, bundled):
    monkeypatch.setattr("llm2vec_core.encoder.same_states", lambda *_, **__: False)
    with pytest.raises(ModelError, match="eager attention of llama gives other states than sdpa"):
        bundled.attentions(SHORT)


def test_the_width_of_a_model_that_projects_its_states():
    """As OPT-350M does: layers of 1,024, embeddings of 512."""
    sizes = {"hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = OPTConfig(vocab_size=8192, word_embed_proj_dim=16, max_position_embeddings=64, **sizes)
    encoder = LLM2Vec(OPTModel(config).eval(), AutoTokenizer.from_pretrained(BUNDLED.base), max_length=32)
    assert encoder.hidden_size == 16
    assert encoder.encode([SHORT]).shape == (1, 16) and encoder.encode([]).shape == (0, 16)
    with pytest.raises(ModelError, match="16 and 32 numbers"):
        encoder.token_states(SHORT)
