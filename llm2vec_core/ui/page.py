"""What a tab is, and what tabs share while the page is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import USER_ADAPTER, encoder_options
from llm2vec_core.ui.models import Models
from llm2vec_core.ui.session import Session


@dataclass(frozen=True)
class Picker:
    """A dropdown that lists encoders.

    Attributes:
        component: the dropdown; its value is a choice's key.
        listed: what is listed beside bidirectional stages, as arguments of :func:`encoder_options`.
        follows: whether it jumps to a visitor's own adapter as soon as there is one.
        own: whether a visitor's own adapter is listed.
    """

    component: gr.Dropdown
    listed: Mapping[str, bool]
    follows: bool = False
    own: bool = True


@dataclass
class Page:
    """What the tabs of one page share while it is built.

    Attributes:
        models: encoders, embeddings, limits, by model.
        session: the session's state, a :class:`llm2vec_core.ui.session.Session`.
        demo: the Blocks, for events of the whole page.
        pickers: dropdowns of encoders; whoever adds an encoder or changes the model refreshes them.
        linked: by name in the address, the components whose values a link to this view carries.
        sources: by tab id, the choice between our collection and the visitor's own texts.
        texts_status: where each tab says which texts of the visitor's are loaded.
        texts_loads: events after which these may be others.
        refreshers: by tab id, the arguments of ``gr.on`` that compute what the tab shows from its fields.
        on_built: called once every tab is drawn, to bind events that reach into all of them.
    """

    models: Models
    session: gr.State
    demo: gr.Blocks
    pickers: list[Picker] = field(default_factory=list)
    linked: dict[str, gr.components.Component] = field(default_factory=dict)
    sources: dict[str, gr.Radio] = field(default_factory=dict)
    refreshers: dict[str, dict[str, Any]] = field(default_factory=dict)
    texts_status: list[gr.HTML] = field(default_factory=list)
    texts_loads: list[Any] = field(default_factory=list)
    on_built: list[Callable[[], None]] = field(default_factory=list)

    @property
    def context(self) -> AppContext:
        """The context of the model that the page opens with, for what is drawn before a visitor has chosen anything."""
        return self.models.default

    def context_of(self, session: Session) -> AppContext:
        """The context of the model that a visitor looks at."""
        return self.models.context(session.model_key)

    def picker(
        self,
        label: str,
        *,
        value: str | None = None,
        follows: bool = False,
        own: bool = True,
        causal: bool = True,
        baselines: bool = False,
        encoder_only: bool = False,
        **options: Any,
    ) -> gr.Dropdown:
        """Draw a dropdown of encoders that is kept up to date.

        Args:
            label: shown to people.
            value: the choice's key at the start; by default the default stage's.
            follows: as of :class:`Picker`, like ``own``.
            own: likewise.
            causal: as of :func:`encoder_options`, like ``baselines`` and ``encoder_only``.
            baselines: likewise.
            encoder_only: likewise.
            options: further arguments of ``gr.Dropdown``.
        """
        listed = {"causal": causal, "baselines": baselines, "encoder_only": encoder_only}
        preset = self.context.preset
        found = encoder_options(preset, **listed)
        component = gr.Dropdown(
            [(choice.label, choice.key) for choice in found],
            value=value or preset.default.key,
            label=label,
            **options,
        )
        self.pickers.append(Picker(component, listed, follows, own))
        return component

    def two_pickers(self, tab_id: str, **options: Any) -> tuple[gr.Dropdown, gr.Dropdown]:
        """Draw the choice of two encoders that are compared: at the start the causal model and the default stage.

        Args:
            tab_id: of the tab; makes the names of the fields unique.
            options: further arguments of both ``gr.Dropdown``.
        """
        first = self.context.preset.stages[0].key
        listed: dict[str, Any] = {"baselines": True, "encoder_only": True, **options}
        left = self.picker("First encoder", value=first, elem_id=f"{tab_id}-left", **listed)
        return left, self.picker("Second encoder", follows=True, elem_id=f"{tab_id}-right", **listed)

    def refreshed_pickers(self, session: Session, *, new_own: bool = False) -> dict[Any, Any]:
        """Updates of all pickers, after the visitor's model or adapter changed.

        Args:
            session: whose.
            new_own: whether an adapter has just been made or loaded.
        """
        context = self.context_of(session)
        updates = {}
        for picker in self.pickers:
            found = session.choices(context, **picker.listed)
            found = [choice for choice in found if picker.own or choice.key != USER_ADAPTER]
            update: dict[str, Any] = {"choices": [(choice.label, choice.key) for choice in found]}
            if new_own and picker.follows and found[-1].key == USER_ADAPTER:
                update["value"] = USER_ADAPTER
            updates[picker.component] = gr.update(**update)
        return updates

    def fields_of(self, session: Session) -> dict[str, gr.components.Component]:
        """The linked components by name, with the encoders of the model that the visitor looks at.

        Args:
            session: whose.
        """
        context = self.context_of(session)
        if context is self.context:
            return self.linked
        found = dict(self.linked)
        for picker in self.pickers:
            for name, component in self.linked.items():
                if component is picker.component:
                    options = encoder_options(context.preset, **picker.listed)
                    found[name] = gr.Dropdown([(o.label, o.key) for o in options], render=False)
        return found


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
