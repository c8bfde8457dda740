from __future__ import annotations

import inspect
import time
from datetime import datetime, timedelta
from types import SimpleNamespace

import gradio as gr
from gradio.state_holder import SessionState

from llm2vec_core.ui import app
from llm2vec_core.ui.app import prove, remember_blocks, sum_up_no_answers


def test_what_is_remembered_of_a_block_is_what_gradio_would_find():
    with gr.Blocks() as demo:
        field = gr.Textbox("a", label="Name", lines=2)
    constructor = gr.Textbox.__init__
    inner = inspect.unwrap(constructor)
    before, signature, arguments = field.get_config(), inspect.signature(constructor), inspect.getfullargspec(inner)
    try:
        remember_blocks(demo)
        assert constructor.__signature__ == inspect.signature(constructor) == signature
        assert inspect.getfullargspec(inner) == arguments and arguments.args[0] == "self"
        assert field.get_config() == before and before["lines"] == 2
        # One visitor's changes are not another's.
        field.get_config()["value"] = "of one visitor"
        one, other = SessionState(demo), SessionState(demo)
        one._update_value_in_config(field._id, "b")
        assert other.config_values[field._id]["props"]["value"] == "a"
        # What a visitor's answer puts in its place describes itself.
        assert gr.Textbox("c", lines=3, render=False).get_config()["lines"] == 3
    finally:
        del constructor.__signature__, inner.__signature__


def test_gradio_sums_up_no_answers(monkeypatch):
    monkeypatch.setenv("GRADIO_ANALYTICS_CACHE_FREQUENCY", "")  # put back afterwards
    monkeypatch.delenv("GRADIO_ANALYTICS_CACHE_FREQUENCY")
    sum_up_no_answers()
    with gr.Blocks() as demo:
        gr.Textbox()
    queue = demo._queue
    queue.events_recorded = 10**6
    assert queue.compute_analytics_summary([{"function": "f", "status": "success", "process_time": 1.0}]) == {
        "functions": {}
    }


def test_the_proof_is_run_again_once_it_is_seconds_old(context, monkeypatch):
    run = []
    encoder = context.encoder

    def counted(key: str):
        run.append(key)
        return encoder(key)

    monkeypatch.setattr(context, "encoder", counted)
    for now, proofs in ((1e6, 1), (1e6 + 9, 1), (1e6 + 10, 2)):
        monkeypatch.setattr(time, "monotonic", lambda now=now: now)
        assert 'id="prefix-badge"' in prove(context)
        assert len(run) == 2 * proofs
    assert app.SECONDS_OF_PROOF == 10.0


def test_what_can_wait_waits_for_a_while_without_questions(monkeypatch):
    monkeypatch.setattr(app, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(app, "CALM", timedelta(seconds=60))
    active, used, done = [2, 1, 0, 0], {}, []
    queue = SimpleNamespace(get_active_worker_count=lambda: active.pop(0) if len(active) > 1 else active[0])
    demo = SimpleNamespace(state_holder=SimpleNamespace(time_last_used=used), _queue=queue)
    model = SimpleNamespace(until_calm=None, warm_up=lambda: done.append(model.until_calm()))
    warming = app.warm_up_in_background(SimpleNamespace(default=model), demo)
    warming.join(60)
    assert (done, active) == ([None], [0])  # nobody has come yet

    used["visitor"] = datetime.now()
    warming = app.warm_up_in_background(SimpleNamespace(default=model), demo)
    warming.join(0.1)
    assert warming.is_alive()
    used["visitor"] -= timedelta(minutes=2)
    warming.join(60)
    assert len(done) == 2

    used["visitor"] = datetime.now()
    monkeypatch.setattr(app, "PATIENCE_SECONDS", 0.01)
    app.warm_up_in_background(SimpleNamespace(default=model), demo).join(60)
    assert len(done) == 3
