"""What a visit leaves behind: nothing, a little after its end."""

from __future__ import annotations

import gc
import weakref
from datetime import datetime, timedelta
from types import SimpleNamespace

import gradio as gr
import numpy as np
import psutil
import pytest
from gradio.state_holder import StateHolder

from llm2vec_core.ui import memory
from llm2vec_core.ui.limits import Limits
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.visits import RETURN, SESSION, Visits


def asking(name: str) -> SimpleNamespace:
    return SimpleNamespace(session_hash=name)


@pytest.fixture
def page():
    """Gradio's own store of sessions, and visits to a page that has one state."""
    with gr.Blocks() as demo:
        state = gr.State(Session())
        visits = Visits(demo, Limits(results_megabytes=1))
        visits.bind(state)
    demo.state_session_capacity = 200
    holder = StateHolder()
    holder.set_blocks(demo)

    def visit(name: str) -> Session:
        session = holder[name][state._id]
        visits.arrive(session, asking(name))
        return session

    return SimpleNamespace(visits=visits, holder=holder, visit=visit)


def test_a_session_and_all_that_it_held_goes_a_little_after_its_page(page):
    session = page.visit("gone")
    page.visit("stays")
    held = weakref.ref(session)
    page.visits.leave(asking("gone"))
    del session
    now = datetime.now()
    assert page.visits.sweep(now + RETURN / 2) == 0  # a connection may break, and come again
    assert page.visits.sweep(now + RETURN * 1.1) == 1
    gc.collect()
    assert held() is None
    assert list(page.holder.session_data) == ["stays"]


def test_a_visitor_whose_connection_broke_keeps_the_session_by_going_on(page):
    page.visit("back")
    page.visits.leave(asking("back"))
    left = datetime.now()
    page.holder.time_last_used["back"] = left + timedelta(seconds=40)
    assert page.visits.sweep(left + RETURN * 3) == 0
    assert page.visits.sweep(left + SESSION * 1.1) == 1


def test_an_open_page_without_a_question_is_kept_for_an_hour(page):
    page.visit("idle")
    assert page.visits.sweep(datetime.now() + SESSION * 0.9) == 0
    assert page.visits.sweep(datetime.now() + SESSION * 1.1) == 1


def test_results_of_whoever_was_idle_longest_go_when_all_are_too_many(page):
    first, second = page.visit("first"), page.visit("second")
    for session in (first, second):
        session.cache.put(("embeddings", 1), np.zeros(150_000, dtype=np.float32))
    page.holder["first"]  # asked last
    page.visits.sweep()
    assert ("embeddings", 1) in first.cache
    assert len(second.cache) == 0


def test_a_file_that_two_visitors_uploaded_stays_until_both_have_left(tmp_path):
    """Gradio stores equal files once: of a class that uploads the same file, the first to leave takes nothing away."""
    shared, own = tmp_path / "shared.csv", tmp_path / "own.csv"
    for file in (shared, own):
        file.write_text("text\na\n")
    first, second = Session(), Session()
    for _ in range(2):  # read again with another column: still one visitor
        first.hold_uploads(shared, own)
        second.hold_uploads(shared)
    first.delete_uploads()
    assert shared.exists() and not own.exists()
    first.delete_uploads()
    assert shared.exists()
    second.delete_uploads()
    assert not shared.exists()


def test_a_collection_looks_only_at_what_came_after_the_start():
    gc.unfreeze()  # what the tests keep out themselves
    with memory.without_collections():
        assert not gc.isenabled()
        memory.keep_startup_out_of_collections()
        assert gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < gc.get_freeze_count() / 10
    new = Session()
    new.itself, held = new, weakref.ref(new)
    del new
    memory.give_back()
    assert held() is None


def test_freed_memory_goes_back_to_the_machine():
    resident = psutil.Process().memory_info().rss
    kept = [bytes(50_000) for _ in range(4_000)]
    last = bytes(50_000)  # at the end of the heap: without it the allocator gives all back by itself
    grown = psutil.Process().memory_info().rss - resident
    del kept
    memory.give_back()
    assert grown > 150e6
    assert psutil.Process().memory_info().rss - resident < grown / 4
    assert last


def test_a_model_is_in_use_while_somebody_else_looks_at_it(page):
    first, second = page.visit("first"), page.visit("second")
    first.model_key = "other"
    assert page.visits.models_in_use() == {"other", second.model_key}
    assert page.visits.models_in_use(but=first) == {second.model_key}
    page.visits.leave(asking("second"))
    assert page.visits.models_in_use(but=first) == set()
    page.holder.time_last_used["first"] -= timedelta(minutes=11)
    assert page.visits.models_in_use() == set()
