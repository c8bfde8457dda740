from __future__ import annotations

import inspect
import time

import gradio as gr

from llm2vec_core.ui import app
from llm2vec_core.ui.app import prove, remember_signatures

from gradio.events import Dependency

def test_a_constructor_that_is_remembered_describes_its_component_as_before():
    class Field(gr.Textbox):
        """One that no other test meets."""

        def __init__(self, value: str = "", *, label: str = "Name", lines: int = 2, elem_id: str = "field") -> None:
            super().__init__(value, label=label, lines=lines, elem_id=elem_id)
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component

    with gr.Blocks() as demo:
        field = Field("a")
    before, signature = field.get_config(), inspect.signature(Field.__init__)
    remember_signatures(demo)
    assert Field.__init__.__signature__ == inspect.signature(Field.__init__) == signature
    assert field.get_config() == before and before["lines"] == 2


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