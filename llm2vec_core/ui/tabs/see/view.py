"""See it: its fields, and what they set off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from llm2vec_core.bundled_data import pair_presets
from llm2vec_core.pooling import POOLING_MODES
from llm2vec_core.ui import copy as page_copy
from llm2vec_core.ui.components import chosen_example, code_view, notice_panel, panel
from llm2vec_core.ui.handlers import guarded, latest_only
from llm2vec_core.ui.opening import BEGINNING, ENDINGS, FIRST_HEAD, PAIR, stored_opening
from llm2vec_core.ui.page import Page, Tab
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.see import copy, parts
from llm2vec_core.ui.tabs.see.lesson import STEPS

HEADS_SCRIPT = Path(__file__).with_name("heads.js")
SWITCH_SCRIPT = Path(__file__).with_name("switch.js")


def _build(page: Page, _tab: gr.Tab) -> None:
    model_key = page.context.preset.key
    opening, (first_layer, first_head) = stored_opening(model_key), FIRST_HEAD[model_key]
    layers, heads = page.context.layers_and_heads()

    panel(copy.INTRO)
    with gr.Row(equal_height=True, elem_id="see-fields"):
        a = gr.Textbox(PAIR.a, label="Sentence A", lines=1, max_lines=4, elem_id="sentence-a", min_width=240)
        b = gr.Textbox(PAIR.b, label="Sentence B", lines=1, max_lines=4, elem_id="sentence-b", min_width=240)
        preset = gr.Dropdown(
            [(f"{p.kind.replace('_', ' ')}: {p.name}", i) for i, p in enumerate(pair_presets())],
            value=0,
            label="Examples",
            elem_id="preset",
            min_width=150,
        )
        stage = page.picker("Bidirectional encoder", causal=False, follows=True, elem_id="stage", min_width=150)
        run = gr.Button("Compare", variant="primary", elem_id="compare-button", scale=0, min_width=104)
    notice = notice_panel("compare-notice")
    with gr.Column(elem_id="see-play"):
        panel(copy.SWITCH, elem_id="see-switch", js_on_load=SWITCH_SCRIPT.read_text(encoding="utf-8"))
        table = panel(opening.opening, elem_id="prefix")

    panel(copy.LESSON_INTRO)
    with gr.Row(equal_height=True, elem_id="see-steps"):
        back = gr.Button("← Previous", elem_id="see-back", scale=0, min_width=110)
        step = gr.Radio(
            [(str(n), n) for n in range(1, len(STEPS) + 1)],
            value=1,
            label="Step",
            show_label=False,
            container=False,
            elem_id="see-step",
            elem_classes="l2v-stops",
            min_width=260,
            scale=0,
        )
        forth = gr.Button("Next →", elem_id="see-next", scale=0, min_width=110)
    lesson_notice = notice_panel("lesson-notice")
    lesson = panel(opening.lesson, elem_id="see-lesson")

    panel(copy.ENDINGS_INTRO)
    with gr.Row(equal_height=True):
        start = gr.Textbox(BEGINNING, label="Beginning", lines=1, elem_id="see-beginning", min_width=200)
        reference = gr.Textbox(ENDINGS[0], label="First ending", lines=1, elem_id="see-reference", min_width=200)
        ending = gr.Textbox(
            ENDINGS[1], label="Another ending (type here)", lines=1, elem_id="see-ending", min_width=200
        )
    measure = gr.Radio(
        copy.MEASURES, value="cosine", label="Measure", show_label=False, container=False, elem_id="see-measure"
    )
    ending_notice = notice_panel("ending-notice")
    bars = panel(opening.endings, elem_id="see-endings")

    panel(copy.ATTENTION_INTRO)
    with gr.Row(equal_height=True):
        which = gr.Radio(
            [("Sentence A", "a"), ("Sentence B", "b")],
            value="a",
            label="Whose attention",
            elem_id="which",
            min_width=280,
        )
        # Lists, not sliders: a slider's number field takes 99, and gradio then covers the picture with an error.
        layer = gr.Dropdown(_numbered(layers), value=first_layer, label="Layer", elem_id="layer", min_width=120)
        head = gr.Dropdown(_numbered(heads), value=first_head, label="Head", elem_id="head", min_width=120)
    attention_notice = notice_panel("attention-notice")
    with gr.Row():
        with gr.Column(min_width=330, scale=4):
            grid = gr.HTML(
                opening.grid,
                js_on_load=HEADS_SCRIPT.read_text(encoding="utf-8"),
                apply_default_css=False,
                chosen=f"{first_layer},{first_head}",
                elem_id="see-grid",
            )
        with gr.Column(min_width=330, scale=5):
            picture = panel(opening.picture, elem_id="attention-picture")

    panel(copy.STRIPS_INTRO)
    pooling = gr.Dropdown(
        [(page_copy.POOLING_LABELS.get(name, name), name) for name in POOLING_MODES],
        value="mean",
        label="Pooling: token vectors into one",
        elem_id="pooling",
    )
    strips_notice = notice_panel("strips-notice")
    strips = panel(opening.strips, elem_id="similarity")
    code = code_view("see-code", opening.code)

    def on_beginning(session: Session, *values: Any) -> tuple[str, ...]:
        return parts.beginning(page.context_of(session), session, *values)

    def on_strips(session: Session, *values: Any) -> str:
        return parts.strips(page.context_of(session), session, *values)

    def on_step(session: Session, now: int, *values: Any) -> str:
        return parts.lesson(page.context_of(session), session, *values, now or 1)

    def on_turn(by: int) -> Any:
        def turned(session: Session, now: int, *values: Any) -> tuple[int, str]:
            now = min(max((now or 1) + by, 1), len(STEPS))
            return now, on_step(session, now, *values)

        return guarded(2)(turned)

    def on_endings(session: Session, *values: Any) -> str:
        return parts.endings(page.context_of(session), session, *values)

    def attention(session: Session, sentence: str, stage_key: str, wanted: Any, fields: Any) -> tuple[Any, ...]:
        context = page.context_of(session)
        found = parts.attention(context, session, sentence, stage_key, *wanted)
        # A field that shows it already is not set: by now another one may have been chosen there.
        lists = (
            gr.update(choices=_numbered(count), **({} if number == field else {"value": number}))
            for count, number, field in zip(context.layers_and_heads(), (found.layer, found.head), fields, strict=True)
        )
        return found.picture, gr.update(value=found.grid, chosen=f"{found.layer},{found.head}"), *lists

    def on_attention(session: Session, a: str, b: str, which: str, stage_key: str, *head: Any) -> tuple[Any, ...]:
        return attention(session, a if which == "a" else b, stage_key, head, head)

    def on_pick(session: Session, a: str, b: str, which: str, stage_key: str, event: gr.EventData) -> tuple[Any, ...]:
        sent = event._data if isinstance(event._data, dict) else {}
        wanted = (sent.get("layer"), sent.get("head"))
        return attention(session, a if which == "a" else b, stage_key, wanted, (None, None))

    def on_show(session: Session, *values: Any) -> tuple[Any, ...]:
        a, b, stage_key, pooling_mode, step, start, reference, ending, measure, which, layer, head = values
        return (
            *on_beginning(session, a, b, stage_key, pooling_mode, step),
            on_endings(session, start, reference, ending, stage_key, measure),
            *on_attention(session, a, b, which, stage_key, layer, head),
        )

    session = page.session
    common = {"concurrency_id": "interactive", "show_progress": "minimal", "api_name": False}
    sentences = [session, a, b, stage]
    heads_out = [picture, grid, layer, head]
    beginning_io = latest_only(
        {
            "fn": guarded(4)(on_beginning),
            "inputs": [*sentences, pooling, step],
            "outputs": [notice, table, strips, lesson, code],
            **common,
        }
    )
    attention_io = latest_only(
        {
            "fn": guarded(4)(on_attention),
            "inputs": [session, a, b, which, stage, layer, head],
            "outputs": [attention_notice, *heads_out],
            **common,
        }
    )
    endings_io = latest_only(
        {
            "fn": guarded(1)(on_endings),
            "inputs": [session, start, reference, ending, stage, measure],
            "outputs": [ending_notice, bars],
            **common,
            "show_progress": "hidden",
        }
    )
    strips_io = latest_only(
        {
            "fn": guarded(1)(on_strips),
            "inputs": [*sentences, pooling],
            "outputs": [strips_notice, strips],
            **common,
        }
    )
    step_io = latest_only(
        {
            "fn": guarded(1)(on_step),
            "inputs": [session, step, *sentences[1:]],
            "outputs": [lesson_notice, lesson],
            **common,
        },
        # The dot that was pressed is not set by the answer: by then another one may have been.
        places=[lesson_notice, lesson, step],
    )
    pick_io = latest_only(
        {
            "fn": guarded(4)(on_pick),
            "inputs": [session, a, b, which, stage],
            "outputs": [attention_notice, *heads_out],
            **common,
        }
    )
    example = chosen_example(preset)
    chosen = example.change(
        lambda i: (pair_presets()[int(i)].a, pair_presets()[int(i)].b), example, [a, b], api_name=False, queue=False
    )
    chosen.then(**beginning_io).then(**attention_io)
    gr.on([run.click, a.submit, b.submit], **beginning_io).then(**attention_io)
    stage.input(**beginning_io).then(**attention_io).then(**endings_io)
    pooling.input(**strips_io)
    for event, by in ((back.click, -1), (forth.click, 1)):
        turned = {"fn": on_turn(by), "inputs": step_io["inputs"], "outputs": [lesson_notice, step, lesson], **common}
        event(**latest_only(turned))
    step.input(**step_io)
    # `change`, because gradio's `input` of a Textbox comes from key presses alone: not from Backspace or paste.
    # Keys are pressed more often than answers come: the last state of the fields is what counts.
    typed = [start.change, reference.change, ending.change, measure.input]
    gr.on(typed, **endings_io)
    gr.on([which.input, layer.input, head.input], **attention_io)
    grid.pick(**pick_io)

    page.link(
        see_a=a,
        see_b=b,
        see_stage=stage,
        see_layer=layer,
        see_head=head,
        see_step=step,
        see_which=which,
        see_pooling=pooling,
        see_beginning=start,
        see_reference=reference,
        see_ending=ending,
        see_measure=measure,
    )
    page.refreshers["see"] = latest_only(
        {
            "fn": guarded(9)(on_show),
            "inputs": [*sentences, pooling, step, start, reference, ending, measure, which, layer, head],
            "outputs": [notice, table, strips, lesson, code, bars, *heads_out],
            **common,
        }
    )


def _numbered(count: int) -> list[tuple[str, int]]:
    return [(str(n), n) for n in range(1, count + 1)]


TAB = Tab("see", "See it", _build)
