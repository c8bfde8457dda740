"""Train an adapter in the page, watch its loss, use it in every tab."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from llm2vec_core.presets import ModelPreset
from llm2vec_core.ui.components import code_view, notice_panel, panel
from llm2vec_core.ui.handlers import guarded, guarded_stream, latest_only, notice_for
from llm2vec_core.ui.page import Page, Tab
from llm2vec_core.ui.plot import plot_view
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.train import copy, model, uploads
from llm2vec_core.ui.tabs.train.data import PAIR_KINDS, pairs_preview
from llm2vec_core.ui.tabs.train.run import TrainingQueue
from llm2vec_core.ui.tabs.train.settings import RANK, SEED, SHORT, default_start, recipe_of
from llm2vec_core.ui.templates import render
from llm2vec_core.ui.text_picker import FOUND_OUT, encoding_field, text_picker

FIRST = "mntp"
WAITING = 16
RECIPE = "train recipe"  # of which model the fields are, in Session.by_tab
QUIET = {"api_name": False, "show_progress": "hidden"}


def shown_values(shown: model.Shown, session: Session) -> tuple[Any, ...]:
    """A result as the outputs take it: what is None stays as it is."""
    kept = tuple(gr.skip() if value is None else value for value in shown[:4])
    download = (
        gr.skip() if shown.download is None else gr.update(value=shown.download or None, visible=bool(shown.download))
    )
    code = gr.skip() if shown.code is None else shown.code
    return (*kept, download, code, session if shown.changed else gr.skip())


def recipe_values(objective: str, length: str, preset: ModelPreset) -> tuple[Any, ...]:
    """What an objective sets the fields to: steps, batch size, learning rate, longest text, start."""
    found = recipe_of(objective, preset)
    start = default_start(objective, preset)
    return found.steps[length], found.batch_size, found.learning_rate, found.longest, start


def _number(name: str, value: float, **options: Any) -> gr.Number:
    label, info = copy.FIELDS[name]
    # No bounds of gradio's own: its message would cover the page; ours stands in its place.
    return gr.Number(value, label=label, info=info, elem_id=f"train-{name.replace('_', '-')}", min_width=200, **options)


def _build(page: Page, tab: gr.Tab) -> None:
    preset = page.context.preset
    recipe = recipe_of(FIRST, preset)
    queue = TrainingQueue(page.models.limits.training_seconds)
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
                info=copy.LENGTH_INFO,
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
                    steps = _number("steps", recipe.steps[SHORT], precision=0)
                    rate = _number("learning_rate", recipe.learning_rate)
                with gr.Row():
                    rank = _number("rank", RANK, precision=0)
                    batch_size = _number("batch_size", recipe.batch_size, precision=0)
                with gr.Row():
                    max_length = _number("max_length", recipe.longest, precision=0)
                    seed = _number("seed", SEED, precision=0)
        with gr.Column(scale=3, min_width=320):
            notice = notice_panel("train-notice")
            status = panel(model.training_status(copy.NOTHING_YET), elem_id="train-status")
            plot = plot_view(470, elem_id="loss-plot")
            confirmation = panel(elem_id="train-own-adapter")
            download = gr.DownloadButton("Download the adapter (PEFT)", visible=False, elem_id="train-download")
    result = panel(elem_id="train-result")
    code = code_view("train-code")
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

    numbers = [steps, rate, rank, batch_size, max_length, seed]
    shown = [status, plot, confirmation, result, download, code, page.session]
    page.link(
        train_objective=objective, train_length=length, train_steps=steps, train_start=start, train_rate=rate,
        train_rank=rank, train_batch=batch_size, train_longest=max_length, train_seed=seed,
    )  # fmt: skip

    recipe_fields = [steps, batch_size, rate, max_length, start]

    def on_show(session: Session, key: str, seconds: str, start: str, steps: Any) -> tuple[Any, ...]:
        context, fields = page.context_of(session), tuple(gr.skip() for _ in recipe_fields)
        # The fields of another model would be far too many steps, or too few.
        drawn = session.model_key if session.linked_tab == TAB.id else preset.key
        if session.by_tab.get(RECIPE, drawn) != session.model_key:
            session.by_tab[RECIPE] = session.model_key
            steps, *_, start = fields = recipe_values(key, seconds, context.preset)
        return *shown_values(model.expected(context, session, key, start, steps), session), *fields

    # What stands there before a run; a run of this visitor stays on the screen.
    show = latest_only(
        {
            "fn": guarded(len(shown) + len(recipe_fields))(on_show),
            "inputs": [page.session, objective, length, start, steps],
            "outputs": [notice, *shown, *recipe_fields],
            "concurrency_id": "interactive",
            "show_progress": "hidden",
            "api_name": False,
        }
    )
    objective.input(
        lambda session, key, seconds: recipe_values(key, seconds, page.context_of(session).preset),
        [page.session, objective, length],
        recipe_fields,
        queue=False,
        **QUIET,
    ).then(**show)
    # A link changes the objective too, and its recipe comes from the link.
    objective.change(
        lambda key: (gr.update(visible=key != "supervised"), gr.update(visible=key == "supervised")),
        objective,
        [texts_box, pairs_box],
        queue=False,
        **QUIET,
    )
    length.input(
        lambda session, key, seconds: recipe_of(key, page.context_of(session).preset).steps[seconds],
        [page.session, objective, length],
        steps,
        queue=False,
        **QUIET,
    ).then(**show)
    start.input(**show)
    tab.select(**show)
    page.refreshers["train"] = show
    pairs_source.input(
        lambda chosen: gr.update(visible=chosen == "own"), pairs_source, pairs_file, queue=False, **QUIET
    )

    def on_pairs(session: Session, file: str | None, encoding: str = FOUND_OUT) -> tuple[Any, ...]:
        if file is None:
            return "", gr.update(visible=False, value=FOUND_OUT), ""
        session.uploads.add(Path(file))
        chosen = gr.update(visible=True, value=encoding)
        try:
            return "", chosen, pairs_preview(file, page.context.limits, encoding)
        except Exception as error:
            return notice_for(error), chosen, ""

    pairs_fields = [notice, pairs_encoding, pairs_shown]
    pairs_file.change(on_pairs, [page.session, pairs_file], pairs_fields, **QUIET)
    pairs_encoding.input(on_pairs, [page.session, pairs_file, pairs_encoding], pairs_fields, **QUIET)

    def on_run(session: Session, encoding: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        for found in model.run(queue, page.context_of(session), session, *values, pairs_encoding=encoding):
            yield shown_values(found, session)

    # A second press while a run goes on would wait behind it: the button says so by itself.
    started = run.click(
        lambda session: (model.ask(queue, session), gr.update(interactive=False), session),
        page.session,
        [status, run, page.session],
        queue=False,
        **QUIET,
    ).then(
        guarded_stream(len(shown))(on_run),
        [page.session, pairs_encoding, pairs_source, pairs_file, objective, own.source, start, *numbers],
        [notice, *shown],
        concurrency_id="training",
        # One trains; the others are told their place.
        concurrency_limit=WAITING,
        # A run that was cancelled in the queue still counts as pending; "once" would drop the next press.
        trigger_mode="multiple",
        show_progress="hidden",
        api_name=False,
    )
    # No event is cancelled: a run that is told to stop ends by itself after its step, measures, and keeps what it has.
    stop.click(
        lambda session: (model.stop(session), gr.update(interactive=True)),
        page.session,
        [status, run],
        queue=False,
        **QUIET,
    )
    loaded = load.click(
        guarded(len(shown))(
            lambda session, found, key: shown_values(
                uploads.load(page.context_of(session), session, found, key), session
            )
        ),
        [page.session, files, start],
        [load_notice, *shown],
        concurrency_id="interactive",
        show_progress="minimal",
        api_name=False,
    )
    page.on_built.append(partial(_refresh_after, page, (started, loaded), run, status))


def _refresh_after(page: Page, events: tuple[Any, ...], run: gr.Button, status: gr.HTML) -> None:
    def refreshed(session: Session) -> dict[Any, Any]:
        return {run: gr.update(interactive=True), **page.refreshed_pickers(session, new_own=True)}

    for event in events:
        event.then(refreshed, page.session, [run, *(picker.component for picker in page.pickers)], **QUIET)


TAB = Tab("train", "Train", _build)
