from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from llm2vec_core.architectures import tiny_config
from llm2vec_core.architectures import tiny_model as tiny_model_of
from llm2vec_core.bundled_data import passages
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError, TrainingError
from llm2vec_core.presets import BUNDLED
from llm2vec_core.training.config import TrainingConfig
from llm2vec_core.training.loop import AdapterTraining
from llm2vec_core.training.objectives import MNTP, OBJECTIVES, SimCSE, Supervised
from llm2vec_core.training.pairs import Pair
from tests.close import assert_close

TEXTS = [p.text for p in passages()[::10]]
SMALL = TrainingConfig(steps=6, batch_size=4, max_length=16, learning_rate=2e-3, warmup_steps=1, held_out_every=3)
NOISY = {"mntp": MNTP, "simcse": lambda: SimCSE(hidden_dropout=0.3, token_dropout=0.3), "supervised": Supervised}
PAIRS = [Pair(text[-40:], text[:60], TEXTS[i - 1][:60] if i % 2 else "") for i, text in enumerate(TEXTS)]
EXAMPLES = {"mntp": TEXTS, "simcse": TEXTS, "supervised": PAIRS}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_few_steps_lower_the_loss_on_a_fixed_batch(bundled, name):
    config = TrainingConfig(steps=12, batch_size=8, max_length=16, learning_rate=6e-3, warmup_steps=1)
    examples = EXAMPLES[name][:8]
    training = AdapterTraining(bundled, NOISY[name](), examples, config, held_out=examples)
    before = training.held_out_loss()
    for _ in training.run():
        pass
    assert training.held_out_loss() < 0.9 * before


def test_the_base_is_never_touched(small):
    before = small.encode(TEXTS[:4])
    training = AdapterTraining(small, MNTP(), TEXTS, SMALL)
    list(training.run())
    np.testing.assert_array_equal(small.encode(TEXTS[:4]), before)
    assert np.abs(training.encoder().encode(TEXTS[:4]) - before).max() > 1e-3


def test_events_tell_every_step_and_the_held_out_loss_now_and_then(small):
    events = list(AdapterTraining(small, MNTP(), TEXTS, SMALL, held_out=TEXTS[:4]).run())
    assert [e.step for e in events] == [1, 2, 3, 4, 5, 6]
    assert [e.held_out_loss is not None for e in events] == [False, False, True, False, False, True]
    assert all(e.loss > 0 for e in events)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_same_seed_gives_the_same_losses_whether_or_not_anything_is_measured(small, name):
    texts = EXAMPLES[name]
    first = [e.loss for e in AdapterTraining(small, NOISY[name](), texts, SMALL).run()]
    second = [e.loss for e in AdapterTraining(small, NOISY[name](), texts, SMALL, held_out=texts[:4]).run()]
    assert first == second


def test_stopping_keeps_the_last_step(small):
    training = AdapterTraining(small, MNTP(), TEXTS, SMALL)
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
    assert_close(again.encode(TEXTS[:4]), training.encoder().encode(TEXTS[:4]))
    settings = json.loads((tmp_path / "training.json").read_text())
    assert (settings["objective"], settings["steps_done"], settings["lora_rank"]) == ("mntp", 6, 16)
    adapter = json.loads((tmp_path / "adapter_config.json").read_text())
    assert adapter["base_model_name_or_path"] == "llm2vec-mini"
    assert str(BUNDLED.base) not in (tmp_path / "adapter_config.json").read_text()


def test_two_trainings_of_one_base_do_not_meet(small):
    first = AdapterTraining(small, MNTP(), TEXTS, SMALL)
    list(first.run())
    before = first.encoder().encode(TEXTS[:2])
    list(AdapterTraining(small, SimCSE(hidden_dropout=0.2), TEXTS, SMALL).run())
    np.testing.assert_array_equal(first.encoder().encode(TEXTS[:2]), before)


def test_training_works_where_the_caller_has_switched_gradients_off(small):
    with torch.no_grad():
        losses = [e.loss for e in AdapterTraining(small, MNTP(), TEXTS, SMALL).run()]
    assert len(losses) == 6


class Diverging(MNTP):
    """The loss is infinite from the given training step on."""

    at = 1

    def loss(self, model, rows, generator):
        self._step = getattr(self, "_step", 0) + 1
        return super().loss(model, rows, generator) * (float("inf") if self._step >= self.at else 1.0)


def test_a_loss_that_diverges_is_caught(small):
    training = AdapterTraining(small, Diverging(), TEXTS, SMALL)
    with pytest.raises(TrainingError, match=r"lower learning_rate \(now 0\.002\).*The adapter of step 0 is kept"):
        list(training.run())
    assert training.steps_done == 0
    assert np.isfinite(training.encoder().encode(TEXTS[:2])).all()


def test_after_divergence_the_last_good_state_is_back(small):
    """The step before an infinite loss is what broke the weights, so the weights from before it are kept."""
    wild = Diverging()
    wild.at = 4
    training = AdapterTraining(small, wild, TEXTS, SMALL)
    states = []
    with pytest.raises(TrainingError, match=r"the loss is inf at step 4.*step 2 is kept"):
        states.extend([p.detach().clone() for p in training.parameters] for _ in training.run())
    assert training.steps_done == 2
    assert all(torch.equal(now, then) for now, then in zip(training.parameters, states[1], strict=True))
    assert not torch.equal(states[1][0], states[2][0])


class Steep(MNTP):
    """A finite loss with a gradient that is not."""

    def loss(self, model, rows, generator):
        loss = super().loss(model, rows, generator)
        loss.register_hook(lambda gradient: gradient * float("nan"))
        return loss


def test_a_gradient_that_is_not_finite_is_caught(small):
    training = AdapterTraining(small, Steep(), TEXTS, SMALL)
    before = [p.detach().clone() for p in training.parameters]
    with pytest.raises(TrainingError, match="gradient's length is nan at step 1"):
        training.fit()
    assert all(torch.equal(now, then) for now, then in zip(training.parameters, before, strict=True))


def test_two_runs_at_once_are_as_two_runs_in_turn(small):
    def make(seed):
        config = TrainingConfig(steps=4, batch_size=4, max_length=16, learning_rate=2e-3, seed=seed)
        return AdapterTraining(small, SimCSE(hidden_dropout=0.2), TEXTS, config)

    in_turn = [[e.loss for e in make(seed).run()] for seed in (1, 2)]
    at_once = [[], []]
    for first, second in zip(make(1).run(), make(2).run(), strict=True):
        at_once[0].append(first.loss)
        at_once[1].append(second.loss)
    assert at_once == in_turn


def test_accumulated_batches_make_one_step(small):
    """MNTP without dropout: two batches of 4 give the mean of their losses, and one optimizer step."""
    settings = {"batch_size": 4, "max_length": 16, "lora_dropout": 0.0, "learning_rate": 1e-3}
    training = AdapterTraining(small, MNTP(), TEXTS, TrainingConfig(steps=2, accumulation_steps=2, **settings))
    training.model.eval()
    with torch.no_grad():
        expected = sum(training.loss(training.batch(i), i).item() for i in range(2)) / 2
    events = list(training.run())
    assert [e.step for e in events] == [1, 2]
    assert events[0].loss == pytest.approx(expected, rel=1e-5)


def test_gradient_checkpointing_changes_no_loss(small):
    settings = {**vars(SMALL), "steps": 2}
    plain, checkpointed = (
        [e.loss for e in AdapterTraining(small, objective, TEXTS, TrainingConfig(**settings | more)).run()]
        for objective, more in (
            (SimCSE(hidden_dropout=0.2, chunk_size=4), {}),
            (SimCSE(hidden_dropout=0.2, chunk_size=4), {"gradient_checkpointing": True}),
        )
    )
    assert checkpointed == pytest.approx(plain, rel=1e-5)


def test_mixed_precision_trains(small):
    config = TrainingConfig(steps=2, batch_size=4, max_length=16, mixed_precision="bf16")
    full, mixed = (
        [e.loss for e in AdapterTraining(small, SimCSE(chunk_size=2), TEXTS, c).run()]
        for c in (TrainingConfig(**(vars(config) | {"mixed_precision": "no"})), config)
    )
    assert mixed != full
    assert mixed == pytest.approx(full, rel=0.2, abs=0.05)


def test_a_causal_start_stays_causal_and_pools_as_asked(small):
    config = TrainingConfig(**(vars(SMALL) | {"bidirectional": False}))
    training = AdapterTraining(small, Supervised(pooling_mode="weighted_mean"), PAIRS, config)
    list(training.run())
    encoder = training.encoder()
    assert encoder.prefix_test().is_causal and encoder.pooling_mode == "weighted_mean"
    causal = small.with_settings(bidirectional=False, pooling_mode="weighted_mean")
    assert np.abs(encoder.encode(TEXTS[:2]) - causal.encode(TEXTS[:2])).max() > 1e-3


def test_batches_of_one_task(small):
    pairs = [Pair(p.query, p.positive, task="a" if i < 12 else "b") for i, p in enumerate(PAIRS[:24])]
    config = TrainingConfig(steps=4, batch_size=4, max_length=16, same_task_batches=True)
    training = AdapterTraining(small, Supervised(), pairs, config)
    tasks = {p.query: p.task for p in pairs}
    numbers = [training._schedule[i] for i in range(6)]
    assert all(len({tasks[pairs[i].query] for i in batch}) == 1 for batch in numbers)
    assert sorted(i for batch in numbers for i in batch) == list(range(24))


@pytest.mark.parametrize("texts", [[], ["one"], ["", "  ", "\n"], ["one", " "]])
def test_too_few_texts(small, texts):
    with pytest.raises(InputError, match="usable examples to train on; give at least 2 different ones"):
        AdapterTraining(small, MNTP(), texts, SMALL)


def test_checkpointing_of_a_type_that_adds_to_its_embeddings_in_place(bundled):
    model = tiny_model_of("git", tiny_config("git", vocab_size=len(bundled.tokenizer)))
    encoder, losses = LLM2Vec(model, bundled.tokenizer), []
    for checkpointing in (False, True):
        config = TrainingConfig(steps=2, batch_size=2, max_length=12, gradient_checkpointing=checkpointing)
        losses.append([e.loss for e in AdapterTraining(encoder, SimCSE(), TEXTS, config).run()])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_checkpointing_that_a_type_does_not_know_is_named(bundled):
    encoder = LLM2Vec(tiny_model_of("gpt_neox_japanese"), bundled.tokenizer)
    config = TrainingConfig(gradient_checkpointing=True, batch_size=2)
    with pytest.raises(TrainingError, match=r"gradient_checkpointing is True, and gpt_neox_japanese.*smaller batch"):
        AdapterTraining(encoder, SimCSE(), TEXTS, config)
