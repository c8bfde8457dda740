from __future__ import annotations

import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.ui.models import Models


def test_a_model_has_one_context_and_loads_nothing_before_it_is_used():
    models = Models()
    assert models.context("mini") is models.bundled
    assert models.context("mistral-7b") is models.context("mistral-7b")
    assert models.context("mistral-7b").preset.key == "mistral-7b"


def test_an_unknown_model_is_named():
    with pytest.raises(InputError, match="unknown model 'gpt-9'; choose one of mini"):
        Models().context("gpt-9")
