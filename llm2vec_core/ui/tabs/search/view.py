"""Search: the same question to two encoders, over our collection or the visitor's own texts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from llm2vec_core.ui.components import code_view, fill_from_examples, notice_panel, panel, pooling_field, side_by_side
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import EncoderHandle
from llm2vec_core.ui.form import Form
from llm2vec_core.ui.page import Page, Tab
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.search import charts, copy, model
from llm2vec_core.ui.tabs.search.code import search_snippet
from llm2vec_core.ui.templates import render
from llm2vec_core.ui.text_picker import chosen_texts, text_picker
from llm2vec_core.ui.turns import LEFT, WAITS, Turns, ask_to_stop, heeding
from llm2vec_core.ui.user_texts import INSTRUCTION_CHARACTERS, USER_TEXTS, checked_instruction, checked_text

STOP = "search: stop"


def search(
    context: AppContext,
    session: Session,
    source: str,
    query: str,
    left: str,
    right: str,
    pooling: str,
    instruction: str,
) -> Iterator[dict[str, Any]]:
    """The note, both lists, what stands below them, and the Python that does the same; before, how far the index is."""
    encoders = encoders_of(context, session, left, right, pooling, instruction)
    query = checked_text(query, "The question", context.limits.text_characters).strip()
    told = False
    try:
        for found in model.searching(context, chosen_texts(session, source), encoders, query):
            if isinstance(found, model.SearchResult):
                yield shown(context, found) | ({"status": ""} if told else {})
            else:
                told = True
                yield {"status": _progress(context, found)}
    except Exception:
        if told:
            yield {"status": ""}
        raise


def _progress(context: AppContext, progress: model.IndexProgress) -> str:
    return render("search/progress.html", progress=progress, model=context.preset.label)


def shown(context: AppContext, result: model.SearchResult) -> dict[str, Any]:
    """A result in all its places."""
    top = context.limits.results
    # What an example is about is known of our collection alone.
    point = copy.point_of(result.query) if result.texts.is_bundled else ""
    return {
        "note": render("search/note.html", result=result, top=top, point=point, ranks_note=copy.RANKS_NOTE),
        "left_hits": render("search/hits.html", result=result, side=result.left, top=top),
        "right_hits": render("search/hits.html", result=result, side=result.right, top=top),
        "below": render("search/below.html", result=result, top=top, copy=copy, charts=charts),
        "code": search_snippet(result, context.preset, top),
    }


def encoders_of(
    context: AppContext, session: Session, left: str, right: str, pooling: str, instruction: str
) -> tuple[EncoderHandle, EncoderHandle]:
    """Both encoders, with the pooling and instruction of the fields."""
    told = checked_instruction(instruction)
    first, second = (session.handle(key, context, pooling, told) for key in (left, right))
    return first, second


def index(
    queue: Turns,
    context: AppContext,
    session: Session,
    source: str,
    left: str,
    right: str,
    pooling: str,
    instruction: str,
) -> Iterator[dict[str, Any]]:
    """Index the visitor's texts under both encoders, when it is their turn; yields the status while it goes on."""
    texts = chosen_texts(session, source)
    encoders = encoders_of(context, session, left, right, pooling, instruction)
    if not model.missing(texts, encoders):
        yield {"status": render("status.html", message=copy.INDEXED_ALREADY)}
        return
    with queue.job(session, STOP) as job:
        for told in queue.until(job):
            yield {"status": render("status.html", message=told)} if told else {}
        if not queue.take(job):
            yield {"status": render("status.html", message=LEFT)}
            return
        for progress in heeding(job, model.make_indexes(context, texts, encoders)):
            if progress is None:
                yield {"status": render("status.html", message=copy.STOPPING)}
                continue
            if job.stopped:
                yield {"status": render("status.html", message=copy.STOPPED)}
                return
            queue.tell(job, progress.seconds_left)
            yield {"status": _progress(context, progress)}
        # Here and not with the first question, which should be answered at once.
        asked = model.labelled_queries(texts, context.limits)
        for encoder in encoders:
            model.scores_of(context, texts, encoder, model.index_of(context, texts, encoder), asked)
    yield {"status": render("status.html", message=f"{len(texts):,} texts are indexed for {context.preset.label}.")}


def stop_indexing(session: Session) -> Any:
    """Ask the session's indexing to end after its chunk; it says so itself, and this only if there is none."""
    return gr.skip() if ask_to_stop(session, STOP) else render("status.html", message=copy.NOTHING_TO_STOP)


def _build(page: Page, tab: gr.Tab) -> None:
    panel(render("search/intro.html"))
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
            label="Instruction for the question (optional)",
            placeholder="e.g. Retrieve a passage that answers the question:",
            max_length=INSTRUCTION_CHARACTERS,
            elem_id="search-instruction",
            min_width=240,
        )
    with gr.Row():
        left, right = page.two_pickers("search", min_width=150)
        pooling = pooling_field("Pooling (tokens to one vector)", elem_id="search-pooling", min_width=200)
    examples = fill_from_examples(example, [query], lambda question: (question,))
    notice = notice_panel("search-notice")
    note = panel(elem_id="search-note")
    left_hits, right_hits = side_by_side(
        lambda: panel(elem_id="search-left-hits"), lambda: panel(elem_id="search-right-hits")
    )
    below = panel(elem_id="search-below")
    code = code_view("search-code")

    form = Form(page, "search", notice)
    form.fields(query=query, left=left, right=right, pooling=pooling, instruction=instruction)
    form.fields(source=texts.source, linked=False)
    answers = {"note": note, "left_hits": left_hits, "right_hits": right_hits, "below": below, "code": code}
    form.results(**answers, status=status)
    io = form.io(search, decides=("notice", *answers))  # the status is that of "Index my texts" too
    for filled in examples:
        filled.then(**io)
    changed = [run.click, query.submit, instruction.submit, left.input, right.input, pooling.input]
    gr.on(changed, **io)
    tab.select(**io)
    texts.then(**io)
    texts.source.input(
        lambda source: gr.update(visible=source == USER_TEXTS), texts.source, index_row, queue=False, api_name=False
    )
    indexing = run_index.click(
        **form.io(
            partial(index, Turns(*copy.QUEUE)),
            ("source", "left", "right", "pooling", "instruction"),
            ("status",),
            concurrency_id="indexing",
            **WAITS,
        )
    )
    indexing.success(**io)
    stop.click(stop_indexing, page.session, status, api_name=False, show_progress="hidden")
    page.refreshers["search"] = io


TAB = Tab("search", "Search", _build)
