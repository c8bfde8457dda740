"""A run that is stopped, killed or out of disk goes on exactly where it was, and loses nothing that was saved."""

from __future__ import annotations

import errno
import json
import shutil

import numpy as np
import pytest
import torch

from llm2vec_core.bundled_data import passages
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError, TrainingError
from llm2vec_core.training.config import TrainingConfig
from llm2vec_core.training.loop import AdapterTraining
from llm2vec_core.training.objectives import MNTP, SimCSE
from llm2vec_core.training.trainer import last_checkpoint
from tests.conftest import tiny_llama

TEXTS = [p.text for p in passages()[::10]]
CONFIG = TrainingConfig(
    steps=8, batch_size=4, max_length=16, learning_rate=2e-3, warmup_steps=1, held_out_every=2, save_every=3,
    accumulation_steps=2,
)  # fmt: skip


def make(encoder, config=CONFIG, texts=TEXTS, objective=None):
    objective = objective or SimCSE(hidden_dropout=0.2, token_dropout=0.2)
    return AdapterTraining(encoder, objective, texts, config, held_out=TEXTS[:4])


def curve(events) -> list[tuple]:
    return [(e.step, e.loss, e.learning_rate, e.held_out_loss) for e in events]


@pytest.fixture(scope="module")
def whole(small):
    training = make(small)
    return curve(training.run()), training.encoder().encode(TEXTS[:3])


class Killed(BaseException):
    """As SIGKILL: nothing of ours gets a chance to run."""


def test_a_killed_run_resumes_exactly(small, whole, tmp_path):
    losses, embeddings = whole
    first = make(small)

    def kill(event):
        if event.step == 5:
            raise Killed

    with pytest.raises(Killed):
        first.fit(kill, folder=tmp_path)
    assert last_checkpoint(tmp_path).name == "checkpoint-3"
    again = make(small)
    assert curve(again.run(folder=tmp_path, resume=True)) == losses[3:]
    np.testing.assert_array_equal(again.encoder().encode(TEXTS[:3]), embeddings)


def test_a_stopped_run_keeps_its_step_and_resumes_exactly(small, whole, tmp_path):
    losses, embeddings = whole
    events = []
    for event in (run := make(small).run(folder=tmp_path)):
        events.append(event)
        if event.step == 4:
            break
    run.close()
    assert last_checkpoint(tmp_path).name == "checkpoint-4"
    again = make(small)
    events += again.run(folder=tmp_path, resume=True)
    assert curve(events) == losses
    np.testing.assert_array_equal(again.encoder().encode(TEXTS[:3]), embeddings)
    # Finished: nothing is left to do, and nothing is lost.
    once_more = make(small)
    assert list(once_more.run(folder=tmp_path, resume=True)) == []
    np.testing.assert_array_equal(once_more.encoder().encode(TEXTS[:3]), embeddings)


def test_a_checkpoint_cut_short_is_passed_over(small, whole, tmp_path):
    make(small).fit(lambda event: event.step < 6, folder=tmp_path)
    shutil.copytree(tmp_path / "checkpoint-6", tmp_path / "checkpoint-7")
    (tmp_path / "checkpoint-7" / "trainer_state.json").write_text('{"global_st')
    assert last_checkpoint(tmp_path).name == "checkpoint-6"
    assert curve(make(small).run(folder=tmp_path, resume=True)) == whole[0][6:]


def test_a_folder_with_checkpoints_is_not_written_over(small, tmp_path):
    make(small).fit(lambda event: event.step < 3, folder=tmp_path)
    with pytest.raises(InputError, match=r"holds checkpoints of an earlier run \(checkpoint-3\).*--resume"):
        make(small).fit(folder=tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: make(e, objective=MNTP()), "its objective is 'simcse', now it is 'mntp'"),
        (lambda e: make(e, texts=TEXTS[:20]), "trained on other examples"),
        (lambda e: make(e, objective=SimCSE()), "options"),
        (lambda e: make(e, TrainingConfig(**(vars(CONFIG) | {"learning_rate": 1e-3}))), "its learning_rate is 0.002"),
        (
            lambda e: make(LLM2Vec(tiny_llama(1, vocab_size=len(e.tokenizer), num_hidden_layers=2), e.tokenizer)),
            "a base with other weights",
        ),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(small, tmp_path, change, message):
    make(small).fit(lambda event: False, folder=tmp_path)
    with pytest.raises(TrainingError, match=rf"'checkpoint-1' belongs to another run.*{message}"):
        change(small).fit(folder=tmp_path, resume=True)


def test_a_full_disk_leaves_the_checkpoints_before(small, whole, tmp_path, monkeypatch):
    save = torch.save

    def full(*args, **kwargs):
        if "checkpoint-6" in str(args[1]):
            raise OSError(errno.ENOSPC, "No space left on device")
        return save(*args, **kwargs)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainingError, match=r"checkpoint-6 cannot be written .*No space left.*--resume"):
        make(small).fit(folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-3"]
    monkeypatch.undo()
    assert curve(make(small).run(folder=tmp_path, resume=True)) == whole[0][3:]


def test_a_full_disk_leaves_the_adapter_that_was_there(small, tmp_path, monkeypatch):
    training = make(small)
    training.save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(TrainingError, match=r"No space left on device.*nothing that was there has changed"):
        training.save(tmp_path)
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


class Worsening(MNTP):
    """Held-out loss 1, 2, 3, ...: the first measurement is the best."""

    def loss(self, model, rows, generator):
        loss = super().loss(model, rows, generator)
        self._measured = getattr(self, "_measured", 0) + (not model.training)
        return loss if model.training else loss * 0 + self._measured


@pytest.mark.parametrize("has_folder", [True, False])
def test_an_early_stop_keeps_the_best(small, tmp_path, has_folder):
    config = TrainingConfig(steps=40, batch_size=4, max_length=16, learning_rate=1e-2, held_out_every=2, patience=3)
    training = AdapterTraining(small, Worsening(), TEXTS, config, held_out=TEXTS[:4])
    at_best = []

    def listen(event):
        if event.step == 2:
            at_best.append([p.detach().clone() for p in training.parameters])

    events = []
    training.fit(lambda e: (events.append(e), listen(e))[1], folder=tmp_path if has_folder else None)
    assert [e.held_out_loss for e in events if e.held_out_loss] == [1, 2, 3, 4]
    assert (events[-1].step, training.steps_done) == (8, 2)
    assert all(torch.equal(now, then) for now, then in zip(training.parameters, at_best[0], strict=True))
    if has_folder:
        assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-2", "checkpoint-8"]


def test_patience_needs_something_to_measure(small):
    training = AdapterTraining(small, MNTP(), TEXTS, TrainingConfig(patience=2))
    with pytest.raises(InputError, match="patience is 2, but there is nothing held out"):
        training.fit()


def test_what_a_checkpoint_tells(bundled, tmp_path):
    make(bundled).fit(lambda event: False, folder=tmp_path)
    settings = json.loads((tmp_path / "checkpoint-1" / "training.json").read_text())
    assert (settings["steps_done"], settings["base"], settings["ranks"]) == (1, "llm2vec-mini", 1)
    assert settings["options"]["hidden_dropout"] == 0.2
