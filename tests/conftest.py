"""Small models and the bundled one, shared by all tests. Nothing here touches the network."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import pytest
import torch
from transformers import LlamaConfig, LlamaModel

from llm2vec_core import encoder
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.presets import BUNDLED

SMALL = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}

# Which of the two roads is faster is measured, and a busy machine answers now this, now that. Their numbers differ in
# the last digits, and tests compare encoders bit by bit: all of them take the same road, unless a test chooses its own.
ONEDNN_IS_FASTER = True


def tiny_llama(seed: int = 0, **changes) -> LlamaModel:
    torch.manual_seed(seed)
    settings = {**SMALL, "initializer_range": 0.3, "tie_word_embeddings": True, **changes}
    return LlamaModel(LlamaConfig(**settings)).eval()


@pytest.fixture(scope="session", autouse=True)
def one_road():
    """No encoder of these tests depends on the measurement."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder, "onednn_is_faster", lambda: ONEDNN_IS_FASTER)
        yield


@pytest.fixture
def tiny_model() -> LlamaModel:
    return tiny_llama()


@pytest.fixture(scope="session")
def bundled() -> LLM2Vec:
    """The bundled base, bidirectional and untrained. Tests must not change it."""
    return LLM2Vec.from_pretrained(BUNDLED.base)


@pytest.fixture(scope="session")
def bundled_causal(bundled) -> LLM2Vec:
    return bundled.view(bidirectional=False)
