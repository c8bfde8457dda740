"""Train an adapter in the page, watch its loss, use it in every tab."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from llm2vec_core.presets import ModelPreset
from llm2vec_core.ui.components import code_view, notice_panel, panel
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.form import NOTICE, SESSION, Form, Results
from llm2vec_core.ui.handlers import notice_for
from llm2vec_core.ui.page import Page, Tab
from llm2vec_core.ui.plot import plot_view
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.train import copy, model, uploads
from llm2vec_core.ui.tabs.train.data import PAIR_KINDS, pairs_preview
from llm2vec_core.ui.tabs.train.run import get_ready
from llm2vec_core.ui.tabs.train.settings import RANK, SEED, SHORT, default_start, recipe_of
from llm2vec_core.ui.templates import render
from llm2vec_core.ui.text_picker import FOUND_OUT, encoding_field, text_picker
from llm2vec_core.ui.turns import WAITS, Turns

FIRST = "mntp"
RECIPE = "train recipe"  # for which model the fields were last filled, and with what; in Session.by_tab
Filled = tuple[str, Results]
QUIET = {"api_name": False, "show_progress": "hidden"}


def results_of(shown: model.Shown, session: Session) -> Results:
    """What a handler gives, by the names of the form."""
    parts = shown._asdict()
    results = {name: parts[name] for name in ("status", "plot", "own", "result", "code") if parts[name] is not None}
    if shown.download is not None:
        results["download"] = gr.update(value=shown.download or None, visible=bool(shown.download))
    return results | ({SESSION: session} if shown.changed else {})


def recipe_fields(objective: str, length: str, preset: ModelPreset) -> Results:
    """What an objective sets the fields to."""
    found = recipe_of(objective, preset)
    return {
        "steps": found.steps[length],
        "batch": found.batch_size,
        "rate": found.learning_rate,
        "longest": found.longest,
        "start": default_start(objective, preset),
    }


def fitted_fields(
    context: AppContext, session: Session, objective: str, length: str, drawn: Filled, now: Results
) -> Results:
    """What the fields become for another model; a number that the visitor typed stays.

    Args:
        context: of the visitor's model.
        session: remembers what was filled in.
        objective: that is chosen.
        length: of the run.
        drawn: for which model the page was drawn, and with what.
        now: what the fields hold.

    Returns:
        The fields to fill anew; none if they are this model's already.
    """
    filled_for, before = session.by_tab.setdefault(RECIPE, drawn)
    if filled_for == session.model_key:
        return {}
    recipe = recipe_fields(objective, length, context.preset)
    session.by_tab[RECIPE] = session.model_key, recipe
    # The start is a choice among the other model's stages.
    return {name: value for name, value in recipe.items() if name == "start" or now[name] == before[name]}


def _number(name: str, value: float, **options: Any) -> gr.Number:
    label, info = copy.FIELDS[name]
    # No bounds of gradio's own: its message would cover the page; ours stands in its place.
    return gr.Number(value, label=label, info=info, elem_id=f"train-{name.replace('_', '-')}", min_width=200, **options)


def _build(page: Page, tab: gr.Tab) -> None:
    preset = page.context.preset
    recipe = recipe_of(FIRST, preset)
    queue = Turns(*copy.QUEUE, page.models.limits.training_seconds)
    page.context.warm_ups.append(lambda: model.warm_up(page.context))
    panel(render("train/intro.html"))
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            objective = gr.Radio(
                [(label, key) for key, label in copy.OBJECTIVE_LABELS.items()],
                value=FIRST,
                label="Objective",
                elem_id="objective",
            )
            length = gr.Radio(
                [(label, key) for key, label in copy.LENGTHS.items()],
                value=SHORT,
                label="Length of the run",
                info=copy.length_info(preset),
                elem_id="train-length",
            )
            with gr.Column() as texts_box:
                own = text_picker(page, "train")
            with gr.Column(visible=False) as pairs_box:
                pairs_source = gr.Radio(copy.PAIRS_SOURCES, value="ours", label="Pairs", elem_id="train-pairs-source")
                pairs_file = gr.File(
                    label=copy.PAIRS_FILE,
                    file_types=list(PAIR_KINDS),
                    height=150,
                    visible=False,
                    elem_id="train-pairs-file",
                )
                pairs_encoding = encoding_field("train-pairs-encoding")
                pairs_shown = panel(elem_id="train-pairs-preview")
            with gr.Row():
                run = gr.Button("Train", variant="primary", elem_id="train-button", min_width=120)
                stop = gr.Button("Stop", elem_id="stop-button", min_width=120)
            with gr.Accordion("Expert settings", open=False, elem_id="train-expert"):
                start = page.picker(
                    "Start from",
                    value=default_start(FIRST, preset),
                    causal=False,
                    own=False,
                    info=copy.START_INFO,
                    elem_id="start-stage",
                )
                with gr.Row():
                    steps = _number("steps", recipe.steps[SHORT])
                    rate = _number("learning_rate", recipe.learning_rate)
                with gr.Row():
                    rank = _number("rank", RANK)
                    batch_size = _number("batch_size", recipe.batch_size)
                with gr.Row():
                    max_length = _number("max_length", recipe.longest)
                    seed = _number("seed", SEED)
        with gr.Column(scale=3, min_width=320):
            notice = notice_panel("train-notice")
            status = panel(model.training_status(copy.NOTHING_YET), elem_id="train-status")
            plot = plot_view(470, elem_id="loss-plot")
            confirmation = panel(elem_id="train-own-adapter")
            download = gr.DownloadButton("Download the adapter (PEFT)", visible=False, elem_id="train-download")
    result = panel(elem_id="train-result")
    code = code_view("train-code", copy.NO_CODE_YET)
    with gr.Accordion("Use your own adapter", open=False, elem_id="train-load"):
        panel(render("train/upload_intro.html"))
        files = gr.File(
            label="The archive, or adapter_config.json and adapter_model.safetensors",
            file_count="multiple",
            file_types=[".zip", ".json", ".safetensors"],
            height=150,
            elem_id="adapter-files",
        )
        load = gr.Button("Use it in every tab", elem_id="load-adapter")
    # Not inside: an accordion that holds an empty notice is hidden with it.
    load_notice = notice_panel("load-notice")

    form = Form(page, "train", notice)
    form.fields(objective=objective, length=length, steps=steps, start=start, rate=rate, rank=rank)
    form.fields(batch=batch_size, longest=max_length, seed=seed)
    form.fields(source=own.source, pairs_source=pairs_source, pairs_file=pairs_file, linked=False)
    form.fields(pairs_encoding=pairs_encoding, files=files, linked=False)
    form.results(status=status, plot=plot, own=confirmation, result=result, download=download, code=code)
    shown = ("status", "plot", "own", "result", "download", "code", SESSION)
    form.results(length=length, steps=steps, batch=batch_size, rate=rate, longest=max_length, start=start)
    recipe_names = ("steps", "batch", "rate", "longest", "start")
    settings = ("objective", "source", "rank", "seed", *recipe_names)

    def as_drawn(session: Session) -> Filled:
        # A link's fields belong to the link's model.
        of = page.context_of(session).preset if session.linked_tab == TAB.id else preset
        return of.key, recipe_fields(FIRST, SHORT, of)

    def on_show(context: AppContext, session: Session, objective: str, length: str, **now: Any) -> Iterator[Results]:
        get_ready()
        fitted = fitted_fields(context, session, objective, length, as_drawn(session), now)
        fields = now | fitted
        # Twice: gradio loses what is no value if it comes at the moment in which an opened tab is drawn.
        info = {"length": gr.update(info=copy.length_info(context.preset))}
        # At once: while the rest is measured, the visitor may be typing.
        yield fitted | info
        found = model.expected(context, session, objective, fields["start"], fields["steps"])
        yield results_of(found, session) | info

    # What stands there before a run; a run of this visitor stays on the screen.
    show = form.io(
        on_show, ("objective", "length", *recipe_names), (*shown, "length", *recipe_names), show_progress="hidden"
    )
    at_once: dict[str, Any] = {"latest": False, "queue": False, "show_progress": "hidden"}

    def on_objective(context: AppContext, session: Session, objective: str, length: str) -> Results:
        recipe = recipe_fields(objective, length, context.preset)
        session.by_tab[RECIPE] = session.model_key, recipe
        return recipe

    recipe_io = form.io(on_objective, ("objective", "length"), recipe_names, **at_once)
    objective.input(**recipe_io).then(**show)
    # A link changes the objective too, and its recipe comes from the link.
    objective.change(
        lambda key: (gr.update(visible=key != "supervised"), gr.update(visible=key == "supervised")),
        objective,
        [texts_box, pairs_box],
        queue=False,
        **QUIET,
    )

    def on_length(context: AppContext, session: Session, objective: str, length: str) -> Results:
        steps = {"steps": recipe_of(objective, context.preset).steps[length]}
        filled_for, before = session.by_tab.get(RECIPE, as_drawn(session))
        session.by_tab[RECIPE] = filled_for, before | steps
        return steps

    steps_io = form.io(on_length, ("objective", "length"), ("steps",), **at_once)
    length.input(**steps_io).then(**show)
    start.input(**show)
    tab.select(**show)
    page.refreshers["train"] = show
    pairs_source.input(
        lambda chosen: gr.update(visible=chosen == "own"), pairs_source, pairs_file, queue=False, **QUIET
    )

    def on_pairs(
        context: AppContext, session: Session, pairs_file: str | None, pairs_encoding: str = FOUND_OUT
    ) -> Results:
        if pairs_file is None:
            return {"pairs_encoding": gr.update(visible=False, value=FOUND_OUT), "pairs_shown": ""}
        session.hold_uploads(Path(pairs_file))
        results: Results = {"pairs_encoding": gr.update(visible=True, value=pairs_encoding)}
        try:
            return results | {"pairs_shown": pairs_preview(pairs_file, context.limits, pairs_encoding)}
        except Exception as error:
            return results | {NOTICE: notice_for(error), "pairs_shown": ""}

    form.results(pairs_encoding=pairs_encoding, pairs_shown=pairs_shown)
    preview: dict[str, Any] = {"results": ("pairs_encoding", "pairs_shown"), "latest": False, "show_progress": "hidden"}
    pairs_file.change(**form.io(on_pairs, ("pairs_file",), **preview))
    pairs_encoding.input(**form.io(on_pairs, ("pairs_file", "pairs_encoding"), **preview))

    def on_run(context: AppContext, session: Session, **fields: Any) -> Iterator[Results]:
        for found in model.run(queue, context, session, **fields):
            yield results_of(found, session)

    def on_load(context: AppContext, session: Session, files: list[str] | None, start: str) -> Results:
        return results_of(uploads.load(context, session, files, start), session)

    # A second press while a run goes on would wait behind it: the button says so by itself.
    started = run.click(
        lambda session: (model.ask(queue, session), gr.update(interactive=False), session),
        page.session,
        [status, run, page.session],
        queue=False,
        **QUIET,
    ).then(
        **form.io(
            on_run,
            (*settings, "pairs_source", "pairs_file", "pairs_encoding"),
            shown,
            concurrency_id="training",
            # A run that was cancelled in the queue still counts as pending; "once" would drop the next press.
            **WAITS | {"trigger_mode": "multiple"},
        )
    )
    # No event is cancelled: a run that is told to stop ends by itself after its step, measures, and keeps what it has.
    stop.click(
        lambda session: (model.stop(session), gr.update(interactive=True)),
        page.session,
        [status, run],
        queue=False,
        **QUIET,
    )
    loaded = load.click(**form.io(on_load, ("files", "start"), shown, latest=False, notice=load_notice))
    page.on_built.append(partial(_refresh_after, page, (started, loaded), run, status))


def _refresh_after(page: Page, events: tuple[Any, ...], run: gr.Button, status: gr.HTML) -> None:
    def refreshed(session: Session) -> dict[Any, Any]:
        return {run: gr.update(interactive=True), **page.refreshed_pickers(session, new_own=True)}

    for event in events:
        event.then(refreshed, page.session, [run, *(picker.component for picker in page.pickers)], **QUIET)


TAB = Tab("train", "Train", _build)
