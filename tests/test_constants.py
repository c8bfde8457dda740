"""The stored constants are those of the models and texts that are here now."""

from __future__ import annotations

import numpy as np
import pytest

from llm2vec_core.baselines import BASELINES, encoder_only
from llm2vec_core.bundled_data import passages, queries, sentence_pairs
from llm2vec_core.constants import STORED_BASELINES, STORED_PRESETS, compute_constants, digest_of, stored_constants
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.filling import hide_words, measure_cloze
from llm2vec_core.presets import BUNDLED, MINILM, SMOLLM2
from llm2vec_core.separation import measure_pairs
from llm2vec_core.stages import StagedModel

# float16 keeps 11 bits.
HALF = 2e-3


@pytest.mark.parametrize("preset", [*STORED_PRESETS, MINILM], ids=lambda preset: preset.key)
def test_nothing_they_depend_on_has_changed(preset):
    assert stored_constants(preset.key).inputs == digest_of(preset), "run make assets"


@pytest.mark.parametrize("preset", STORED_PRESETS, ids=lambda preset: preset.key)
def test_every_stage_and_baseline_is_there(preset):
    stored = stored_constants(preset.key)
    for key in (*(stage.key for stage in preset.stages), *STORED_BASELINES):
        assert len(stored.collection(key, "mean")) == len(passages())
        assert len(stored.queries(key, "mean")) == len(queries())
        assert set(stored.pair_cosines(key).by_label) == {"similar", "unrelated", "misleading"}
    for stage in preset.stages:
        assert len(stored.cloze(stage.key).ranks) > 250
        assert stored.yardstick(stage.key, "weighted_mean").separation() > 0.5
    assert stored.collection("causal", "max") is None and stored.cloze("echo") is None


def test_the_bundled_model_computes_them_again():
    key = BUNDLED.default.key
    model, stored = StagedModel(BUNDLED), stored_constants(BUNDLED.key)._arrays
    found = dict(compute_constants(model.encoder(key), key, stage=True))
    assert found.keys() == {name for name in stored if name.split("/")[1] == key}
    for name, rows in found.items():
        if name.endswith("ranks"):
            # Words that are equally likely change places.
            assert (rows == stored[name]).mean() > 0.98
        else:
            np.testing.assert_allclose(rows, stored[name], atol=1e-4 * np.abs(rows).max(), err_msg=name)


@pytest.fixture(scope="module")
def bundled_model() -> StagedModel:
    return StagedModel(BUNDLED)


@pytest.mark.parametrize("key", [*(stage.key for stage in BUNDLED.stages), *STORED_BASELINES])
def test_each_of_its_encoders_computes_them_again_on_a_few_texts(key, bundled_model):
    stored = stored_constants(BUNDLED.key)
    stage = key not in BASELINES
    encoder = bundled_model.encoder(key) if stage else BASELINES[key](bundled_model.base)
    few, questions = [p.text for p in passages()[::20]], [query.query for query in queries()[::20]]
    for texts, rows in ((few, stored.collection(key, "mean")), (questions, stored.queries(key, "mean"))):
        np.testing.assert_allclose(encoder.encode(texts), rows[::20], atol=1e-4 * np.abs(rows).max())
    for label, cosines in measure_pairs(encoder, sentence_pairs()[::10]).by_label.items():
        np.testing.assert_allclose(cosines, stored.pair_cosines(key).by_label[label][::10], atol=1e-4)
    if isinstance(encoder, LLM2Vec):  # its yardstick by mean pooling is made of the same cosines
        for label, sorted_cosines in vars(stored.yardstick(key, "mean")).items():
            np.testing.assert_allclose(sorted_cosines, np.sort(stored.pair_cosines(key).by_label[label]), atol=1e-4)
    if stage:
        words = hide_words(encoder.tokenizer, few)
        np.testing.assert_allclose(
            measure_cloze(encoder, words).log_probabilities, stored.cloze(key).log_probabilities[::20], atol=1e-3
        )


@pytest.mark.parametrize("key", [stage.key for stage in SMOLLM2.stages])
def test_smollm2_computes_them_again_on_a_few_texts(key, smollm2):
    rows = [0, 100, 323]
    stored = stored_constants(SMOLLM2.key).collection(key, "mean")[rows]
    found = smollm2(key).encode([passages()[row].text for row in rows])
    np.testing.assert_allclose(found, stored, atol=2 * HALF * np.abs(found).max())


def test_the_encoder_only_model_computes_them_again_on_a_few_texts():
    rows, stored, encoder = [0, 100, 323], stored_constants(MINILM.key), encoder_only(MINILM)
    found = encoder.encode([passages()[row].text for row in rows])
    np.testing.assert_allclose(found, stored.collection(MINILM.key, "mean")[rows], atol=HALF * np.abs(found).max())
    found = encoder.encode([query.query for query in queries()[:3]])
    np.testing.assert_allclose(found, stored.queries(MINILM.key, "mean")[:3], atol=HALF * np.abs(found).max())
    assert stored.pair_cosines(MINILM.key).area() > 0.99


def test_smollm2_shows_what_opening_breaks_and_training_mends():
    """The lesson in one line: telling similar from unrelated pairs falls when the mask opens, and is mended."""
    pairs = {stage.key: stored_constants(SMOLLM2.key).pair_cosines(stage.key) for stage in SMOLLM2.stages}
    areas = {key: found.area() for key, found in pairs.items()}
    assert areas["bidirectional"] < 0.7 < 0.95 < areas["causal"] < min(areas["mntp"], areas["simcse"])
    # Anisotropy: unrelated pairs come apart with each trained stage.
    assert pairs["causal"].mean("unrelated") > pairs["mntp"].mean("unrelated") > pairs["simcse"].mean("unrelated")
