"""The head of the page: what it is about, the live proof, the model in use, a link to this view, light or dark."""

from __future__ import annotations

import gradio as gr

from llm2vec_core.ui import copy
from llm2vec_core.ui.components import notice_panel, panel
from llm2vec_core.ui.layout import facts
from llm2vec_core.ui.page import Page


class Header:
    """Drawn above the tabs.

    Args:
        page: the page that is being built.
    """

    def __init__(self, page: Page) -> None:
        with gr.Row(elem_id="masthead"):
            panel(copy.HERO, elem_id="hero")
            with gr.Row(elem_id="toolbar"):
                preset = page.context.preset
                self.in_use = panel(facts.in_use(preset.key, preset.label), elem_id="in-use")
                self.link = gr.Button("Copy link", size="sm", elem_id="copy-link", min_width=0)
                theme = gr.Button("Light / dark", size="sm", elem_id="theme", min_width=0)
                self.badge = panel(elem_id="badge")
        self.notice = notice_panel("link-notice")
        theme.click(None, None, None, js="() => window.__l2vTheme()", api_name=False, queue=False)
