"""What the page shows: a link carries it, an address brings it back, another model computes it anew."""

from __future__ import annotations

import json
import time
from typing import Any

import gradio as gr

from llm2vec_core.ui.layout.header import Header
from llm2vec_core.ui.layout.links import complaint, names_own_adapter, view_of
from llm2vec_core.ui.page import Page
from llm2vec_core.ui.session import Session


class Views:
    """Made after all tabs, when their fields are known.

    A tab's own handler (``page.refreshers``) is run through a state of its own: whoever wants the tab computed sets
    its state to another value, and the state's change runs the handler. So one event decides which of them run.

    Args:
        page: the page that is being built.
        tabs: the drawn tabs.
        ids: of the tabs, in their order.
    """

    def __init__(self, page: Page, tabs: gr.Tabs, ids: list[str]) -> None:
        self.page, self.tabs, self.ids = page, tabs, ids
        self.asked = gr.State(0)
        self.wanted = {tab_id: gr.State(0) for tab_id in ids if tab_id in page.refreshers}
        for tab_id, state in self.wanted.items():
            state.change(**page.refreshers[tab_id])

    def asks(self, request: gr.Request) -> bool:
        """Whether the address of a new visit names anything of this page; most do not, and cost nothing more."""
        return not {"tab", "model", "own", *self.page.linked}.isdisjoint(request.query_params)

    def bind_link(self, header: Header, followed: Any) -> None:
        """Bind the button that makes a link, and bring back what the address of a new visit asks for.

        Args:
            header: its button and its notice.
            followed: the event after which the visitor looks at the model that the address names.
        """
        names = json.dumps(list(self.page.linked))
        sources = json.dumps(list(self.page.sources))
        header.link.click(
            None,
            [*self.page.linked.values(), *self.page.sources.values()],
            None,
            js=f"(...values) => window.__l2vLink({names}, {sources}, values)",
            api_name=False,
            queue=False,
        )
        followed.then(
            self.restore,
            self.page.session,
            [header.notice, self.tabs, *self.wanted.values(), *self.page.linked.values()],
            # Through the queue: the answer to an event that bypasses it does not tell the browser which states changed.
            api_name=False,
            show_progress="hidden",
        )

    def restore(self, session: Session, request: gr.Request) -> tuple[Any, ...]:
        """Updates of notice, tabs, wanted states and fields, as the address asks."""
        query = dict(request.query_params)
        tab, values, wrong = view_of(query, self.page.fields_of(session), self.ids)
        if tab and any(name.startswith(f"{tab}_") for name in values):
            session.linked_tab = tab
        model = query.get("model")
        told = complaint(
            wrong,
            model if model not in (None, session.model_key) else None,
            own=query.get("own") == "texts",
            adapter=any(names_own_adapter(query[k], field) for k, field in self.page.linked.items() if k in query),
        )
        first = self.ids[0]
        # What was drawn is of the model that the page opens with.
        followed = session.model_key != self.page.context.preset.key
        return (
            told,
            gr.update(selected=tab) if tab and tab != first else gr.skip(),
            *self._computed((tab or first) if values or tab or followed else None),
            *(gr.update(value=values[name]) if name in values else gr.skip() for name in self.page.linked),
        )

    def after(self, events: tuple[Any, ...]) -> None:
        """Compute the open tab anew after these events (the model is another one)."""
        # The browser knows which tab is open; the box only carries its answer.
        opened = gr.Textbox(visible=False)
        for event in events:
            event.then(
                self._computed_alone,
                opened,
                list(self.wanted.values()),
                js="() => window.__l2vTab()",
                api_name=False,
                show_progress="hidden",
            )

    def _computed(self, tab: str | None) -> list[Any]:
        return [time.time_ns() if tab_id == tab else gr.skip() for tab_id in self.wanted]

    def _computed_alone(self, tab: str | None) -> Any:
        found = self._computed(tab)
        return found if len(found) != 1 else found[0]
