"""Who waits for another visitor's job is told so, may leave, and starts by itself; the training's queue has more in its tab."""

from __future__ import annotations

import threading
from html import unescape

import gradio as gr
import pytest

from llm2vec_core.ui import turns
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.export import copy as export_copy
from llm2vec_core.ui.tabs.export.view import make_file, make_folder, stop_making
from llm2vec_core.ui.tabs.search import copy as search_copy
from llm2vec_core.ui.tabs.search.view import index, stop_indexing
from llm2vec_core.ui.turns import Job, Turns, heeding
from llm2vec_core.ui.user_texts import Texts

INDEX = {"source": "own", "left": "static", "right": "static", "pooling": "mean", "instruction": ""}
# By name: the queue's words, what runs the job, what stops it, what it says in the end and under which name.
JOBS = {
    "file": (
        export_copy.QUEUE,
        lambda *given: make_file(*given, source="own", encoder="static"),
        stop_making,
        "2 rows",
        "status",
    ),
    "folder": (
        export_copy.FOLDER_QUEUE,
        lambda *given: make_folder(*given, stage="causal"),
        None,
        "Creating the folder",
        "folder_status",
    ),
    "index": (
        search_copy.QUEUE,
        lambda *given: index(*given, **INDEX),
        stop_indexing,
        "2 texts are indexed for LLM2Vec-mini (bundled).",
        "status",
    ),
}


@pytest.fixture(autouse=True)
def at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(turns, "WAIT_SECONDS", 0)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))


def visitor() -> Session:
    session = Session()
    session.texts = Texts("mine.txt", ("a river", "a bank"))
    return session


def begun(queue: Turns) -> Job:
    queue.join(job := Job())
    assert queue.take(job)
    return job


@pytest.mark.parametrize("name", JOBS)
def test_who_waits_is_told_so_and_goes_on_by_itself(context, name):
    words, work, _, end, place = JOBS[name]
    queue = Turns(*words)
    other = begun(queue)
    stream = work(queue, context, visitor())
    # How long another's first job takes nobody knows until it says so.
    assert f"Waiting: {words[0]}. You are number 1 in the queue. {words[1]}" in unescape(next(stream)[place])
    assert next(stream) == {}
    queue.tell(other, 20)
    assert "number 1 in the queue: about 20 s." in next(stream)[place]
    queue.leave(other)
    told = [step[place] for step in stream if step.get(place)]
    assert not any("Waiting" in each for each in told)
    assert end in told[-1]
    assert queue.join(Job()) == 0


@pytest.mark.parametrize("name", ["file", "index"])
def test_who_waits_can_leave(context, name):
    words, work, stop, _, place = JOBS[name]
    queue, session = Turns(*words), visitor()
    other = begun(queue)
    stream = work(queue, context, session)
    next(stream)
    assert stop(session) == gr.skip()  # the job says it itself
    assert [turns.LEFT in step[place] for step in stream] == [True]
    assert "being" in stop(session)  # nothing is
    queue.leave(other)
    assert queue.join(Job()) == 0


@pytest.mark.parametrize("name", JOBS)
def test_a_page_that_is_closed_or_an_error_frees_the_place(context, name):
    words, work, _, _, _ = JOBS[name]
    queue = Turns(*words)
    other = begun(queue)
    stream = work(queue, context, visitor())
    next(stream)
    stream.close()
    queue.leave(other)
    stream = work(queue, context, visitor())
    next(stream)
    with pytest.raises(ZeroDivisionError):
        stream.throw(ZeroDivisionError)
        next(stream)
    assert queue.join(Job()) == 0


def test_the_next_job_is_expected_to_take_as_long_as_the_last(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(turns.time, "monotonic", lambda: now[0])
    queue, first, second, third = Turns("others", "mine"), Job(), Job(), Job()
    for job in (first, second, third):
        queue.join(job)
    queue.take(first)
    assert queue.told(third, 2) == "Waiting: others. 1 more waits before you. You are number 2 in the queue. mine"
    now[0] += 7
    queue.leave(first)
    queue.take(second)
    now[0] += 2
    assert queue.told(third, 1) == "Waiting: others. You are number 1 in the queue: about 5 s. mine"


def test_a_job_says_itself_that_it_was_asked_to_stop_once_and_only_in_the_middle_of_a_step(monkeypatch):
    monkeypatch.setattr(turns, "HEARD_SECONDS", 0.01)
    free, job = threading.Event(), Job()

    def slow():
        yield 1
        assert free.wait(60)
        yield 2
        yield 3

    steps = heeding(job, slow())
    assert next(steps) == 1
    job.stopped = True
    assert next(steps) is None
    free.set()
    assert next(steps) == 2
    steps.close()
