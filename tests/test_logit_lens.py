"""Words that hidden states lean to, against the whole language model as transformers runs it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from llm2vec_core.architectures import tiny_model
from llm2vec_core.bidirectional.layers import decoder_layers, final_norm
from llm2vec_core.errors import InputError, ModelError
from llm2vec_core.logit_lens import _head_of, pooled_lens, token_lens
from llm2vec_core.presets import BUNDLED

TEXT = "The river flows to the sea."


@pytest.fixture(scope="module")
def language_model():
    return AutoModelForCausalLM.from_pretrained(BUNDLED.base, dtype=torch.float32).eval()


def likeliest(tokenizer, logits: torch.Tensor, top: int) -> list[str]:
    """The oracle's words: tokens with a letter, by their logits."""
    words = (tokenizer.decode([i]).strip() for i in logits.argsort(descending=True).tolist())
    return [word for word in words if any(c.isalpha() for c in word)][:top]


def test_the_last_layer_says_what_the_language_model_says(bundled_causal, language_model):
    row = bundled_causal.tokenizer(TEXT, return_tensors="pt")
    with torch.inference_mode():
        logits = language_model(**row).logits[0]
    for position in (1, 4):
        lens = token_lens(bundled_causal, TEXT, position, layers=[bundled_causal.model.config.num_hidden_layers], top=6)
        assert [w.token.strip() for w in lens.words[0]] == likeliest(bundled_causal.tokenizer, logits[position], 6)
        chances = logits[position].softmax(-1).sort(descending=True).values.numpy()
        np.testing.assert_allclose(lens.words[0][0].probability, chances[: len(chances)].max(), rtol=1e-3)


def test_earlier_layers_go_through_the_final_norm(bundled_causal, language_model):
    row = bundled_causal.tokenizer(TEXT, return_tensors="pt")
    with torch.inference_mode():
        states = language_model(**row, output_hidden_states=True).hidden_states[2][0]
        logits = language_model.lm_head(language_model.model.norm(states))
    lens = token_lens(bundled_causal, TEXT, 3, layers=[2], top=5)
    assert lens.layers == (2,)
    assert [w.token.strip() for w in lens.words[0]] == likeliest(bundled_causal.tokenizer, logits[3], 5)


def test_a_text_s_vector_is_read_as_a_state_is(bundled, language_model):
    vector = torch.from_numpy(bundled.encode([TEXT], pooling_mode="mean"))
    with torch.inference_mode():
        logits = language_model.lm_head(vector)[0]
    words = pooled_lens(bundled, TEXT, pooling_mode="mean", top=5)
    assert [w.token.strip() for w in words] == likeliest(bundled.tokenizer, logits, 5)


@pytest.mark.parametrize(
    "model_type", ["llama", "gpt2", "opt", "falcon", "bloom", "gptj", "mpt", "phi", "gemma2", "mamba", "qwen3_5_text"]
)
def test_the_final_norm_is_what_the_last_layer_passes_through(model_type):
    model, states = tiny_model(model_type).eval(), []
    hook = decoder_layers(model)[-1].register_forward_hook(lambda module, args, out: states.append(out))
    ids = torch.arange(3, 9)[None]
    with torch.inference_mode():
        last = model(input_ids=ids, use_cache=False).last_hidden_state
        raw = states[0][0] if isinstance(states[0], tuple) else states[0]
        np.testing.assert_allclose(final_norm(model)(raw).numpy(), last.numpy(), atol=1e-5)
    hook.remove()


def test_the_head_is_built_once_and_again_for_another_embedding(tiny_model):
    head = _head_of(tiny_model)
    assert _head_of(tiny_model) is head
    tiny_model.set_input_embeddings(torch.nn.Embedding(*head.matrix.weight.shape))
    states = torch.randn(3, head.matrix.in_features)
    with torch.inference_mode():
        expected = states @ tiny_model.get_input_embeddings().weight.T
        torch.testing.assert_close(_head_of(tiny_model)(states), expected)


def test_what_is_not_there_is_named(bundled):
    with pytest.raises(InputError, match="no token 40: the text has"):
        token_lens(bundled, TEXT, 40)
    with pytest.raises(InputError, match=r"layers \[9\]: this model has layers 0"):
        token_lens(bundled, TEXT, 0, layers=[9])


def test_a_vector_behind_dense_modules_is_refused(bundled, monkeypatch):
    monkeypatch.setattr(bundled, "dense", (object(),))
    with pytest.raises(ModelError, match="dense modules"):
        pooled_lens(bundled, TEXT)
