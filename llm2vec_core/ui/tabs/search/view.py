"""Search the bundled collection with two encoders side by side."""

from __future__ import annotations

import gradio as gr

from llm2vec_core.bundled_data import passages, queries
from llm2vec_core.search import SearchIndex
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.handlers import checked_text, guarded
from llm2vec_core.ui.html import notice_panel, panel, side_by_side
from llm2vec_core.ui.tabs.base import Page, Tab
from llm2vec_core.ui.tabs.search import paint, text


def search(context: AppContext, query: str, left_key: str, right_key: str) -> tuple[str, str, str]:
    """A note and the two ranked lists."""
    query = checked_text(query, "The question", context.limits.text_characters).strip()
    labelled = {q.query.lower(): q for q in queries()}.get(query.lower())
    row = {passage.id: i for i, passage in enumerate(passages())}
    relevant = {row[name] for name in labelled.relevant} if labelled else set()
    keys = (left_key, right_key)
    rankings = []
    for key in keys:
        index: SearchIndex = context.index(key)
        rankings.append(index.search(context.encoder(key).encode(query), len(passages())))
    ranks = [{hit.index: hit.rank for hit in hits} for hits in rankings]
    topics = sorted({p.topic for p in passages()})
    columns = []
    for side, key in enumerate(keys):
        stage = context.preset.stage(key)
        hits = rankings[side][: context.limits.results]
        body = paint.hit_list(hits, passages(), relevant, ranks[1 - side], topics)
        columns.append(paint.search_column(stage.label, stage.bidirectional, context.ndcg(key), body, len(queries())))
    return paint.search_note(query, bool(labelled)), columns[0], columns[1]


def _build(page: Page, tab: gr.Tab) -> None:
    context = page.context
    choices = [(stage.label, stage.key) for stage in context.preset.stages]
    panel(text.INTRO)
    with gr.Row(equal_height=True):
        query = gr.Textbox(text.EXAMPLE_QUERIES[0], label="Question", elem_id="query", scale=5)
        run = gr.Button("Search", variant="primary", elem_id="search-button", scale=1, min_width=110)
    gr.Examples([[q] for q in text.EXAMPLE_QUERIES], query, label="Try one of these", cache_examples=False)
    with gr.Row():
        left = gr.Dropdown(choices, value=choices[0][1], label="Left encoder", elem_id="left-encoder")
        right = gr.Dropdown(choices, value=choices[-1][1], label="Right encoder", elem_id="right-encoder")
    notice = notice_panel("search-notice")
    note = panel(elem_id="search-note")
    left_list, right_list = side_by_side(lambda: panel(elem_id="left-hits"), lambda: panel(elem_id="right-hits"))
    io = {
        "fn": guarded(3)(lambda *values: search(context, *values)),
        "inputs": [query, left, right],
        "outputs": [notice, note, left_list, right_list],
        "concurrency_id": "interactive",
        "show_progress": "minimal",
        "api_name": False,
    }
    gr.on([run.click, query.submit, left.input, right.input], **io)
    tab.select(**io)


TAB = Tab("search", "Search", _build)
