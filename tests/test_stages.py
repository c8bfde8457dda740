from __future__ import annotations

import numpy as np
import pytest

from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.presets import BUNDLED
from llm2vec_core.stages import StagedModel

TEXTS = ["A river flows to the sea.", "The bank was robbed at noon."]


@pytest.fixture(scope="module")
def staged():
    return StagedModel(BUNDLED)


@pytest.mark.parametrize("key", [stage.key for stage in BUNDLED.stages])
def test_adapters_beside_the_weights_are_the_merged_ones(key, staged):
    merged = LLM2Vec.from_preset(f"mini:{key}").encode(TEXTS)
    np.testing.assert_allclose(staged.encoder(key).encode(TEXTS), merged, atol=1e-4 * np.abs(merged).max())


def test_no_stage_changes_the_base(staged):
    before = staged.encoder("causal").encode(TEXTS)
    for stage in BUNDLED.stages:
        encoder = staged.encoder(stage.key)
        assert encoder.model.embed_tokens.weight is staged.base.model.embed_tokens.weight
        assert encoder.prefix_test().is_bidirectional == stage.bidirectional
    np.testing.assert_array_equal(staged.encoder("causal").encode(TEXTS), before)
