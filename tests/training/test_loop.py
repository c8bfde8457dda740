from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from llm2vec_core.bundled_data import passages
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError, TrainingError
from llm2vec_core.presets import BUNDLED
from llm2vec_core.training.config import TrainingConfig
from llm2vec_core.training.loop import AdapterTraining
from llm2vec_core.training.objectives import MNTP, OBJECTIVES, SimCSE

TEXTS = [p.text for p in passages()[::10]]
SMALL = TrainingConfig(steps=6, batch_size=8, max_length=32, learning_rate=2e-3, warmup_steps=1, held_out_every=3)
NOISY = {"mntp": MNTP, "simcse": lambda: SimCSE(hidden_dropout=0.3, token_dropout=0.3)}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_few_steps_lower_the_loss_on_a_fixed_batch(bundled, name):
    config = TrainingConfig(steps=25, batch_size=8, max_length=32, learning_rate=3e-3, warmup_steps=2)
    training = AdapterTraining(bundled, NOISY[name](), TEXTS[:8], config, held_out=TEXTS[:8])
    before = training.held_out_loss()
    for _ in training.run():
        pass
    assert training.held_out_loss() < 0.9 * before


def test_the_base_is_never_touched(bundled):
    before = bundled.encode(TEXTS[:4])
    training = AdapterTraining(bundled, MNTP(), TEXTS, SMALL)
    list(training.run())
    np.testing.assert_array_equal(bundled.encode(TEXTS[:4]), before)
    assert np.abs(training.encoder().encode(TEXTS[:4]) - before).max() > 1e-3


def test_events_tell_every_step_and_the_held_out_loss_now_and_then(bundled):
    events = list(AdapterTraining(bundled, MNTP(), TEXTS, SMALL, held_out=TEXTS[:4]).run())
    assert [e.step for e in events] == [1, 2, 3, 4, 5, 6]
    assert [e.held_out_loss is not None for e in events] == [False, False, True, False, False, True]
    assert all(e.loss > 0 for e in events)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_same_seed_gives_the_same_losses_whether_or_not_anything_is_measured(bundled, name):
    first = [e.loss for e in AdapterTraining(bundled, NOISY[name](), TEXTS, SMALL).run()]
    second = [e.loss for e in AdapterTraining(bundled, NOISY[name](), TEXTS, SMALL, held_out=TEXTS[:4]).run()]
    assert first == second


def test_stopping_keeps_the_last_step(bundled):
    training = AdapterTraining(bundled, MNTP(), TEXTS, SMALL)
    run = training.run()
    for event in run:
        if event.step == 3:
            break
    run.close()
    assert training.steps_done == 3
    assert training.encoder().prefix_test().is_bidirectional


def test_the_saved_adapter_gives_the_same_embeddings(bundled, tmp_path):
    training = AdapterTraining(bundled, MNTP(), TEXTS, SMALL)
    list(training.run())
    training.save(tmp_path)
    again = LLM2Vec.from_pretrained(BUNDLED.base, [tmp_path])
    np.testing.assert_allclose(again.encode(TEXTS[:4]), training.encoder().encode(TEXTS[:4]), atol=1e-5)
    settings = json.loads((tmp_path / "training.json").read_text())
    assert (settings["objective"], settings["steps_done"], settings["lora_rank"]) == ("mntp", 6, 16)
    adapter = json.loads((tmp_path / "adapter_config.json").read_text())
    assert adapter["base_model_name_or_path"] == "llm2vec-mini"
    assert str(BUNDLED.base) not in (tmp_path / "adapter_config.json").read_text()


def test_two_trainings_of_one_base_do_not_meet(bundled):
    first = AdapterTraining(bundled, MNTP(), TEXTS, SMALL)
    list(first.run())
    before = first.encoder().encode(TEXTS[:2])
    list(AdapterTraining(bundled, SimCSE(hidden_dropout=0.2), TEXTS, SMALL).run())
    np.testing.assert_array_equal(first.encoder().encode(TEXTS[:2]), before)


def test_training_works_where_the_caller_has_switched_gradients_off(bundled):
    with torch.no_grad():
        losses = [e.loss for e in AdapterTraining(bundled, MNTP(), TEXTS, SMALL).run()]
    assert len(losses) == 6


class Diverging(MNTP):
    def loss(self, model, rows, generator):
        return super().loss(model, rows, generator) * float("inf")


def test_a_loss_that_diverges_is_caught_and_the_last_good_step_kept(bundled):
    training = AdapterTraining(bundled, Diverging(), TEXTS, SMALL)
    with pytest.raises(TrainingError, match=r"lower learning_rate \(now 0\.002\)"):
        list(training.run())
    assert training.steps_done == 0
    assert np.isfinite(training.encoder().encode(TEXTS[:2])).all()


@pytest.mark.parametrize("texts", [[], ["one"], ["", "  ", "\n"], ["one", " "]])
def test_too_few_texts(bundled, texts):
    with pytest.raises(InputError, match="usable texts"):
        AdapterTraining(bundled, MNTP(), texts, SMALL)
