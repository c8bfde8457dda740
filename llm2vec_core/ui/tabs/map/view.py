"""The collection as two maps, side by side in one frame."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr

from llm2vec_core.bundled_data import passages
from llm2vec_core.figures import scatter_map
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.handlers import guarded_stream
from llm2vec_core.ui.html import notice_panel, panel, side_by_side
from llm2vec_core.ui.plot import plot_value, plot_view
from llm2vec_core.ui.tabs.base import Page, Tab
from llm2vec_core.ui.tabs.map import paint, text

PLOT_HEIGHT = 470


def draw_maps(context: AppContext, left_key: str, right_key: str) -> Iterator[tuple[str, str, str]]:
    """PCA at once, then UMAP: (numbers, left figure, right figure) each time."""
    # Once UMAP's positions are at hand, nothing is gained by showing PCA first.
    kinds = ("umap",) if context.map_is_ready("umap", left_key, right_key) else ("pca", "umap")
    texts = [p.text for p in passages()]
    labels = [p.topic for p in passages()]
    left, right = context.preset.stage(left_key), context.preset.stage(right_key)
    for kind in kinds:
        figures = [
            plot_value(
                scatter_map(
                    context.map_points(kind, stage.key, left_key), labels, texts, f"{stage.label} ({kind.upper()})"
                ),
                name=f"map-{kind}-{stage.key}",
            )
            for stage in (left, right)
        ]
        numbers = paint.map_numbers(
            (left.label, context.topic_accuracy(left_key)),
            (right.label, context.topic_accuracy(right_key)),
            context.overlap(left_key, right_key),
            kind,
        )
        yield (numbers, *figures)


def _build(page: Page, tab: gr.Tab) -> None:
    context = page.context
    choices = [(stage.label, stage.key) for stage in context.preset.stages]
    panel(text.INTRO)
    with gr.Row():
        left = gr.Dropdown(choices, value=choices[0][1], label="Left encoder", elem_id="map-left")
        right = gr.Dropdown(choices, value=choices[-1][1], label="Right encoder", elem_id="map-right")
    panel(paint.topic_legend(sorted({p.topic for p in passages()})))
    notice = notice_panel("map-notice")
    left_plot, right_plot = side_by_side(
        lambda: plot_view(PLOT_HEIGHT, elem_id="left-map"), lambda: plot_view(PLOT_HEIGHT, elem_id="right-map")
    )
    numbers = panel(elem_id="map-summary")
    io = {
        "fn": guarded_stream(3)(lambda *values: draw_maps(context, *values)),
        "inputs": [left, right],
        "outputs": [notice, numbers, left_plot, right_plot],
        "concurrency_id": "map",
        "concurrency_limit": 2,
        "show_progress": "minimal",
        "trigger_mode": "always_last",
        "api_name": False,
    }
    gr.on([tab.select, left.input, right.input], **io)


TAB = Tab("map", "Map", _build)
