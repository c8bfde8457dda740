from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM

from llm2vec_core.errors import ModelError
from llm2vec_core.presets import BUNDLED
from llm2vec_core.training.head import load_head, tied_head
from tests.conftest import tiny_llama


def test_both_ways_give_the_logits_of_the_language_model(bundled_causal):
    ids = torch.tensor([[1, 300, 301]])
    model = AutoModelForCausalLM.from_pretrained(BUNDLED.base, dtype=torch.float32).eval()
    with torch.no_grad():
        expected = model(input_ids=ids).logits
        states = bundled_causal.model(input_ids=ids).last_hidden_state
        for head in (tied_head(bundled_causal.model), load_head(BUNDLED.base)):
            torch.testing.assert_close(head(states), expected, atol=1e-4, rtol=1e-4)
            assert not any(p.requires_grad for p in head.parameters())


def test_an_untied_model_has_no_tied_head():
    with pytest.raises(ModelError, match="load_head"):
        tied_head(tiny_llama(tie_word_embeddings=False))
