"""Compare: all pairs of 2 to 40 texts, under two encoders."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from llm2vec_core.bundled_data import text_groups
from llm2vec_core.errors import InputError
from llm2vec_core.pooling import POOLING_MODES
from llm2vec_core.ui.components import code_view, fill_from_examples, notice_panel, panel, pooling_field
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import MEAN_ONLY, USER_ADAPTER, encoder_options
from llm2vec_core.ui.form import Form
from llm2vec_core.ui.page import Page, Tab
from llm2vec_core.ui.pair_strips import Strip, similarity_strips
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.compare import charts, copy
from llm2vec_core.ui.tabs.compare.code import snippet
from llm2vec_core.ui.tabs.compare.model import (
    COSINE,
    PERCENTILE,
    Comparison,
    checked_fields,
    compare,
    lines_of,
    yardstick_of,
)
from llm2vec_core.ui.tabs.compare.poolings import Pooled, all_poolings, best, rows_of
from llm2vec_core.ui.templates import render
from llm2vec_core.ui.text_picker import chosen_texts, text_picker
from llm2vec_core.ui.user_texts import INSTRUCTION_CHARACTERS, USER_TEXTS, shortened

SCRIPT = Path(__file__).with_name("tab.js").read_text(encoding="utf-8")
SHOWN = "compare: shown"  # in Session.by_tab
GROUPS = {group.key: group for group in text_groups()}
FIRST_GROUP = next(iter(GROUPS))
CHOICE_CHARACTERS = 70
# Smaller differences of a separation are one or two comparisons of a small group.
CLEAR = 0.05


def show(context: AppContext, session: Session, **given: Any) -> dict[str, Any]:
    """Everything but the table of poolings.

    Args:
        context: of the model.
        session: of the visitor.
        given: the fields of :func:`llm2vec_core.ui.tabs.compare.model.checked_fields`.
    """
    fields = checked_fields(context.limits, **given)
    found = compare(context, session, fields)
    session.by_tab[SHOWN] = (context.preset.key, given)
    choices = [(f"{i}. {shortened(each, CHOICE_CHARACTERS)}", i - 1) for i, each in enumerate(fields.texts, start=1)]
    return {
        "summary": summary(found),
        "matrices": matrices(found),
        "strips": strips(context, session, found),
        "nearest": neighbors(found),
        "code": snippet(fields, context.preset),
        "first": gr.update(choices=choices, value=0),
        "second": gr.update(choices=choices, value=1),
        "answered": time.time_ns(),
    }


def is_shown(session: Session, **given: Any) -> bool:
    """Whether that is what the tab shows; of a visitor's own adapter there may be a newer one."""
    return USER_ADAPTER not in given.values() and session.by_tab.get(SHOWN) == (session.model_key, given)


def summary(found: Comparison) -> str:
    """What these texts show: two numbers and one sentence."""
    separations, ahead = found.separations(), "neither"
    if separations and abs(separations[1] - separations[0]) > CLEAR:
        ahead = "second" if separations[1] > separations[0] else "first"
    return render("compare/summary.html", found=found, separations=separations, ahead=ahead)


def matrices(found: Comparison) -> str:
    """Both matrices and their difference."""
    fields, (low, high), span = found.fields, found.limits(), found.span()
    together = found.structure.pairs()[0] if found.structure else None
    values = [side.values(fields.measure) for side in found.sides]
    colors = charts.difference_colors(found.first.choice.color, found.second.choice.color)
    count, names = len(fields.texts), [side.choice.label for side in found.sides]
    drawn = [
        charts.matrix(rows, (low, high), fields.measure, f"{name}: {fields.measure} of {count} texts", together)
        for rows, name in zip(values, names, strict=True)
    ]
    label = f"Difference in {fields.measure} between {names[1]} and {names[0]}, {count} texts"
    drawn.append(charts.difference(found.difference, span, fields.measure, label, colors, together))
    headings = [f"{i}. {shortened(text, 60)}" for i, text in enumerate(fields.texts, start=1)]
    digits = 2 if fields.measure == PERCENTILE else 4
    data = {
        "texts": [shortened(text, CHOICE_CHARACTERS) for text in fields.texts],
        "names": names,
        "unit": "%" if fields.measure == PERCENTILE else "",
        "digits": digits - 1,
        "values": [np.round(rows, digits).ravel().tolist() for rows in values],
    }
    return render(
        "compare/matrices.html",
        found=found,
        low=low,
        high=high,
        span=span,
        change=found.change(),
        colors=colors,
        charts=drawn,
        outlined=charts.outlined(together),
        numbered=count <= charts.MOST_NUMBERS,
        columns=["text", *map(str, range(1, count + 1))],
        tables=[
            [[heading, *map(float, row)] for heading, row in zip(headings, rows, strict=True)]
            for rows in (*values, found.difference)
        ],
        data=json.dumps(data, ensure_ascii=False),
    )


def neighbors(found: Comparison) -> str:
    """Each text with its nearest neighbour under both encoders."""
    rows = found.rows()
    sides = [row.first for row in rows], [row.second for row in rows]
    correct = [sum(bool(near.same_meaning) for near in side) for side in sides]
    return render(
        "compare/neighbors.html",
        rows=rows,
        first=found.first,
        second=found.second,
        changed=sum(row.changed for row in rows),
        kind="meaning" if found.group else "label",
        correct=correct if found.structure else None,
        table=[
            [
                i,
                shortened(r.text, 300),
                r.first.number,
                r.first.cosine,
                r.second.number,
                r.second.cosine,
                str(r.changed),
            ]
            for i, r in enumerate(rows, start=1)
        ],
    )


def pooling_table(found: list[Pooled], pair: tuple[int, int], texts: tuple[str, ...]) -> str:
    """Every pooling mode under every encoder.

    Args:
        found: the measurements.
        pair: rows of the two texts.
        texts: all texts.
    """
    labelled = found[0].together is not None
    means = ["mean cosine, same meaning", "mean cosine, misleading pairs"] if labelled else []
    return render(
        "compare/poolings.html",
        pair=pair,
        texts=texts,
        labelled=labelled,
        best=best(found),
        rows=rows_of(found),
        modes=list(POOLING_MODES),
        short=copy.SHORT,
        lowest=min(found, key=lambda cell: cell.cosine),
        highest=max(found, key=lambda cell: cell.cosine),
        percentiles=[cell.percentile for cell in found if cell.percentile is not None],
        columns=["encoder", "pooling", "cosine", "percentile", "separation", *means],
        table=[
            [cell.choice.label, cell.pooling, cell.cosine, cell.percentile, cell.separation]
            + ([cell.together, cell.apart] if labelled else [])
            for cell in found
        ],
    )


def strips(context: AppContext, session: Session, found: Comparison) -> str:
    """Of two texts alone: their cosine among pairs of known relation; nothing for more."""
    if len(found.fields.texts) != 2 or found.fields.instruction:
        return ""
    shown = [
        Strip(side.choice, float(side.cosines[0, 1]), yardstick_of(context, session, side.choice.key, side.pooling))
        for side in found.sides
    ]
    return similarity_strips(shown, found.fields.pooling, elem_id="compare-strips-card")


def show_poolings(context: AppContext, session: Session, first: Any, second: Any, **given: Any) -> dict[str, str]:
    """The table of poolings for a pair of rows."""
    fields = checked_fields(context.limits, **given)
    pair = (_row(first), _row(second))
    return {"table": pooling_table(all_poolings(context, session, fields, pair), pair, fields.texts)}


def pick(context: AppContext, session: Session, event: dict[str, Any], **given: Any) -> dict[str, Any]:
    """The pair of a cell that was pressed."""
    pair = {"first": _row(event.get("i")), "second": _row(event.get("j"))}
    return pair | show_poolings(context, session, **pair, **given)


def fill(context: AppContext, session: Session) -> dict[str, Any]:
    """The visitor's own texts for the box, and a number that is new each time."""
    return {"texts": lines_of(chosen_texts(session, USER_TEXTS), context.limits), "filled": time.time_ns()}


def warm_up(context: AppContext) -> None:
    """Yardsticks of every pooling, which the first table of poolings needs."""
    for choice in encoder_options(context.preset, baselines=True):
        if choice.key not in MEAN_ONLY:
            context.yardstick(choice.key, "last_token")


def _row(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError("Choose two texts from the list.")
    return value


def _build(page: Page, tab: gr.Tab) -> None:
    limits = page.models.limits
    page.context.warm_ups.append(lambda: warm_up(page.context))
    panel(render("compare/intro.html"))
    with gr.Row():
        example = gr.Dropdown(
            [(group.name, key) for key, group in GROUPS.items()],
            value=FIRST_GROUP,
            label="Examples",
            elem_id="compare-group",
            min_width=200,
        )
        left, right = page.two_pickers("compare", min_width=200)
        pooling = pooling_field("Pooling: tokens into one vector", elem_id="compare-pooling", min_width=200)
    box = gr.Textbox(
        "\n".join(GROUPS[FIRST_GROUP].texts),
        label=f"Texts: one per line, 2 to {limits.compared_texts}",
        lines=8,
        max_lines=12,
        elem_id="compare-texts",
    )
    examples = fill_from_examples(example, [box], lambda key: ("\n".join(GROUPS[key].texts),))
    with gr.Accordion(copy.USER_TEXTS, open=False):
        own = text_picker(page, "compare", ours=False)
        take = gr.Button(f"Use my first {limits.compared_texts} texts", size="sm", elem_id="compare-take")
    with gr.Row(equal_height=True):
        instruction = gr.Textbox(
            "",
            label="Instruction before every text (optional)",
            placeholder="for example: Retrieve sentences that mean the same:",
            max_length=INSTRUCTION_CHARACTERS,
            elem_id="compare-instruction",
            scale=3,
            min_width=240,
        )
        measure = gr.Radio(
            copy.MEASURES,
            value=COSINE,
            label="Show",
            elem_id="compare-measure",
            scale=3,
            min_width=240,
        )
        run = gr.Button("Compare", variant="primary", elem_id="compare-run", scale=1, min_width=120)
    notice = notice_panel("compare-texts-notice")
    found = panel(elem_id="compare-summary", min_height=120)
    pictures = panel(js_on_load=SCRIPT, elem_id="compare-matrices", min_height=420)
    strip = panel(elem_id="compare-strips")
    nearest = panel(elem_id="compare-nearest")
    panel(render("compare/poolings_intro.html"))
    with gr.Row():
        first = gr.Dropdown([], label="First text", elem_id="compare-pair-a", min_width=220)
        second = gr.Dropdown([], label="Second text", elem_id="compare-pair-b", min_width=220)
    pool_notice = notice_panel("compare-pool-notice")
    table = panel(elem_id="compare-poolings", min_height=200)
    code = code_view("compare-code")

    # States, whose change sets off what follows: only an answer that is shown, only a box that could be filled.
    answered, filled = gr.State(0), gr.State(0)
    form = Form(page, "compare", notice)
    form.fields(texts=box, left=left, right=right, pooling=pooling, instruction=instruction, measure=measure)
    fields = ("texts", "left", "right", "pooling", "instruction", "measure")
    form.fields(group=example)
    form.fields(first=first, second=second, linked=False)
    form.results(summary=found, matrices=pictures, strips=strip, nearest=nearest, code=code)
    form.results(first=first, second=second, answered=answered)
    shown = ("summary", "matrices", "strips", "nearest", "code", "first", "second", "answered")
    io = form.io(show, fields, shown)
    form.results(table=table, texts=box, filled=filled)
    pool_io = form.io(show_poolings, ("first", "second", *fields), ("table",), notice=pool_notice)
    # Not about the two lists: an answer to new texts, whenever it comes, brings the texts that can be chosen.
    pick_io = form.io(pick, fields, ("first", "second", "table"), decides=("notice", "table"), notice=pool_notice)
    fill_io = form.io(fill, (), ("texts", "filled"), latest=False)

    for written in examples:
        written.then(**io)
    gr.on([run.click, box.submit, instruction.submit], **io)
    gr.on([left.input, right.input, pooling.input, measure.input], **form.io(show, fields, shown, unless=is_shown))
    filled.change(**io)
    tab.select(**io)
    gr.on([answered.change, first.input, second.input], **pool_io)
    pictures.pick(**pick_io)
    take.click(**fill_io)
    for load in own.loads:
        load.then(**fill_io)
    page.refreshers["compare"] = io


TAB = Tab("compare", "Compare", _build)
