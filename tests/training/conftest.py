"""A small model to train: what training does is the same at any size."""

from __future__ import annotations

import pytest

from llm2vec_core.encoder import LLM2Vec
from tests.conftest import tiny_llama


@pytest.fixture(scope="session")
def small(bundled) -> LLM2Vec:
    """Two layers of width 32 under the bundled tokenizer. Tests must not change it."""
    return LLM2Vec(tiny_llama(vocab_size=len(bundled.tokenizer), num_hidden_layers=2), bundled.tokenizer)
