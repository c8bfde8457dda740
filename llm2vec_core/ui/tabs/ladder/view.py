"""Climb the ladder: its fields, and what they set off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from math import ceil, inf
from typing import NamedTuple

import gradio as gr

from llm2vec_core.bundled_data import blank_presets
from llm2vec_core.evaluation.bootstrap import Estimate
from llm2vec_core.evaluation.summary import MEAN, LadderSummary, kind_label
from llm2vec_core.evaluation.tasks import all_tasks
from llm2vec_core.figures import ladder_height, published_height
from llm2vec_core.presets import BUNDLED
from llm2vec_core.published import ADDRESS, MTEB
from llm2vec_core.separation import PairCosines
from llm2vec_core.ui.components import code_view, fill_from_examples, notice_panel, panel, side_by_side
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import encoder_options
from llm2vec_core.ui.form import Form, Results
from llm2vec_core.ui.page import Page, Picker, Tab
from llm2vec_core.ui.plot import plot_view
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.ladder import charts, copy, model
from llm2vec_core.ui.tabs.ladder.code import snippet
from llm2vec_core.ui.templates import Cell, render
from llm2vec_core.word_pieces import predicted

EFFICIENCY_HEIGHT = 520


class Measure(NamedTuple):
    """One number of the step's card."""

    key: str
    name: str
    hint: str
    before: float | None
    now: float


class Against(NamedTuple):
    """How far echo's separation is above that of another encoder."""

    label: str
    found: Estimate


def show_rung(context: AppContext, session: Session, stage: str, text: str, word: str) -> Results:
    """The card of a step and the code."""
    found = model.rung(context, session, stage)
    keys = [stage, found.before.key] if found.before else [stage]
    tokens = model.token_counts(context, session, keys)
    return {
        "card": rung_card(found, tokens, model.stair_heights(context.preset)),
        "code": snippet(context.preset, stage, text or "", word or ""),
    }


def rung_card(rung: model.Rung, tokens: Sequence[int], stairs: Mapping[str, float] | None = None) -> str:
    """What a step does, costs and changes.

    Args:
        rung: the step.
        tokens: read for all bundled pairs by the step and by the one below it; the first alone if there is none.
        stairs: the height of each measured step, see :func:`model.stair_heights`.
    """
    now = numbers_of(rung.cosines)
    before = numbers_of(rung.cosines_before) if rung.cosines_before else {}
    measures = [Measure(*each, before.get(each[0]), now[each[0]]) for each in copy.MEASURES]
    return render(
        "ladder/rung.html",
        rung=rung,
        stairs=stairs or {},
        done=copy.DONE.get(rung.choice.key, rung.choice.meaning),
        costs=copy.COSTS.get(rung.choice.key, copy.UNKNOWN_COST),
        tokens=tokens[0],
        before_tokens=tokens[1] if len(tokens) > 1 else 0,
        too_easy=rung.too_easy,
        kind_label=kind_label,
        points=model.points,
        measures=measures[: copy.SHOWN_MEASURES],
        columns=["measure", *([rung.before.label] if rung.before else []), rung.choice.label],
        rows=[[m.name, *([m.before] if rung.before else []), m.now] for m in measures],
    )


def numbers_of(cosines: PairCosines) -> dict[str, float]:
    """The numbers of :data:`llm2vec_core.ui.tabs.ladder.copy.MEASURES` for one encoder."""
    means = {label: cosines.mean(label) for label in ("similar", "unrelated", "misleading")}
    return {"separation": cosines.separation().score, "margin": cosines.margin(), **means}


def show_pairs(context: AppContext, session: Session, stage: str) -> Results:
    """Histograms of every step, and the echo card."""
    rows = model.all_cosines(context, session)
    by_key = {row.choice.key: row for row in rows}
    return {"histograms": histogram_card(rows, stage), "echo": echo_card(context, session, by_key)}


def histogram_card(rows: Sequence[model.MeasuredPairs], chosen: str) -> str:
    """Cosines of the bundled pairs under every step."""
    shown = [f"{row.cosines.separation().score:.3f}" for row in rows]
    table = []
    for choice, cosines in rows:
        means = (cosines.mean(kind) for kind in ("similar", "unrelated", "misleading"))
        table.append([choice.label, *means, cosines.margin(), *astuple(cosines.separation())])
    return render(
        "ladder/histograms.html",
        chart=charts.histograms(rows, chosen),
        highest=max(rows, key=lambda row: row.cosines.mean("unrelated")),
        best=[row.choice.label for row, score in zip(rows, shown, strict=True) if score == max(shown)],
        separation=max(shown),
        table=table,
    )


def echo_card(context: AppContext, session: Session, rows: Mapping[str, model.MeasuredPairs]) -> str:
    """How echo embeddings work, and what they give."""
    first, last, echo = context.preset.stages[0].key, context.preset.default.key, rows["echo"].cosines
    others = [rows[key] for key in dict.fromkeys((first, last))]
    shown = [rows[key] for key in dict.fromkeys((first, "echo", last))]
    causal_tokens, echo_tokens = model.token_counts(context, session, [first, "echo"])
    return render(
        "ladder/echo.html",
        chart=charts.echo_diagram(),
        rows=shown,
        against=[Against(row.choice.label, echo.above(row.cosines)) for row in others],
        ratio=echo_tokens / max(1, causal_tokens),
        table=[[row.choice.label, *astuple(row.cosines.separation())] for row in shown],
    )


def show_filled(context: AppContext, session: Session, text: str, word: str) -> Results:
    """The blanks of a sentence, as each step fills them."""
    return {"filled": filled_card(model.fill(context, session, text, word))}


def filled_card(filled: model.Filled) -> str:
    """The likeliest tokens of each blank, a column per step."""
    places = [(row.choice.label, i, blank) for row in filled.rows for i, blank in enumerate(row.blanks, start=1)]
    table: list[list[Cell]] = []
    for label, i, blank in places:
        table += [
            [label, i, rank, predicted(p.token), p.probability] for rank, p in enumerate(blank.predictions, start=1)
        ]
        if blank.expected:
            table.append([label, i, blank.rank, f"{blank.expected.strip()} (asked for)", blank.probability])
    return render(
        "ladder/filled.html",
        filled=filled,
        word=predicted,
        top=max(p.probability for _, _, blank in places for p in blank.predictions),
        # Rows of at most four columns, as even as can be.
        columns=ceil(len(filled.rows) / ceil(len(filled.rows) / 4)),
        table=table,
    )


def show_cloze(context: AppContext, session: Session) -> Results:
    """How often each step predicts a masked word."""
    rows = model.hidden_words(context, session)
    lower = {row.choice.key: model.below(context.preset, row.choice.key) for row in rows}
    return {"cloze": cloze_card(rows, lower)}


def cloze_card(rows: Sequence[model.StepScores], lower: Mapping[str, str | None]) -> str:
    """How often a masked word is predicted, step by step.

    Args:
        rows: each step with its scores.
        lower: by key, the step that a step is compared with.
    """
    mean = {row.choice.key: row.scores.log_probability for row in rows}
    return render(
        "ladder/cloze.html",
        rows=rows,
        count=len(rows[0].scores.ranks),
        top=max(row.scores.within(5) for row in rows) or 1.0,
        best=max(rows, key=lambda row: mean[row.choice.key]),
        worse=[r.choice.label for r in rows if mean[r.choice.key] < mean.get(lower.get(r.choice.key) or "", -inf)],
        table=[[each.label, found.within(5), found.within(1), found.log_probability] for each, found in rows],
    )


def show_measured(context: AppContext, session: Session, kind: str) -> Results:
    """A note (what was not measured), the chart and the table of one kind of task, for the model in use."""
    preset = context.preset
    summary = model.stored_ladder(preset.key)
    if summary is None or kind not in (*summary.kinds, *([MEAN] if len(summary.kinds) > 1 else [])):
        message = missing(context, kind_label(kind), summary)
        return {"note": message, "chart": gr.update(visible=False), "table": message}
    value = charts.measured_value(summary, preset, kind)
    note = render(
        "ladder/unsettled.html",
        model=preset.label,
        changes=model.changes_by_opening(preset, summary),
        kind_label=kind_label,
        points=model.points,
    )
    return {"note": note, "chart": gr.update(visible=True, value=value), "table": measured_card(summary, kind)}


def show_efficiency(context: AppContext, session: Session) -> Results:
    """Supervised training from every start: of the model in use, or of the bundled one where none was run."""
    for preset in (context.preset, BUNDLED):
        if experiment := model.stored_efficiency(preset.key):
            note = render("ladder/efficiency_intro.html", model=preset.label, runs=experiment.runs)
            return {"efficiency_note": note, "efficiency": charts.efficiency_value(experiment)}
    return {}


def show(context: AppContext, session: Session, stage: str, text: str, word: str, kind: str) -> Results:
    """All that depends on the fields."""
    return {
        **show_rung(context, session, stage, text, word),
        **show_pairs(context, session, stage),
        **show_measured(context, session, kind),
        **show_filled(context, session, text, word),
        **show_efficiency(context, session),
    }


def missing(context: AppContext, what: str, summary: LadderSummary | None = None) -> str:
    """In the place of scores that are not stored."""
    key = context.preset.key
    return render(
        "ladder/missing.html",
        what=what,
        model=context.preset.label,
        measured=[kind_label(kind) for kind in summary.kinds] if summary else [],
        command=model.LADDER_COMMAND.format(key.removeprefix("hub:")),
    )


def measured_card(summary: LadderSummary, kind: str) -> str:
    """Every score of one kind of task."""
    names, rows = model.score_rows(summary, kind)
    return render(
        "ladder/measured.html",
        label=kind_label(kind),
        kind=kind,
        names=names,
        rows=rows,
        gaps=[row.label for row in rows if not row.cells[-1].interval],
        question=copy.KINDS.get(kind, ""),
        metric="" if kind == MEAN else all_tasks()[kind].metric,
        limit=summary.limit,
        command=summary.command,
        columns=["encoder", *names, "low", "high"],
        table=[
            [row.label, *(round(cell.score, 2) for cell in row.cells), *encoder.means[kind].numbers()[1:]]
            for row, encoder in zip(rows, summary.encoders, strict=True)
        ],
    )


def _build(page: Page, tab: gr.Tab) -> None:
    preset = page.context.preset

    panel(render("ladder/intro.html"))
    stage = gr.Radio(
        [(choice.label, choice.key) for choice in encoder_options(preset, baselines=True)],
        value=preset.default.key,
        label=copy.STEPPER,
        elem_id="ladder-stage",
        elem_classes="l2v-stops",
    )
    page.pickers.append(Picker(stage, {"causal": True, "baselines": True}, follows=True))
    notice = notice_panel("ladder-notice")
    card, histograms = side_by_side(
        lambda: panel(elem_id="ladder-card", min_height=420), lambda: panel(elem_id="ladder-pairs", min_height=420)
    )

    panel(render("ladder/fill_intro.html"))
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
            label="Missing word (optional)",
            elem_id="ladder-expected",
            scale=2,
            min_width=160,
        )
        run = gr.Button("Fill in", variant="primary", elem_id="ladder-fill-button", scale=0, min_width=110)
    blanks = blank_presets()
    examples = fill_from_examples(example, [sentence, expected], lambda i: (blanks[i].text, blanks[i].answer))
    fill_notice = notice_panel("ladder-fill-notice")
    filled = panel(elem_id="ladder-filled", min_height=220)
    cloze_notice = notice_panel("ladder-cloze-notice")
    cloze = panel(elem_id="ladder-hidden-words")

    panel(render("ladder/measured_intro.html"))
    kind = gr.Radio(
        [(kind_label(name), name) for name in (*all_tasks(), MEAN)],
        value="sts",
        label="Kind of task",
        elem_id="ladder-kind",
    )
    note = panel(elem_id="ladder-measured-note")
    opened_with = model.stored_ladder(preset.key) or model.stored_ladder(BUNDLED.key)
    chart = plot_view(ladder_height(len(opened_with.encoders) if opened_with else 1), elem_id="ladder-chart")
    with gr.Accordion(copy.SCORES, open=False, elem_id="ladder-fold-scores"):
        table = panel(elem_id="ladder-table")
    with gr.Accordion(copy.ECHO, open=False, elem_id="ladder-fold-echo"):
        echo = panel(elem_id="ladder-echo")
    with gr.Accordion(copy.EFFICIENCY, open=False, elem_id="ladder-fold-efficiency"):
        efficiency_note = panel()
        efficiency = plot_view(EFFICIENCY_HEIGHT, elem_id="ladder-efficiency")
    with gr.Accordion(copy.PUBLISHED, open=False, elem_id="ladder-fold-published"):
        panel(render("ladder/published_intro.html", address=ADDRESS))
        published = plot_view(published_height(MTEB), elem_id="ladder-published")
    code = code_view("ladder-code")

    form = Form(page, "ladder", notice)
    form.fields(stage=stage, text=sentence, word=expected, kind=kind)
    form.results(card=card, code=code, histograms=histograms, echo=echo)
    form.results(note=note, chart=chart, table=table, filled=filled)
    form.results(efficiency_note=efficiency_note, efficiency=efficiency)
    page.refreshers["ladder"] = form.io(show)
    rung_io = form.io(show_rung, ("stage", "text", "word"), ("card", "code"))
    pairs_io = form.io(show_pairs, ("stage",), ("histograms", "echo"))
    fill_io = form.io(show_filled, ("text", "word"), ("filled",), notice=fill_notice)
    measured_io = form.io(show_measured, ("kind",), ("note", "chart", "table"))
    form.results(cloze=cloze)
    cloze_io = form.io(show_cloze, (), ("cloze",), notice=cloze_notice)
    # `change`, because a link sets it too.
    kind.change(**measured_io)
    efficiency_io = form.io(show_efficiency, (), ("efficiency_note", "efficiency"))
    # Figures are sent when the tab is first looked at: the drawing library is large.
    shown = tab.select(**rung_io).then(**pairs_io).then(**fill_io).then(**cloze_io).then(**measured_io)
    shown.then(**efficiency_io).then(
        charts.published_value, None, published, api_name=False, queue=False, show_progress="hidden"
    )
    stage.input(**rung_io).then(**pairs_io)
    for written in examples:
        written.then(**fill_io).then(**rung_io)
    gr.on([run.click, sentence.submit, expected.submit], **fill_io).then(**rung_io)


TAB = Tab("ladder", "Climb the ladder", _build)
