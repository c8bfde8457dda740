"""See it: shared beginnings, sentence similarity, attention."""

from __future__ import annotations

import gradio as gr

from llm2vec_core.bundled_data import pair_presets
from llm2vec_core.comparison import compare_prefix
from llm2vec_core.evaluation.sts import cosine_of_pairs
from llm2vec_core.pooling import POOLING_MODES
from llm2vec_core.ui import text as page_text
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.handlers import checked_text, guarded
from llm2vec_core.ui.html import notice_panel, panel, side_by_side
from llm2vec_core.ui.opening import HEAD, LAYER, PAIR, stored_opening
from llm2vec_core.ui.paint.strips import similarity_strips
from llm2vec_core.ui.tabs.base import Page, Tab
from llm2vec_core.ui.tabs.see import paint, text
from llm2vec_core.ui.visitor import Visitor


def compare(
    context: AppContext, visitor: Visitor, a: str, b: str, stage_key: str, pooling_mode: str
) -> tuple[str, str]:
    """The shared-beginning table and the similarity strips."""
    limit = context.limits.text_characters
    a, b = checked_text(a, "Sentence A", limit), checked_text(b, "Sentence B", limit)
    causal_key = context.preset.stages[0].key
    causal, other = context.encoder(causal_key), visitor.encoder_for(stage_key, context)
    table = paint.prefix_table(
        compare_prefix(causal, a, b),
        compare_prefix(other, a, b),
        visitor.choice(stage_key, context).label,
        context.limits.token_pictures,
    )
    rows = []
    for choice in visitor.choices(context):
        first, second = visitor.encoder_for(choice.key, context).encode([a, b], pooling_mode=pooling_mode)
        cosine = float(cosine_of_pairs(first[None], second[None])[0])
        yardstick = visitor.yardstick_for(choice.key, pooling_mode, context)
        rows.append((choice.key, choice.label, choice.direction == "bidirectional", cosine, yardstick))
    return table, similarity_strips(rows, page_text.POOLING_LABELS[pooling_mode])


def attention(context: AppContext, visitor: Visitor, sentence: str, stage_key: str, layer: int, head: int) -> str:
    """One head's attention, causal beside bidirectional."""
    sentence = checked_text(sentence, "The sentence", context.limits.text_characters)
    limit = context.limits.token_pictures
    causal = context.encoder(context.preset.stages[0].key).attentions(sentence, limit)
    other = visitor.encoder_for(stage_key, context).attentions(sentence, limit)
    where = (int(layer) - 1, int(head) - 1)
    return paint.attention_pair(
        causal.tokens,
        causal.weights[where],
        other.weights[where],
        int(layer),
        int(head),
        visitor.choice(stage_key, context).label,
    )


def _build(page: Page, _tab: gr.Tab) -> None:
    context = page.context
    layers, heads = context.layers_and_heads()
    opening = stored_opening()

    panel(text.INTRO)
    with gr.Row(equal_height=True):
        a = gr.Textbox(PAIR.a, label="Sentence A", lines=2, elem_id="sentence-a", scale=3, min_width=260)
        b = gr.Textbox(PAIR.b, label="Sentence B", lines=2, elem_id="sentence-b", scale=3, min_width=260)
    with gr.Row(equal_height=True):
        preset = gr.Dropdown(
            [(f"{p.kind.replace('_', ' ')}: {p.name}", i) for i, p in enumerate(pair_presets())],
            value=0,
            label="Examples",
            elem_id="preset",
            scale=3,
        )
        stage = page.picker("Bidirectional stage", causal=False, follows=True, elem_id="stage", scale=2)
        pooling = gr.Dropdown(
            [(page_text.POOLING_LABELS.get(name, name), name) for name in POOLING_MODES],
            value="mean",
            label="Pooling: tokens into one vector",
            elem_id="pooling",
            scale=2,
        )
        run = gr.Button("Compare", variant="primary", elem_id="compare-button", scale=1, min_width=120)
    notice = notice_panel("compare-notice")
    table, strips = side_by_side(
        lambda: panel(opening.table, elem_id="prefix"), lambda: panel(opening.strips, elem_id="similarity")
    )

    panel(text.ATTENTION_INTRO)
    with gr.Row(equal_height=True):
        which = gr.Radio(
            [("Sentence A", "a"), ("Sentence B", "b")], value="a", label="Whose attention", elem_id="which"
        )
        # Buttons, not sliders: a slider's number field takes 99, and gradio then covers the picture with an error.
        layer = gr.Radio(list(range(1, layers + 1)), value=LAYER, label="Layer", elem_id="layer")
        head = gr.Radio(list(range(1, heads + 1)), value=HEAD, label="Head", elem_id="head")
    attention_notice = notice_panel("attention-notice")
    picture = panel(opening.attention, elem_id="attention-picture")

    on_compare = guarded(2)(lambda visitor, *values: compare(page.context_of(visitor), visitor, *values))
    on_attention = guarded(1)(
        lambda visitor, a, b, which, *values: attention(
            page.context_of(visitor), visitor, a if which == "a" else b, *values
        )
    )
    compare_io = {
        "fn": on_compare,
        "inputs": [page.visitor, a, b, stage, pooling],
        "outputs": [notice, table, strips],
        "concurrency_id": "interactive",
        "show_progress": "minimal",
        "api_name": False,
    }
    attention_io = {
        "fn": on_attention,
        "inputs": [page.visitor, a, b, which, stage, layer, head],
        "outputs": [attention_notice, picture],
        "concurrency_id": "interactive",
        "show_progress": "minimal",
        "api_name": False,
    }
    chosen = preset.input(
        lambda i: (pair_presets()[int(i)].a, pair_presets()[int(i)].b), preset, [a, b], api_name=False, queue=False
    )
    chosen.then(**compare_io).then(**attention_io)
    gr.on([run.click, a.submit, b.submit, stage.input], **compare_io).then(**attention_io)
    pooling.input(**compare_io)
    gr.on([which.input, layer.input, head.input], trigger_mode="always_last", **attention_io)


TAB = Tab("see", "See it", _build)
