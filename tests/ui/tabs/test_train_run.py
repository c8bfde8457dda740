from __future__ import annotations

from dataclasses import replace

from llm2vec_core.presets import BUNDLED
from llm2vec_core.ui.tabs.train import run
from llm2vec_core.ui.tabs.train.settings import default_start, recipe_settings


def test_a_run_that_is_measured_otherwise_is_not_compared_with_a_long_training(context):
    usual = recipe_settings("mntp", "bidirectional", BUNDLED)
    assert run.compared_with(context, usual).settings.start == "mntp"
    for changed in ({"batch_size": 4}, {"max_length": 32}, {"source": "own"}, {"start": "mntp"}):
        assert run.compared_with(context, replace(usual, **changed)) is None


def test_what_a_long_training_of_the_same_kind_made_of_a_stage():
    found = {o: run.trained_alike(BUNDLED, o, default_start(o, BUNDLED)) for o in ("mntp", "simcse")}
    assert {key: stage.key for key, stage in found.items()} == {"mntp": "mntp", "simcse": "simcse"}
    assert run.trained_alike(BUNDLED, "mntp", "mntp") is None
