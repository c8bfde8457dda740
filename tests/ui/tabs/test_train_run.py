from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from dataclasses import replace

import pytest
import torch

from llm2vec_core.errors import WorkerError
from llm2vec_core.presets import BUNDLED
from llm2vec_core.processes import FORKS
from llm2vec_core.training.memory import training_bytes
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.cores import Cores
from llm2vec_core.ui.limits import Limits
from llm2vec_core.ui.tabs.train import run
from llm2vec_core.ui.tabs.train.data import training_data
from llm2vec_core.ui.tabs.train.settings import RECIPES, default_start, recipe_settings
from llm2vec_core.ui.zero_gpu import parameters as base_parameters
from tests.close import assert_close


def test_a_run_that_is_measured_otherwise_is_not_compared_with_a_long_training(context):
    usual = recipe_settings("mntp", "bidirectional", BUNDLED)
    assert run.compared_with(context, usual).settings.start == "mntp"
    for changed in ({"batch_size": 4}, {"max_length": 32}, {"source": "own"}, {"start": "mntp"}):
        assert run.compared_with(context, replace(usual, **changed)) is None


def test_what_a_long_training_of_the_same_kind_made_of_a_stage():
    found = {o: run.trained_alike(BUNDLED, o, default_start(o, BUNDLED)) for o in ("mntp", "simcse")}
    assert {key: stage.key for key, stage in found.items()} == {"mntp": "mntp", "simcse": "simcse"}
    assert run.trained_alike(BUNDLED, "mntp", "mntp") is None


class Job(run.QueuedJob):
    """Asked to stop once so many steps have been seen."""

    def stop_after(self, progress, steps):
        self.stopped = len(progress.losses) >= steps


def settings_and_data(objective="mntp", steps=3, **changed):
    start = default_start(objective, BUNDLED)
    settings = replace(recipe_settings(objective, start, BUNDLED), steps=steps, batch_size=4, max_length=16, **changed)
    data = training_data(objective, settings.source, None, None, Limits())
    # What is measured takes most of such a run; of our own pairs the start is stored.
    few = {label: pairs[::8] for label, pairs in data.measured.items()}
    return settings, replace(data, held_out=data.held_out[:16], measured=few, own_pairs=True)


def ran(context, job=None, **changed):
    *_, progress = run.train(context, *settings_and_data(**changed), job or run.QueuedJob())
    return progress


@pytest.mark.process
@pytest.mark.parametrize("objective", list(RECIPES))
def test_a_process_of_its_own_trains_the_same_adapter(context, monkeypatch, objective):
    apart = ran(context, objective=objective)
    monkeypatch.setattr(run, "runs_apart", lambda *_: False)
    here = ran(context, objective=objective)
    for mine, theirs in zip(apart.training.parameters, here.training.parameters, strict=True):
        assert torch.equal(mine, theirs)
    told, expected = apart.told(), here.told()
    for name in ("losses", "held_out", "separations", "steps_done", "ended", "failure"):
        assert told[name] == expected[name], name
    assert apart.encoder is not None and apart.training.steps_done == 3
    assert_close(apart.encoder.encode(["The bank was steep."]), here.encoder.encode(["The bank was steep."]))


@pytest.mark.process
def test_a_run_apart_hears_stop_and_ends_with_its_time(context):
    job = Job()
    for progress in run.train(context, *settings_and_data(steps=400), job):
        job.stop_after(progress, 1)
    assert progress.ended == "you stopped it"
    assert 1 <= progress.steps_done == len(progress.losses) < 400
    assert progress.encoder is not None
    short = AppContext(limits=replace(Limits(), training_seconds=0.0))
    assert ran(short).ended == "the limit is 0 s"


@pytest.mark.process
def test_a_run_whose_process_dies_says_so(context, monkeypatch):
    monkeypatch.setattr(run, "CORES", cores := Cores(2))
    running = run.train(context, *settings_and_data(steps=400), run.QueuedJob())
    next(running)
    assert cores._busy == 1  # those who ask meanwhile have one core
    [process] = [child for child in multiprocessing.active_children() if child.name == "_train_apart"]
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match="killed by SIGKILL: if nobody did that, memory ran out"):
        list(running)
    assert cores._busy == 0


def test_visitors_go_before_all_that_a_runs_process_does(monkeypatch):
    def started():  # a process is as nice as the thread that starts it
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    found: list[int] = []
    monkeypatch.setattr("multiprocessing.forkserver.ensure_running", started)
    run.get_ready()
    assert found == ([run.NICE] if FORKS else [])


def test_a_run_stays_here_where_memory_holds_the_weights_once(context, monkeypatch):
    settings, _ = settings_and_data()
    base = context.trainable(settings.start)
    assert run.runs_apart(context, settings, base)
    needed = training_bytes(base_parameters(base), context.config(), run.training_config(settings, BUNDLED), "mntp")
    for free, apart in ((needed + 1, True), (needed, False)):
        monkeypatch.setattr(run, "available_memory", lambda free=free: free)
        assert run.runs_apart(context, settings, base) is apart
