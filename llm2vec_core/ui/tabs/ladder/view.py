"""Climb the ladder: its fields, and what they set off."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gradio as gr

from llm2vec_core.bundled_data import blank_presets
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.summary import MEAN, kind_label
from llm2vec_core.figures import ladder_height, published_height
from llm2vec_core.published import MTEB
from llm2vec_core.ui.components import SIDE_WIDTH, chosen_example, code_view, notice_panel, panel, side_by_side
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import encoder_options
from llm2vec_core.ui.handlers import guarded, latest_only
from llm2vec_core.ui.page import Page, Picker, Tab
from llm2vec_core.ui.plot import plot_view
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.ladder import blanks, charts, copy, model, paint, pictures
from llm2vec_core.ui.tabs.ladder.code import snippet

log = logging.getLogger(__name__)
EFFICIENCY_HEIGHT = 520


def show_rung(context: AppContext, session: Session, key: str, sentence: str, expected: str) -> tuple[str, str]:
    """The card of a rung and the code."""
    found = model.rung(context, session, key)
    keys = [key, found.before.key] if found.before else [key]
    stages = [stage.key for stage in context.preset.stages]
    code = snippet(context.preset.key, stages, key, sentence or "", expected or "")
    return paint.stage_card(found, model.token_counts(context, session, keys)), code


def show_pairs(context: AppContext, session: Session, key: str) -> tuple[str, str]:
    """Histograms of every rung, and the echo card."""
    rows = model.all_cosines(context, session)
    by_key = {choice.key: (choice, cosines) for choice, cosines in rows}
    first, last = context.preset.stages[0].key, context.preset.default.key
    shown = [by_key[name] for name in dict.fromkeys((first, "echo", last))]
    against = [
        (by_key[name][0].label, by_key["echo"][1].above(by_key[name][1])) for name in dict.fromkeys((first, last))
    ]
    tokens = model.token_counts(context, session, [first, "echo"])
    return pictures.histograms(rows, key), paint.echo_card(shown, tokens, against)


def show_cloze(context: AppContext, session: Session) -> str:
    """How often each rung finds a hidden word."""
    rows = model.hidden_words(context, session)
    return blanks.cloze_card(rows, {choice.key: model.below(context.preset, choice.key) for choice, _ in rows})


def _stored(read: Callable[[], Any]) -> Any:
    """What a file of measurements holds; a broken one is logged and counts as not there."""
    try:
        return read()
    except InputError as error:
        log.error("%s", error)
        return None


def _build(page: Page, tab: gr.Tab) -> None:
    preset = page.context.preset
    ladder, efficiency = _stored(model.stored_ladder), _stored(model.stored_efficiency)

    panel(copy.INTRO)
    stage = gr.Radio(
        [(choice.label, choice.key) for choice in encoder_options(preset, baselines=True)],
        value=preset.default.key,
        label=copy.STEPPER,
        elem_id="ladder-stage",
        elem_classes="l2v-stops",
    )
    page.pickers.append(Picker(stage, causal=True, baselines=True, follows=True))
    notice = notice_panel("ladder-notice")
    card, histograms = side_by_side(
        lambda: panel(elem_id="ladder-card", min_height=420), lambda: panel(elem_id="ladder-pairs", min_height=420)
    )

    panel(copy.FILL)
    with gr.Row(equal_height=True):
        example = gr.Dropdown(
            [(each.name, i) for i, each in enumerate(blank_presets())],
            value=0,
            label="Examples",
            elem_id="ladder-example",
            scale=2,
            min_width=200,
        )
        sentence = gr.Textbox(
            blank_presets()[0].text,
            label="Sentence, with _ for a missing word",
            elem_id="ladder-text",
            scale=4,
            min_width=280,
        )
        expected = gr.Textbox(
            blank_presets()[0].answer,
            label="The missing word, if you like",
            elem_id="ladder-expected",
            scale=2,
            min_width=160,
        )
        run = gr.Button("Fill in", variant="primary", elem_id="ladder-fill-button", scale=0, min_width=110)
    fill_notice = notice_panel("ladder-fill-notice")
    filled = panel(elem_id="ladder-filled", min_height=220)
    cloze_notice = notice_panel("ladder-cloze-notice")
    cloze = panel(elem_id="ladder-hidden-words")

    panel(copy.MEASURED)
    kind = chart = table = None
    if ladder:
        kinds = [*ladder.kinds, *([MEAN] if len(ladder.kinds) > 1 else [])]
        kind = gr.Radio(
            [(kind_label(name), name) for name in kinds], value=kinds[-1], label="Kind of task", elem_id="ladder-kind"
        )
        with gr.Row():
            with gr.Column(min_width=SIDE_WIDTH, scale=5):
                chart = plot_view(ladder_height(len(ladder.encoders)), elem_id="ladder-chart")
            with gr.Column(min_width=SIDE_WIDTH, scale=6):
                table = panel(elem_id="ladder-table")
    else:
        panel(paint.missing("Scores on public test sets", model.LADDER_COMMAND), elem_id="ladder-missing")
    panel(copy.ECHO)
    echo = panel(elem_id="ladder-echo")
    with gr.Row():
        with gr.Column(min_width=SIDE_WIDTH):
            panel(copy.EFFICIENCY)
            if efficiency:
                curve = plot_view(EFFICIENCY_HEIGHT, elem_id="ladder-efficiency")
            else:
                told = paint.missing("Sample efficiency", model.EFFICIENCY_COMMAND)
                panel(told, elem_id="ladder-efficiency-missing")
        with gr.Column(min_width=SIDE_WIDTH):
            panel(copy.PUBLISHED)
            published = plot_view(published_height(MTEB), elem_id="ladder-published")
    code = code_view("ladder-code")

    quiet = {"concurrency_id": "interactive", "show_progress": "minimal", "api_name": False}
    rung_io = latest_only(
        {
            "fn": guarded(2)(lambda session, *values: show_rung(page.context_of(session), session, *values)),
            "inputs": [page.session, stage, sentence, expected],
            "outputs": [notice, card, code],
            **quiet,
        }
    )
    pairs_io = latest_only(
        {
            "fn": guarded(2)(lambda session, key: show_pairs(page.context_of(session), session, key)),
            "inputs": [page.session, stage],
            "outputs": [notice, histograms, echo],
            **quiet,
        }
    )
    fill_io = latest_only(
        {
            "fn": guarded(1)(
                lambda session, *values: blanks.filled_card(model.fill(page.context_of(session), session, *values))
            ),
            "inputs": [page.session, sentence, expected],
            "outputs": [fill_notice, filled],
            **quiet,
        }
    )
    cloze_io = latest_only(
        {
            "fn": guarded(1)(lambda session: show_cloze(page.context_of(session), session)),
            "inputs": [page.session],
            "outputs": [cloze_notice, cloze],
            **quiet,
        }
    )
    page.link(ladder_stage=stage, ladder_text=sentence, ladder_word=expected)

    def show(session: Session, key: str, sentence_: str, expected_: str) -> tuple[str, str, str, str, str]:
        context = page.context_of(session)
        painted, code_ = show_rung(context, session, key, sentence_, expected_)
        return (
            painted,
            code_,
            *show_pairs(context, session, key),
            blanks.filled_card(model.fill(context, session, sentence_, expected_)),
        )

    page.refreshers["ladder"] = latest_only(
        {
            "fn": guarded(5)(show),
            "inputs": [page.session, stage, sentence, expected],
            "outputs": [notice, card, code, histograms, echo, filled],
            **quiet,
        }
    )

    # The stored figures are sent when the tab is first looked at: the drawing library is large.
    stored = {published: charts.published_value()}
    if efficiency:
        stored[curve] = charts.efficiency_value(efficiency)

    def measured(name: str) -> dict[Any, Any]:
        return {chart: charts.measured_value(ladder, preset, name), table: paint.measured_table(ladder, name)}

    if kind:
        page.link(ladder_kind=kind)
        # `change`, because a link sets it too.
        kind.change(measured, kind, [chart, table], queue=False, api_name=False)
    opened = tab.select(**rung_io)
    painted = opened.then(**pairs_io).then(**fill_io)
    painted.then(**cloze_io)
    painted.then(
        lambda *name: stored | (measured(*name) if name else {}),
        [kind] if kind else None,
        [*stored, *([chart, table] if kind else [])],
        api_name=False,
        queue=False,
        show_progress="hidden",
    )
    stage.input(**rung_io).then(**pairs_io)
    chosen = chosen_example(example)
    chosen.change(
        lambda i: (blank_presets()[int(i)].text, blank_presets()[int(i)].answer),
        chosen,
        [sentence, expected],
        api_name=False,
        queue=False,
    ).then(**fill_io).then(**rung_io)
    gr.on([run.click, sentence.submit, expected.submit], **fill_io).then(**rung_io)


TAB = Tab("ladder", "Climb the ladder", _build)
