"""Places on the page for HTML made by templates."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from llm2vec_core.pooling import POOLING_MODES
from llm2vec_core.ui.copy import POOLING_LABELS

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


def pooling_field(label: str, **options: Any) -> gr.Dropdown:
    """A choice of how token vectors become one.

    Args:
        label: shown to people.
        options: further arguments of ``gr.Dropdown``.
    """
    modes = [(POOLING_LABELS.get(name, name), name) for name in POOLING_MODES]
    return gr.Dropdown(modes, value="mean", label=label, **options)


def notice_panel(elem_id: str) -> gr.HTML:
    """A place for a message to the visitor; takes no room while it is empty.

    ``{{value}}`` escapes: a message may quote what the visitor typed.
    """
    template = '<div class="l2v-notice" role="alert">{{value}}</div>'
    return panel(html_template=template, elem_id=elem_id)


def fill_from_examples(
    dropdown: gr.Dropdown, fields: Sequence[gr.Textbox], texts_of: Callable[[Any], Sequence[str]]
) -> tuple[Any, Any]:
    """Let a list of examples fill some fields, and draw the button that brings back what a visitor had typed there.

    A Dropdown's own ``input`` also fires when it merely loses focus; ``page.js`` knows whether an entry was picked.

    Args:
        dropdown: lists the examples.
        fields: that an example fills.
        texts_of: an example's texts, by its key in the dropdown.

    Returns:
        The events after which other texts stand in the fields; bind with ``then`` what is to be computed.
    """
    known = [tuple(texts_of(key)) for _, key in dropdown.choices]
    picked, before = gr.State((None, 0)), gr.State(None)
    undo = gr.Button("Undo: bring back my words", size="sm", visible=False, elem_id=f"{dropdown.elem_id}-undo")

    def fill(entry: tuple[Any, int], *now: str) -> tuple[Any, ...]:
        texts = tuple(texts_of(entry[0]))
        # Gradio tells of a changed State once more at the end of whatever ran meanwhile: Undo would lose its words.
        if now == texts:
            return (gr.skip(),) * (2 + len(fields))
        typed = now not in known and any((text or "").strip() for text in now)
        return now if typed else None, gr.update(visible=typed), *texts

    dropdown.input(
        # The time makes each one another.
        lambda key: gr.skip() if key is None else (key, time.time_ns()),
        dropdown,
        picked,
        js="key => window.__l2vPicked(key)",
        # Through the queue: gradio tells of a changed State only there.
        api_name=False,
        show_progress="hidden",
    )
    quiet: dict[str, Any] = {"api_name": False, "queue": False}
    filled = picked.change(fill, [picked, *fields], [before, undo, *fields], **quiet)
    # What stood there instead is kept in turn, so that nothing is lost by pressing twice.
    undone = undo.click(
        lambda before, *now: (None, now, *before), [before, *fields], [dropdown, before, *fields], **quiet
    )
    return filled, undone
