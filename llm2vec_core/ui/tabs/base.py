"""What a tab is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import gradio as gr

from llm2vec_core.ui.context import AppContext


@dataclass
class Page:
    """What the tabs of one page share while it is built.

    Attributes:
        context: encoders, embeddings, limits.
        visitor: the session's state, a :class:`llm2vec_core.ui.visitor.Visitor`.
        demo: the Blocks, for events of the whole page.
        stage_pickers: dropdowns that list the bidirectional stages; whoever adds a stage refreshes them.
    """

    context: AppContext
    visitor: gr.State
    demo: gr.Blocks
    stage_pickers: list[gr.Dropdown] = field(default_factory=list)


@dataclass(frozen=True)
class Tab:
    """One tab of the page.

    Attributes:
        id: in addresses and tests.
        label: on the tab.
        build: draws the tab and binds its events, inside an open ``gr.Tab``.
    """

    id: str
    label: str
    build: Callable[[Page, gr.Tab], None]
