from __future__ import annotations

import inspect
import time

import gradio as gr

from llm2vec_core.ui import app
from llm2vec_core.ui.app import prove, remember_signatures


def test_a_constructor_that_is_remembered_describes_its_component_as_before():
    with gr.Blocks() as demo:
        field = gr.Textbox("a", label="Name", lines=2)
    constructor = gr.Textbox.__init__
    before, signature = field.get_config(), inspect.signature(constructor)
    try:
        remember_signatures(demo)
        assert constructor.__signature__ == inspect.signature(constructor) == signature
        assert field.get_config() == before and before["lines"] == 2
    finally:
        del constructor.__signature__


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
