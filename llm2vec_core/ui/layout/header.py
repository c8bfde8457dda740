"""The head of the page: its subject, the live proof, the model in use, a link to this view, large type, the theme."""

from __future__ import annotations

import gradio as gr

from llm2vec_core.presets import BUNDLED, SMOLLM2, ModelPreset
from llm2vec_core.provision import is_at_hand
from llm2vec_core.ui import copy
from llm2vec_core.ui.components import notice_panel, panel
from llm2vec_core.ui.layout import facts
from llm2vec_core.ui.page import Page


def other_model(key: str) -> ModelPreset:
    """The model that one press changes to: the larger one, or back to the bundled one.

    Args:
        key: of the model in use.
    """
    return BUNDLED if key == SMOLLM2.key else SMOLLM2


def other_model_label(key: str) -> str:
    """What the button says that changes the model.

    Example:
        >>> other_model_label("mini")
        'Use SmolLM2 135M Instruct'
    """
    return f"Use {other_model(key).label}"


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
                self.other_model = gr.Button(
                    other_model_label(preset.key),
                    size="sm",
                    elem_id="other-model",
                    min_width=0,
                    visible=SMOLLM2.key in page.models.presets and is_at_hand(SMOLLM2),
                )
                self.link = gr.Button("Copy link", size="sm", elem_id="copy-link", min_width=0)
                present = gr.Button("Present", size="sm", elem_id="present", min_width=0)
                theme = gr.Button("Light / dark", size="sm", elem_id="theme", min_width=0)
                self.badge = panel(elem_id="badge")
        self.notice = notice_panel("link-notice")
        present.click(None, None, None, js="() => window.__l2vPresent()", api_name=False, queue=False)
        theme.click(None, None, None, js="() => window.__l2vTheme()", api_name=False, queue=False)
