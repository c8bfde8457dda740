"""See it: its fields, and what they set off."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import gradio as gr

from llm2vec_core.bundled_data import pair_presets
from llm2vec_core.errors import InputError
from llm2vec_core.ui.components import code_view, fill_from_examples, notice_panel, panel, pooling_field
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import USER_ADAPTER
from llm2vec_core.ui.form import Form
from llm2vec_core.ui.opening import BEGINNING, ENDINGS, FIRST_HEAD, FIRST_VECTOR, PAIR, stored_opening
from llm2vec_core.ui.page import Page, Tab
from llm2vec_core.ui.pair_strips import similarity_strips
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.see import copy, model, panels
from llm2vec_core.ui.tabs.see.code import see_snippet
from llm2vec_core.ui.tabs.see.lens import read_lens
from llm2vec_core.ui.tabs.see.spine import STEPS, show

HERE = Path(__file__).parent
SHOWN_HEADS, SHOWN_MODEL, REFUSED = "see: heads", "see: model", "see: refused"  # in Session.by_tab
HEADS_SCRIPT, SPINE_SCRIPT = (HERE.joinpath(name).read_text(encoding="utf-8") for name in ("heads.js", "spine.js"))


def lesson(context: AppContext, session: Session, a: str, b: str, stage: str, step: int) -> dict[str, Any]:
    """The step of the lesson and the code, for other sentences."""
    session.by_tab[REFUSED] = (context.preset.key, a, b, stage)
    pair = model.checked_pair(context, session, a, b, stage)
    results = {"spine": _step(pair, step), "code": see_snippet(pair)}
    session.by_tab[REFUSED] = None
    return results


def was_refused(session: Session, a: str, b: str, stage: str, **_: Any) -> bool:
    """Whether the lesson has just said what is wrong with these sentences: what follows it need not say it again."""
    return session.by_tab.get(REFUSED) == (session.model_key, a, b, stage)


def workshop(
    context: AppContext, session: Session, a: str, b: str, stage: str, pooling: str, vector: str
) -> dict[str, Any]:
    """What else depends on both sentences; the attention of one of them is computed by :func:`attention`."""
    pair = model.checked_pair(context, session, a, b, stage)
    return {
        "lens": panels.lens(read_lens(pair, vector)),
        "strips": similarity_strips(model.likenesses(pair, pooling), pooling),
    }


def strips(context: AppContext, session: Session, a: str, b: str, stage: str, pooling: str) -> dict[str, Any]:
    """The pair among pairs of known relation, under another pooling."""
    found = model.likenesses(model.checked_pair(context, session, a, b, stage), pooling)
    return {"strips": similarity_strips(found, pooling)}


def step_of(context: AppContext, session: Session, a: str, b: str, stage: str, step: int) -> dict[str, Any]:
    """One step of the lesson."""
    return {"spine": _step(model.checked_pair(context, session, a, b, stage), step)}


def turn(by: int) -> Any:
    """A handler that goes so many steps on."""

    def turned(context: AppContext, session: Session, a: str, b: str, stage: str, step: int) -> dict[str, Any]:
        step = min(max((step or 1) + by, 1), len(STEPS))
        return {"step": step, **step_of(context, session, a, b, stage, step)}

    return turned


def _step(pair: model.Pair, step: object) -> str:
    if isinstance(step, bool) or not isinstance(step, int) or not 1 <= step <= len(STEPS):
        raise InputError(f"{step!r} is no step of the lesson; choose one from 1 to {len(STEPS)}.")
    return panels.spine(show(pair, step), pair.a, pair.b)


def lens(context: AppContext, session: Session, a: str, b: str, stage: str, event: Any) -> dict[str, Any]:
    """The vector that was pressed."""
    chosen = f"{event.get('sentence')}:{event.get('token')}"
    found = read_lens(model.checked_pair(context, session, a, b, stage), chosen)
    return {"lens": panels.lens(found), "vector": chosen}


def endings(
    context: AppContext, session: Session, beginning: str, reference: str, ending: str, stage: str, measure: str
) -> dict[str, Any]:
    """How far a beginning moves when its ending changes."""
    found = model.endings(context, session, beginning, reference, ending, stage)
    return {"bars": panels.endings(found, measure, context.limits.token_pictures)}


def attention(
    context: AppContext, session: Session, a: str, b: str, which: str, stage: str, layer: object, head: object
) -> dict[str, Any]:
    """One head's attention, and all heads as thumbnails."""
    found = model.heads(context, session, a if which == "a" else b, stage)
    wanted = (layer, head)
    layer, head = model.checked_head(layer, head, found.causal.shape[:2])
    results: dict[str, Any] = {
        "picture": panels.attention(found, layer, head),
        "grid": gr.update(value=panels.heads(found), chosen=f"{layer},{head}"),
    }
    counts = context.layers_and_heads()
    for name, number, count, field in zip(("layer", "head"), (layer, head), counts, wanted, strict=True):
        # A field that shows it already is not set: by now another one may have been chosen there.
        results[name] = gr.update(choices=_numbered(count), **({} if number == field else {"value": number}))
    session.by_tab[SHOWN_HEADS] = (context.preset.key, a, b, which, stage, layer, head)
    return results


def shows_heads(session: Session, a: str, b: str, which: str, stage: str, layer: object, head: object) -> bool:
    """Whether that is what the attention picture shows; of a visitor's own adapter there may be a newer one."""
    return stage != USER_ADAPTER and session.by_tab.get(SHOWN_HEADS) == (
        session.model_key, a, b, which, stage, layer, head,
    )  # fmt: skip


def open_layer(context: AppContext, session: Session, a: str, b: str, stage: str, event: Any) -> dict[str, Any]:
    """The layer that was pressed in the picture, at the head that looks ahead most."""
    which, layer = "b" if event.get("sentence") == "b" else "a", event.get("layer")
    future = model.heads(context, session, a if which == "a" else b, stage).future
    layer, _ = model.checked_head(layer, 1, future.shape)
    chosen = {"layer": layer, "head": int(future[layer - 1].argmax()) + 1}
    return {"which": which, **pick(context, session, a, b, which, stage, chosen)}


def pick(context: AppContext, session: Session, a: str, b: str, which: str, stage: str, event: Any) -> dict[str, Any]:
    """The head that was pressed in the overview."""
    layer, head = event.get("layer"), event.get("head")
    results = attention(context, session, a, b, which, stage, layer, head)
    counts = context.layers_and_heads()
    numbers = model.checked_head(layer, head, counts)
    fields = zip(("layer", "head"), counts, numbers, strict=True)
    return results | {name: gr.update(choices=_numbered(n), value=number) for name, n, number in fields}


def everything(context: AppContext, session: Session, **fields: Any) -> dict[str, Any]:
    """The whole tab, from all its fields."""

    def of(*names: str) -> dict[str, Any]:
        return {name: fields[name] for name in names}

    pair = of("a", "b", "stage")
    results = {
        **lesson(context, session, **pair, **of("step")),
        **workshop(context, session, **pair, **of("pooling", "vector")),
        **endings(context, session, **of("beginning", "reference", "ending", "stage", "measure")),
        **attention(context, session, **pair, **of("which", "layer", "head")),
    }
    session.by_tab[SHOWN_MODEL] = context.preset.key
    return results


def _build(page: Page, tab: gr.Tab) -> None:
    model_key = page.context.preset.key
    opening, (first_layer, first_head) = stored_opening(model_key), FIRST_HEAD[model_key]
    layers, heads = page.context.layers_and_heads()

    panel(copy.INTRO)
    with gr.Row(equal_height=True, elem_id="see-fields"):
        a = gr.Textbox(PAIR.a, label="Sentence A", lines=1, max_lines=4, elem_id="sentence-a", min_width=290)
        b = gr.Textbox(PAIR.b, label="Sentence B", lines=1, max_lines=4, elem_id="sentence-b", min_width=290)
        preset = gr.Dropdown(
            [(f"{p.kind.replace('_', ' ')}: {p.name}", i) for i, p in enumerate(pair_presets())],
            value=0,
            label="Examples",
            elem_id="preset",
            min_width=150,
        )
        stage = page.picker("Bidirectional encoder", causal=False, follows=True, elem_id="stage", min_width=150)
        run = gr.Button("Compare", variant="primary", elem_id="compare-button", scale=0, min_width=104)
    examples = fill_from_examples(preset, [a, b], lambda i: (pair_presets()[i].a, pair_presets()[i].b))
    notice = notice_panel("compare-notice")
    with gr.Column(elem_id="see-play"):
        with gr.Row(equal_height=True, elem_id="see-steps"):
            back = gr.Button("← Back", elem_id="see-back", scale=0, min_width=96)
            step = gr.Radio(
                [(name, number) for number, (name, *_) in enumerate(copy.STEPS, 1)],
                value=1,
                label="Step",
                show_label=False,
                container=False,
                elem_id="see-step",
                elem_classes="l2v-stops",
                min_width=260,
            )
            forth = gr.Button("Next →", elem_id="see-next", scale=0, min_width=96)
        panel(copy.SWITCH, elem_id="see-switch")
        spine = panel(opening.spine, elem_id="see-spine", js_on_load=SPINE_SCRIPT)

    panel(copy.WORKSHOP)
    panel(copy.ENDINGS_INTRO)
    with gr.Row(equal_height=True):
        beginning = gr.Textbox(BEGINNING, label="Beginning", lines=1, elem_id="see-beginning", min_width=200)
        reference = gr.Textbox(ENDINGS[0], label="First ending", lines=1, elem_id="see-reference", min_width=200)
        ending = gr.Textbox(
            ENDINGS[1], label="Another ending (type here)", lines=1, elem_id="see-ending", min_width=200
        )
    measure = gr.Radio(
        copy.MEASURES, value="cosine", label="Measure", show_label=False, container=False, elem_id="see-measure"
    )
    ending_notice = notice_panel("ending-notice")
    bars = panel(opening.endings, elem_id="see-endings")

    panel(copy.LENS_INTRO)
    vector = gr.Textbox(FIRST_VECTOR, visible=False, label="Vector", max_length=8)
    lens_notice = notice_panel("lens-notice")
    lens_panel = panel(opening.lens, elem_id="see-lens", js_on_load=SPINE_SCRIPT)

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
        with gr.Column(min_width=420, scale=4):
            chosen = f"{first_layer},{first_head}"
            grid = panel(opening.grid, js_on_load=HEADS_SCRIPT, chosen=chosen, elem_id="see-grid")
        with gr.Column(min_width=420, scale=5):
            picture = panel(opening.picture, elem_id="attention-picture")

    panel(copy.STRIPS_INTRO)
    pooling = pooling_field("Pooling: token vectors into one", elem_id="pooling")
    strips_notice = notice_panel("strips-notice")
    strips_panel = panel(opening.strips, elem_id="similarity")
    code = code_view("see-code", opening.code)

    form = Form(page, "see", notice)
    form.fields(a=a, b=b, stage=stage, layer=layer, head=head, step=step, which=which, pooling=pooling)
    form.fields(beginning=beginning, reference=reference, ending=ending, measure=measure, vector=vector)
    form.results(spine=spine, lens=lens_panel, strips=strips_panel, code=code, bars=bars, picture=picture, grid=grid)
    form.results(layer=layer, head=head, step=step, vector=vector, which=which)
    sentences = ("a", "b", "stage")
    heads_out = ("picture", "grid", "layer", "head")
    lesson_io = form.io(lesson, (*sentences, "step"), ("spine", "code"))
    read = (*sentences, "pooling", "vector")
    workshop_io = form.io(workshop, read, ("lens", "strips"), notice=strips_notice, unless=was_refused)
    heads_in = (*sentences, "which", "layer", "head")
    attention_io = form.io(attention, heads_in, heads_out, notice=attention_notice, unless=was_refused)
    layer_io = form.io(open_layer, sentences, (*heads_out, "which"), notice=attention_notice)
    pick_io = form.io(pick, (*sentences, "which"), heads_out, notice=attention_notice)
    fields = ("beginning", "reference", "ending", "stage", "measure")
    endings_io = form.io(endings, fields, ("bars",), notice=ending_notice, show_progress="hidden")
    strips_io = form.io(strips, (*sentences, "pooling"), ("strips",), notice=strips_notice)
    # The step that was pressed is not set by the answer: by then another one may have been.
    step_io = form.io(step_of, (*sentences, "step"), ("spine",), decides=("notice", "spine", "step"))
    lens_io = form.io(lens, sentences, ("lens", "vector"), notice=lens_notice)

    asked = [gr.on([run.click, a.submit, b.submit], **lesson_io), *(filled.then(**lesson_io) for filled in examples)]
    for answered in asked:
        # The lesson first: it is what is looked at.
        answered.then(**workshop_io).then(**attention_io)
    stage.input(**lesson_io).then(**workshop_io).then(**attention_io).then(**endings_io)
    pooling.input(**strips_io)
    for event, by in ((back.click, -1), (forth.click, 1)):
        event(**form.io(turn(by), (*sentences, "step"), ("spine", "step")))
    step.input(**step_io)
    spine.pick(**lens_io)
    spine.layer(**layer_io)
    lens_panel.pick(**lens_io)
    # `change`, because gradio's `input` of a Textbox comes from key presses alone: not from Backspace or paste.
    # Keys are pressed more often than answers come: the last state of the fields is what counts.
    gr.on([beginning.change, reference.change, ending.change, measure.input], **endings_io)
    heads_io = form.io(attention, heads_in, heads_out, unless=shows_heads, notice=attention_notice)
    gr.on([which.input, layer.input, head.input], **heads_io)
    grid.pick(**pick_io)
    page.refreshers["see"] = form.io(everything)

    def when_due(session: Session) -> Any:
        return gr.skip() if session.by_tab.get(SHOWN_MODEL, model_key) == session.model_key else time.time_ns()

    # It opens with what is stored; another model may be chosen while another tab is open.
    wanted = gr.State(0)
    tab.select(when_due, page.session, wanted, api_name=False, show_progress="hidden")
    wanted.change(**page.refreshers["see"])


def _numbered(count: int) -> list[tuple[str, int]]:
    return [(str(n), n) for n in range(1, count + 1)]


TAB = Tab("see", "See it", _build)
