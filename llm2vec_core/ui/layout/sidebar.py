"""The sidebar: which model, what its stages mean, what the machine is doing, where everything comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
import psutil

from llm2vec_core.errors import LLM2VecError
from llm2vec_core.loading import available_memory
from llm2vec_core.presets import ASSETS
from llm2vec_core.ui.components import notice_panel, panel
from llm2vec_core.ui.encoders import encoder_only_option, encoder_options
from llm2vec_core.ui.handlers import notice_for
from llm2vec_core.ui.layout import copy, facts
from llm2vec_core.ui.layout.header import Header, other_model, other_model_label
from llm2vec_core.ui.models import Models
from llm2vec_core.ui.page import Page
from llm2vec_core.ui.session import Session

REFRESH_SECONDS = 4
QUEUE_ROOM = 64


class Sidebar:
    """Drawn before the tabs, so that the keyboard meets it first; bound after them, when all pickers are known.

    Args:
        page: the page that is being built.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        models = page.models
        first = models.default.preset
        with gr.Sidebar(open=False, width=340, elem_id="sidebar") as self.container:
            panel(copy.MODEL_INTRO)
            self.model = gr.Dropdown(
                [(self._entry(key), key) for key in models.presets],
                value=first.key,
                label="Model",
                elem_id="model",
            )
            self.details = panel(facts.model_details(first, models.fit(first), True), elem_id="model-details")
            self.use = gr.Button(copy.IN_USE, variant="primary", size="sm", interactive=False, elem_id="use-model")
            hint = copy.HUB_HINT if models.allowed.anything else copy.HUB_ALLOWED.format(allowed=models.allowed)
            with gr.Accordion("Another model from the Hub", open=False):
                self.hub_id = gr.Textbox(label="Hub id", info=hint, max_lines=1, max_length=200, elem_id="hub-id")
                self.use_hub = gr.Button("Load it", size="sm", elem_id="use-hub")
            self.notice = notice_panel("model-notice")
            line = '<p class="l2v muted" data-say>{{value}}</p>'
            self.status = panel(html_template=line, elem_id="model-status")
            self.stages = panel(
                facts.stage_meanings(first.label, [*encoder_options(first, baselines=True), encoder_only_option()]),
                elem_id="stage-meanings",
            )
            with gr.Accordion("This server", open=False) as self.server:
                self.machine = panel(elem_id="machine", min_height=90)
            with gr.Accordion(copy.ARCHITECTURES_LABEL, open=False) as self.architectures:
                self.table = gr.Markdown(elem_id="architectures", max_height=420)
            with gr.Accordion("Licences, sources, your data", open=False):
                panel(copy.SOURCES)
        # Ticks only while the section is open: thirty idle visitors should cost nothing.
        self.timer = gr.Timer(REFRESH_SECONDS, active=False)

    def bind(self, header: Header, asked: gr.State) -> tuple[Any, ...]:
        """Bind the events.

        Args:
            header: names the model in use, and has a button that changes it.
            asked: changes when the address of a new visit asks for something.

        Returns:
            The events after which the model may be another one, the last of them where a link is followed.
        """
        page, pickers = self.page, [picker.component for picker in self.page.pickers]
        quiet = {"api_name": False, "show_progress": "hidden"}
        self.model.input(
            lambda session, key: details_of(page.models, key, in_use=key == session.model_key),
            [page.session, self.model],
            [self.details, self.use],
            queue=False,
            **quiet,
        )
        outputs = [self.notice, self.status, page.session, self.stages, header.in_use, self.details, self.use, *pickers]
        loading = {"concurrency_id": "models", "concurrency_limit": 8, "trigger_mode": "once", **quiet}

        def use(session: Session, wanted: str, *values: Any) -> Iterator[tuple[Any, ...]]:
            yield from switch(page, session, wanted, values)

        def use_hub(session: Session, wanted: str, *values: Any) -> Iterator[tuple[Any, ...]]:
            yield from switch(page, session, f"hub:{(wanted or '').strip()}", values)

        def use_other(session: Session, *values: Any) -> Iterator[tuple[Any, ...]]:
            yield from switch(page, session, other_model(session.model_key).key, values)

        changed = (
            self.use.click(use, [page.session, self.model, *pickers], outputs, **loading),
            gr.on(
                [self.use_hub.click, self.hub_id.submit],
                use_hub,
                [page.session, self.hub_id, *pickers],
                outputs,
                **loading,
            ),
            header.other_model.click(use_other, [page.session, *pickers], outputs, **loading),
        )

        def follow_link(session: Session, request: gr.Request, *values: Any) -> tuple[Any, ...]:
            found = follow(page, session, request.query_params.get("model"), values)
            return found or tuple(gr.skip() for _ in outputs)

        events = (*changed, asked.change(follow_link, [page.session, *pickers], outputs, **quiet))
        for event in events:
            event.then(
                lambda session: other_model_label(session.model_key),
                page.session,
                header.other_model,
                queue=False,
                **quiet,
            )
        state = {"fn": lambda: machine_now(page.demo), "inputs": None, "outputs": self.machine, "queue": False, **quiet}
        self.server.expand(**state)
        self.server.expand(lambda: gr.Timer(active=True), None, self.timer, queue=False, **quiet)
        self.server.collapse(lambda: gr.Timer(active=False), None, self.timer, queue=False, **quiet)
        self.timer.tick(**state)
        # Sixteen kilobytes that few ask for.
        self.architectures.expand(architectures, None, self.table, queue=False, **quiet)
        return events

    def _entry(self, key: str) -> str:
        preset = self.page.models.presets[key]
        return f"{preset.label} · {facts.size(preset.parameters)}"


def details_of(models: Models, key: str, *, in_use: bool = False) -> tuple[str, Any]:
    """A preset's facts, and the button that loads it if it fits and is not looked at already.

    Args:
        models: of the page.
        key: of the preset.
        in_use: whether the visitor looks at it now.
    """
    preset = models.presets[key]
    fit, loaded = models.fit(preset), models.is_loaded(key)
    return facts.model_details(preset, fit, loaded or in_use), use_button(in_use, loaded or fit.fits)


def use_button(in_use: bool, can_be_used: bool) -> Any:
    """The button as it should be for the model that is chosen in the list."""
    return gr.update(value=copy.IN_USE if in_use else copy.USE, interactive=can_be_used and not in_use)


def switch(page: Page, session: Session, wanted: str, values: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Load a model and let the visitor look at it; yields updates of everything that names it.

    Args:
        page: the page.
        session: whose model it will be; unchanged if the model cannot be loaded.
        wanted: key of a preset, or ``hub:owner/name``.
        values: what the pickers show now.
    """
    models, kept = page.models, tuple(gr.skip() for _ in values)
    try:
        for told in models.load(wanted, session):
            yield "", told, gr.skip(), gr.skip(), facts.in_use(session.model_key, "", told), gr.skip(), gr.skip(), *kept
        context = models.context(wanted)
    except Exception as error:
        label = models.label(session.model_key)
        message = notice_for(error)
        if not models.is_loaded(session.model_key):
            session.model_key = models.default.preset.key
            label = models.default.preset.label
            # It had to make room; the pickers must not offer what is gone.
            kept = tuple(settled(page, session, values).values())
        if isinstance(error, LLM2VecError):
            message = f"{message.rstrip('.')}. You are still using {label}."
        yield message, "", session, gr.skip(), facts.in_use(session.model_key, label), gr.skip(), gr.skip(), *kept
        return
    session.model_key = wanted
    label = context.preset.label
    yield (
        "",
        f"{label} is in use in every tab.",
        session,
        facts.stage_meanings(label, [*session.choices(context, baselines=True), encoder_only_option()]),
        facts.in_use(wanted, label),
        facts.model_details(context.preset, models.fit(context.preset), True),
        # A model that was named by its Hub id is none of the list: what is chosen there can still be taken.
        use_button(wanted in models.presets, True),
        *settled(page, session, values).values(),
    )


def follow(page: Page, session: Session, wanted: str | None, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Let a new visitor look at the model that the link names, if it is in memory.

    Args:
        page: the page.
        session: of the visitor.
        wanted: the model's key, as it stands in the address.
        values: what the pickers show now.

    Returns:
        As :func:`switch`; None if nothing changes.
    """
    if wanted is None or wanted == session.model_key or not page.models.is_loaded(wanted):
        return None
    *_, found = switch(page, session, wanted, values)
    return found


def settled(page: Page, session: Session, values: tuple[Any, ...]) -> dict[Any, Any]:
    """Updates of all pickers after a change of model: a value that the new model does not have is replaced.

    What stood on the first choice goes to the first, anything else to the model's last stage.
    """
    context = page.context_of(session)
    first, last = context.preset.stages[0].key, context.preset.default.key
    updates = page.refreshed_pickers(session)
    for picker, value in zip(page.pickers, values, strict=True):
        known = [choice.key for choice in session.choices(context, **picker.listed)]
        if value not in known:
            updates[picker.component]["value"] = first if value == first and picker.listed["causal"] else last
    return updates


def machine_now(demo: gr.Blocks) -> str:
    """Memory and queue as they are."""
    queue = demo._queue
    return facts.machine(
        psutil.Process().memory_info().rss,
        available_memory(),
        queue.get_active_worker_count(),
        len(queue),
        QUEUE_ROOM,
    )


def architectures() -> str:
    """The page about architectures, without its title, as Markdown."""
    return (ASSETS / "docs" / "ARCHITECTURES.md").read_text(encoding="utf-8").split("\n", 1)[1]
