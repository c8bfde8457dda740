"""Search: the same question to two encoders, over our collection or the visitor's own texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from llm2vec_core.pooling import POOLING_MODES
from llm2vec_core.ui import copy as page_copy
from llm2vec_core.ui.components import code_view, notice_panel, panel, side_by_side
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.handlers import guarded, guarded_stream, latest_only
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.base import Page, Tab
from llm2vec_core.ui.tabs.search import copy, paint
from llm2vec_core.ui.tabs.search.code import search_snippet
from llm2vec_core.ui.tabs.search.indexes import make_indexes, missing, scores_of
from llm2vec_core.ui.tabs.search.model import INSTRUCTION_CHARACTERS, answer, checked_fields, checked_instruction
from llm2vec_core.ui.tabs.search.scores.paint import charts
from llm2vec_core.ui.text_picker import chosen_texts, text_picker
from llm2vec_core.ui.user_texts import USER_TEXTS

STOP = "search: stop"


def search(context: AppContext, session: Session, source: str, *values: Any) -> tuple[str, ...]:
    """The note, both lists, what stands below them, and the Python that does the same."""
    found = answer(context, session, chosen_texts(session, source), checked_fields(context, *values))
    top = context.limits.results
    left, right = paint.columns(found, top)
    below = charts(found) + paint.hit_table(found, top)
    return paint.search_note(found, top), left, right, below, search_snippet(found, context.preset, top)


def index(
    context: AppContext, session: Session, source: str, left: str, right: str, pooling: str, instruction: str
) -> Iterator[tuple[Any, ...]]:
    """Index the visitor's texts under both encoders; yields (status,) while it goes on."""
    texts, keys = chosen_texts(session, source), (left, right)
    instruction = checked_instruction(instruction)
    if not missing(session, context, texts, keys, pooling):
        yield (paint.status_note("Both encoders have indexed these texts already."),)
        return
    # A flag and no cancelled event: what a cancelled one had still on its way would be shown over "Stopped".
    session.by_tab[STOP] = False
    for progress in make_indexes(session, context, texts, keys, pooling):
        if session.by_tab[STOP]:
            yield (paint.status_note(copy.STOPPED),)
            return
        yield (paint.progress_note(progress),)
    # Here and not with the first question, which should be answered at once.
    for key in keys:
        scores_of(session, context, texts, key, pooling, instruction)
    yield (paint.status_note(f"{len(texts):,} texts are indexed."),)


def stop_indexing(session: Session) -> None:
    """Ask the visitor's indexing to end after the batch that it is at."""
    session.by_tab[STOP] = True


def _build(page: Page, tab: gr.Tab) -> None:
    panel(copy.INTRO)
    texts = text_picker(page, "search")
    with gr.Row(visible=False) as index_row:
        run_index = gr.Button("Index my texts", elem_id="search-index", min_width=140)
        stop = gr.Button("Stop", elem_id="search-stop", min_width=100)
    status = panel(elem_id="search-status")
    with gr.Row(equal_height=True):
        query = gr.Textbox(copy.EXAMPLES[0].query, label="Question", elem_id="search-query", scale=5, min_width=260)
        run = gr.Button("Search", variant="primary", elem_id="search-button", scale=1, min_width=110)
    with gr.Row():
        example = gr.Dropdown(
            [e.query for e in copy.EXAMPLES],
            value=copy.EXAMPLES[0].query,
            label="Examples",
            elem_id="search-example",
            min_width=240,
        )
        instruction = gr.Textbox(
            "",
            label="Instruction for the question (the texts have none)",
            placeholder="such as: Retrieve a passage that answers the question:",
            max_length=INSTRUCTION_CHARACTERS,
            elem_id="search-instruction",
            min_width=240,
        )
    with gr.Row():
        first = page.context.preset.stages[0].key
        left = page.picker("Left encoder", value=first, baselines=True, elem_id="search-left", min_width=200)
        right = page.picker("Right encoder", baselines=True, follows=True, elem_id="search-right", min_width=200)
        pooling = gr.Dropdown(
            [(page_copy.POOLING_LABELS.get(name, name), name) for name in POOLING_MODES],
            value="mean",
            label="Pooling: tokens into one vector",
            elem_id="search-pooling",
            min_width=200,
        )
    notice = notice_panel("search-notice")
    note = panel(elem_id="search-note")
    left_list, right_list = side_by_side(
        lambda: panel(elem_id="search-left-hits"), lambda: panel(elem_id="search-right-hits")
    )
    below = panel(elem_id="search-below")
    code = code_view("search-code")

    io = latest_only(
        {
            "fn": guarded(5)(lambda session, *values: search(page.context_of(session), session, *values)),
            "inputs": [page.session, texts.source, query, left, right, pooling, instruction],
            "outputs": [notice, note, left_list, right_list, below, code],
            "concurrency_id": "interactive",
            "show_progress": "minimal",
            "api_name": False,
        }
    )
    example.input(lambda chosen: chosen, example, query, api_name=False, queue=False).then(**io)
    changed = [run.click, query.submit, instruction.submit, left.input, right.input, pooling.input]
    gr.on(changed, **io)
    tab.select(**io)
    texts.then(**io)
    texts.source.input(
        lambda source: gr.update(visible=source == USER_TEXTS), texts.source, index_row, queue=False, api_name=False
    )
    indexing = run_index.click(
        guarded_stream(1)(lambda session, *values: index(page.context_of(session), session, *values)),
        [page.session, texts.source, left, right, pooling, instruction],
        [notice, status],
        concurrency_id="indexing",
        concurrency_limit=1,
        trigger_mode="multiple",
        show_progress="hidden",
        api_name=False,
    )
    indexing.success(**io)
    stop.click(stop_indexing, page.session, None, api_name=False, show_progress="hidden")
    page.share(
        search_q=query,
        search_left=left,
        search_right=right,
        search_pooling=pooling,
        search_instruction=instruction,
    )
    page.shows["search"] = io


TAB = Tab("search", "Search", _build)
