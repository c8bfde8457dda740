"""What the ladder opens with: true to the models, there without them."""

from __future__ import annotations

import json

import pytest

from llm2vec_core.bundled_data import blank_presets
from llm2vec_core.constants import STORED_PRESETS
from llm2vec_core.presets import BUNDLED
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.ladder import model, stored, view
from tests.ui.tabs.test_map_stored import NoModel

RENEW = "the model is another one: run python -m llm2vec_core.ui.tabs.ladder, then python -m llm2vec_core.manifest"


@pytest.mark.parametrize("preset", STORED_PRESETS, ids=lambda preset: preset.key)
def test_what_is_stored_is_what_the_model_says(preset):
    found = stored.stored_opening(preset.key)
    # One sentence of the larger model: eight of them take a minute.
    examples = blank_presets() if preset is BUNDLED else blank_presets()[:1]
    live = model.opening_of(AppContext(preset), examples)
    assert found.tokens == live.tokens, RENEW
    assert set(found.blanks) == {(each.text, tuple(each.answer.split())) for each in blank_presets()}
    for sentence, stages in live.blanks.items():
        for stage, blanks in stages.items():
            for kept, fresh in zip(found.blanks[sentence][stage], blanks, strict=True):
                assert (kept.position, kept.expected) == (fresh.position, fresh.expected)
                assert kept.probability == pytest.approx(fresh.probability, rel=0.02, abs=2e-5), RENEW
                assert kept.predictions[0].token == fresh.predictions[0].token, RENEW
                probabilities = [p.probability for p in fresh.predictions]
                assert [p.probability for p in kept.predictions] == pytest.approx(probabilities, rel=0.02, abs=2e-5)


@pytest.mark.parametrize("preset", STORED_PRESETS, ids=lambda preset: preset.key)
def test_the_first_view_needs_no_model(preset):
    context, session = NoModel(preset), Session(preset.key)
    for example in blank_presets():
        assert 'id="ladder-fills"' in view.filled_card(model.fill(context, session, example.text, example.answer))
    for key in (preset.default.key, preset.stages[0].key, "echo"):
        assert 'id="ladder-rung"' in view.show_rung(context, session, key, "A _ .", "")["card"]
    assert all(view.show_pairs(context, session, preset.default.key).values())
    assert view.show_cloze(context, session)["cloze"]


def test_what_is_written_is_read_back(monkeypatch, tmp_path):
    found = stored.stored_opening(BUNDLED.key)
    monkeypatch.setattr(stored, "FOLDER", tmp_path)
    stored.file_of(BUNDLED.key).write_text(json.dumps(stored.as_json(found)))
    stored.stored_opening.cache_clear()
    try:
        assert stored.stored_opening(BUNDLED.key) == found
    finally:
        stored.stored_opening.cache_clear()
    assert stored.stored_opening("hub:owner/name") == stored.LadderOpening({}, {})
