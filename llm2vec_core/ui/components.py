"""Places on the page for HTML made by templates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

SIDE_WIDTH = 380


def panel(value: str = "", **options: Any) -> gr.HTML:
    """A place for HTML from :mod:`llm2vec_core.ui.templates`, which escapes what comes from outside."""
    return gr.HTML(value, apply_default_css=False, **options)


def side_by_side(first: Callable[[], gr.HTML], second: Callable[[], gr.HTML]) -> tuple[gr.HTML, gr.HTML]:
    """Two panels beside each other where there is room, one below the other where there is not.

    (``min_width`` of ``gr.HTML`` itself does not make a row wrap; a column's does.)
    """
    with gr.Row():
        with gr.Column(min_width=SIDE_WIDTH):
            left = first()
        with gr.Column(min_width=SIDE_WIDTH):
            right = second()
    return left, right


def code_view(elem_id: str, value: str = "") -> gr.Code:
    """The Python that does what the tab just did, folded away, with a button that copies it."""
    with gr.Accordion("The same in Python", open=False):
        return gr.Code(value, language="python", interactive=False, show_label=False, elem_id=elem_id)


def notice_panel(elem_id: str) -> gr.HTML:
    """A place for a message to the visitor; takes no room while it is empty.

    ``{{value}}`` escapes: a message may quote what the visitor typed.
    """
    template = '<div class="l2v-notice" role="alert">{{value}}</div>'
    return gr.HTML("", html_template=template, apply_default_css=False, elem_id=elem_id)


def chosen_example(dropdown: gr.Dropdown) -> gr.State:
    """The chosen entry of a list of examples; its ``change`` fires only when another one is chosen.

    A Dropdown's own ``input`` also fires when it merely loses focus, and would put the example in the place of what
    the visitor has typed since.
    """
    chosen = gr.State(dropdown.value)
    # Through the queue: gradio tells of a changed State only there.
    dropdown.input(lambda value: value, dropdown, chosen, api_name=False, show_progress="hidden")
    return chosen
