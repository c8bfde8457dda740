"""Places on the page for painted HTML."""

from __future__ import annotations

from typing import Any

import gradio as gr


def panel(value: str = "", **options: Any) -> gr.HTML:
    """A place for HTML from :mod:`llm2vec_core.ui.paint` (which escapes what comes from outside)."""
    return gr.HTML(value, apply_default_css=False, **options)


def notice_panel(elem_id: str) -> gr.HTML:
    """A place for a message to the visitor; takes no room while it is empty.

    ``{{value}}`` escapes: a message may quote what the visitor typed.
    """
    template = '<div class="l2v-notice" role="alert">{{value}}</div>'
    return gr.HTML("", html_template=template, apply_default_css=False, elem_id=elem_id)
