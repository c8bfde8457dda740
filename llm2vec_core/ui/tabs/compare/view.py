"""Compare: all pairs of two to 40 texts, under two encoders."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import gradio as gr

from llm2vec_core.bundled_data import text_groups
from llm2vec_core.errors import InputError
from llm2vec_core.pooling import POOLING_MODES
from llm2vec_core.ui import copy as page_copy
from llm2vec_core.ui.components import chosen_example, code_view, notice_panel, panel
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import encoder_options
from llm2vec_core.ui.handlers import guarded, latest_only
from llm2vec_core.ui.page import Page, Tab
from llm2vec_core.ui.pair_strips import similarity_strips
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.compare import copy, paint
from llm2vec_core.ui.tabs.compare.code import snippet
from llm2vec_core.ui.tabs.compare.model import (
    COSINE,
    INSTRUCTION_CHARACTERS,
    STATIC,
    Comparison,
    checked_fields,
    compare,
    lines_of,
    yardstick_of,
)
from llm2vec_core.ui.tabs.compare.paint_poolings import pooling_table
from llm2vec_core.ui.tabs.compare.poolings import all_poolings
from llm2vec_core.ui.text_picker import chosen_texts, text_picker
from llm2vec_core.ui.user_texts import USER_TEXTS

SCRIPT = Path(__file__).with_name("tab.js").read_text(encoding="utf-8")
GROUPS = {group.key: group for group in text_groups()}
FIRST_GROUP = next(iter(GROUPS))
CHOICE_CHARACTERS = 70


def show(context: AppContext, session: Session, *values: Any) -> tuple[Any, ...]:
    """Everything but the table of poolings; values are the tab's fields."""
    fields = checked_fields(context.limits, *values)
    found = compare(context, session, fields)
    choices = [
        (f"{i}. {each[:CHOICE_CHARACTERS]}{'…' if len(each) > CHOICE_CHARACTERS else ''}", i - 1)
        for i, each in enumerate(fields.texts, start=1)
    ]
    return (
        paint.summary(found),
        paint.matrices(found),
        strips(context, session, found),
        paint.neighbors(found),
        snippet(fields, context.preset),
        gr.update(choices=choices, value=0),
        gr.update(choices=choices, value=1),
    )


def strips(context: AppContext, session: Session, found: Comparison) -> str:
    """Of two texts alone: their cosine among pairs of known relation; nothing for more."""
    if len(found.fields.texts) != 2 or found.fields.instruction:
        return ""
    rows = [
        (
            side.choice.key,
            side.choice.label,
            side.choice.direction == "bidirectional",
            float(side.cosines[0, 1]),
            yardstick_of(context, session, side.choice.key, side.pooling),
        )
        for side in found.sides
    ]
    return similarity_strips(rows, page_copy.POOLING_LABELS[found.fields.pooling], elem_id="compare-strips-card")


def show_poolings(context: AppContext, session: Session, first: Any, second: Any, *values: Any) -> str:
    """The table of poolings for a pair."""
    fields = checked_fields(context.limits, *values)
    pair = (_row(first), _row(second))
    return pooling_table(all_poolings(context, session, fields, pair), pair, fields.texts)


def fill(context: AppContext, session: Session) -> tuple[str, int]:
    """The visitor's own texts for the box, and a number that no other filling has."""
    return lines_of(chosen_texts(session, USER_TEXTS), context.limits), time.time_ns()


def warm_up(context: AppContext) -> None:
    """Yardsticks of every pooling, which the first table of poolings needs."""
    for choice in encoder_options(context.preset, baselines=True):
        if choice.key != STATIC:
            context.yardstick(choice.key, "last_token")


def _row(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError("Choose two texts of the list.")
    return value


def _build(page: Page, tab: gr.Tab) -> None:
    limits, preset = page.models.limits, page.context.preset
    page.context.warm_ups.append(lambda: warm_up(page.context))
    panel(copy.INTRO)
    with gr.Row():
        example = gr.Dropdown(
            [(group.name, key) for key, group in GROUPS.items()],
            value=FIRST_GROUP,
            label="Examples",
            elem_id="compare-group",
            min_width=200,
        )
        left = page.picker(
            "First encoder", value=preset.stages[0].key, baselines=True, elem_id="compare-left", min_width=200
        )
        right = page.picker("Second encoder", baselines=True, follows=True, elem_id="compare-right", min_width=200)
        pooling = gr.Dropdown(
            [(page_copy.POOLING_LABELS.get(name, name), name) for name in POOLING_MODES],
            value="mean",
            label="Pooling: tokens into one vector",
            elem_id="compare-pooling",
            min_width=200,
        )
    box = gr.Textbox(
        "\n".join(GROUPS[FIRST_GROUP].texts),
        label=f"Texts: one a line, 2 to {limits.compared_texts}",
        lines=8,
        max_lines=12,
        elem_id="compare-texts",
    )
    with gr.Accordion(copy.OWN, open=False):
        own = text_picker(page, "compare", ours=False)
        take = gr.Button(f"Put my first {limits.compared_texts} texts into the box", size="sm", elem_id="compare-take")
    with gr.Row(equal_height=True):
        instruction = gr.Textbox(
            "",
            label="Instruction in front of every text (may stay empty)",
            placeholder="such as: Retrieve sentences that mean the same:",
            max_length=INSTRUCTION_CHARACTERS,
            elem_id="compare-instruction",
            scale=3,
            min_width=240,
        )
        measure = gr.Radio(
            copy.MEASURES,
            value=COSINE,
            label="Shown as",
            elem_id="compare-measure",
            scale=3,
            min_width=240,
        )
        run = gr.Button("Compare", variant="primary", elem_id="compare-run", scale=1, min_width=120)
    notice = notice_panel("compare-texts-notice")
    told = panel(elem_id="compare-summary", min_height=120)
    pictures = gr.HTML(js_on_load=SCRIPT, apply_default_css=False, elem_id="compare-matrices", min_height=420)
    strip = panel(elem_id="compare-strips")
    nearest = panel(elem_id="compare-nearest")
    panel(copy.POOLINGS)
    with gr.Row():
        first = gr.Dropdown([], label="One text", elem_id="compare-pair-a", min_width=220)
        second = gr.Dropdown([], label="The other", elem_id="compare-pair-b", min_width=220)
    pool_notice = notice_panel("compare-pool-notice")
    table = panel(elem_id="compare-poolings", min_height=200)
    code = code_view("compare-code")

    fields = [box, left, right, pooling, instruction, measure]
    quiet = {"concurrency_id": "interactive", "show_progress": "minimal", "api_name": False}
    # States, whose change sets off what follows: only an answer that is shown, only a box that could be filled.
    answered, filled = gr.State(0), gr.State(0)
    io = latest_only(
        {
            "fn": guarded(8)(
                lambda session, *values: (*show(page.context_of(session), session, *values), time.time_ns())
            ),
            "inputs": [page.session, *fields],
            "outputs": [notice, told, pictures, strip, nearest, code, first, second, answered],
            **quiet,
        }
    )
    pool_io = latest_only(
        {
            "fn": guarded(1)(lambda session, *values: show_poolings(page.context_of(session), session, *values)),
            "inputs": [page.session, first, second, *fields],
            "outputs": [pool_notice, table],
            **quiet,
        }
    )
    fill_io = {
        "fn": guarded(2)(lambda session: fill(page.context_of(session), session)),
        "inputs": page.session,
        "outputs": [notice, box, filled],
        **quiet,
    }

    def on_pick(event: gr.EventData, session: Session, *values: Any) -> tuple[Any, ...]:
        sent = event._data if isinstance(event._data, dict) else {}
        i, j = _row(sent.get("i")), _row(sent.get("j"))
        return i, j, show_poolings(page.context_of(session), session, i, j, *values)

    chosen = chosen_example(example)
    chosen.change(lambda key: "\n".join(GROUPS[key].texts), chosen, box, api_name=False, queue=False).then(**io)
    changed = [run.click, box.submit, instruction.submit, left.input, right.input, pooling.input, measure.input]
    gr.on(changed, **io)
    filled.change(**io)
    tab.select(**io)
    gr.on([answered.change, first.input, second.input], **pool_io)
    pick_io = {
        "fn": guarded(3)(on_pick),
        "inputs": [page.session, *fields],
        "outputs": [pool_notice, first, second, table],
        **quiet,
    }
    # Not about the two lists: an answer to new texts, whenever it comes, brings the texts that can be chosen.
    pictures.pick(**latest_only(pick_io, places=[pool_notice, table]))
    take.click(**fill_io)
    for load in own.loads:
        load.then(**fill_io)
    page.link(
        compare_group=example,
        compare_texts=box,
        compare_left=left,
        compare_right=right,
        compare_pooling=pooling,
        compare_instruction=instruction,
        compare_measure=measure,
    )
    page.refreshers["compare"] = io


TAB = Tab("compare", "Compare", _build)
