"""A tab's fields and results by name."""

from __future__ import annotations

import copy
import inspect
import threading

import gradio as gr
import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.presets import BUNDLED
from llm2vec_core.ui import form as forms
from llm2vec_core.ui.cores import Cores
from llm2vec_core.ui.form import Form, latest_only, with_notice
from llm2vec_core.ui.handlers import UNEXPECTED
from llm2vec_core.ui.models import Models
from llm2vec_core.ui.page import Page
from llm2vec_core.ui.session import Session


@pytest.fixture
def form():
    with gr.Blocks() as demo:
        page = Page(Models(presets={BUNDLED.key: BUNDLED}), gr.State(Session()), demo)
        form = Form(page, "mine", gr.HTML())
        form.fields(query=gr.Textbox(), top=gr.Number())
        form.fields(source=gr.Radio(["a"]), linked=False)
        form.results(hits=gr.HTML(), note=gr.HTML())
        yield form


def call(io, form, session=None, **values):
    """Run an event as gradio does; gives its results by name."""
    given = {form.page.session: session or Session()} | {form._fields[name]: value for name, value in values.items()}
    assert set(given) == io["inputs"]
    names = {component: name for name, component in form._results.items()}
    results = io["fn"](given)
    if inspect.isgenerator(results):
        return [{names[key]: value for key, value in each.items()} for each in results]
    assert set(results) <= set(io["outputs"])
    return {names[key]: value for key, value in results.items()}


def test_named_values_in_named_results_out_and_the_rest_stays(form):
    def search(context, session, query, top):
        assert context is form.page.context
        return {"hits": f"{query} {top}"}

    io = form.io(search, ("query", "top"))
    assert call(io, form, query="a", top=3) == {"notice": "", "hits": "a 3"}
    assert len(io["outputs"]) == 3


def test_a_link_carries_the_fields_that_are_said_to_be_in_it(form):
    assert list(form.page.linked) == ["mine_query", "mine_top"]


def test_errors_go_to_the_notice_and_leave_the_results(form, caplog):
    def fails(context, session, query):
        raise InputError("too long") if query else KeyError("/home/secret")

    io = form.io(fails, ("query",))
    assert call(io, form, query="a") == {"notice": "too long"}
    assert call(io, form, query="") == {"notice": UNEXPECTED}
    session = Session()
    session.model_key = "gone"  # the context itself is not there
    assert "unknown model" in call(io, form, session, query="a")["notice"]


def test_a_stream_that_fails_midway_keeps_what_it_showed(form):
    def stream(context, session, query):
        yield {"hits": 1}
        raise InputError("bad line")

    io = form.io(stream, ("query",), ("hits",))
    assert inspect.isgeneratorfunction(io["fn"])
    assert call(io, form, query="a") == [{"notice": "", "hits": 1}, {"notice": "bad line"}]


def test_a_closed_stream_closes_the_handler(form):
    closed = []

    def stream(context, session):
        try:
            while True:
                yield {"hits": 1}
        finally:
            closed.append(True)

    run = form.io(stream, ())["fn"]({form.page.session: Session()})
    next(run)
    run.close()
    assert closed == [True]


def test_a_late_result_covers_no_newer_one(form):
    session, said = Session(), []
    quick = form.io(lambda context, session: {"hits": "new"}, (), ("hits",))

    def slow(context, session):
        said.append(call(quick, form, session))
        return {"hits": "old", "note": "old"}

    late = call(form.io(slow, ()), form, session)
    assert said == [{"notice": "", "hits": "new"}]
    assert late == {"notice": gr.skip(), "hits": gr.skip(), "note": "old"}
    assert call(form.io(slow, (), latest=False), form, session) == {"notice": "", "hits": "old", "note": "old"}


def test_nor_one_that_is_still_on_its_way(form):
    session, started, go_on, found = Session(), threading.Event(), threading.Event(), []

    def newer(context, session):
        started.set()
        go_on.wait(10)
        return {"hits": "new"}

    newest = form.io(newer, (), ("hits",))
    thread = threading.Thread(target=lambda: found.append(call(newest, form, session)))

    def slow(context, session):
        thread.start()
        started.wait(10)
        return {"hits": "old", "note": "old"}

    late = call(form.io(slow, ()), form, session)
    go_on.set()
    thread.join()
    assert late == {"notice": gr.skip(), "hits": gr.skip(), "note": "old"}
    assert found == [{"notice": "", "hits": "new"}]


def test_what_asks_for_nothing_new_does_not_cover_what_is_asked_at_the_same_time(form):
    """A dropdown that loses its focus repeats what is shown, while something else is pressed."""
    session = Session()
    repeat = form.io(
        lambda context, session, query: {"hits": query},
        ("query",),
        ("hits",),
        unless=lambda session, query: query == "shown",
    )

    def pressed(context, session):
        assert call(repeat, form, session, query="shown") == {"notice": gr.skip()}
        return {"hits": "pressed"}

    assert call(form.io(pressed, (), ("hits",)), form, session) == {"notice": "", "hits": "pressed"}
    assert call(repeat, form, session, query="new") == {"notice": "", "hits": "new"}


def test_every_visitor_has_an_order_of_their_own(form):
    other = Session()
    quick = form.io(lambda context, session: {"hits": "new"}, (), ("hits",))

    def slow(context, session):
        call(quick, form, other)
        return {"hits": "old"}

    assert call(form.io(slow, (), ("hits",)), form) == {"notice": "", "hits": "old"}
    assert copy.deepcopy(Session()).requests is not other.requests


def test_a_press_while_an_answer_is_on_its_way_waits_for_it(form):
    assert form.io(lambda context, session: {}, ())["trigger_mode"] == "always_last"
    # What may be no change at all does not wait until something newer has been pressed.
    assert form.io(lambda context, session: {}, (), unless=lambda session: True)["trigger_mode"] == "multiple"


def test_an_answer_has_its_share_of_the_cores(form, monkeypatch):
    cores = Cores(2)
    monkeypatch.setattr(forms, "CORES", cores)
    answer = form.io(lambda context, session: {"hits": cores._busy}, (), ("hits",))
    assert call(answer, form) == {"notice": "", "hits": 1}
    with cores.shared():
        assert call(answer, form) == {"notice": "", "hits": 2}
    assert cores._busy == 0
    # What passes the queue by computes nothing, and what yields takes its time step by step: neither has a place to wait for.
    monkeypatch.setattr("llm2vec_core.ui.cores.PATIENCE_SECONDS", 600)

    def steps(context, session):
        yield {"hits": cores._busy}

    with cores.answering(), cores.answering():
        assert call(form.io(lambda context, session: {"hits": 0}, (), ("hits",), queue=False), form)["hits"] == 0
        assert [found["hits"] for found in call(form.io(steps, (), ("hits",)), form)] == [2]


def test_one_that_failed_leaves_the_place_to_the_older_one():
    session = Session()
    fails = latest_only(with_notice(lambda session: 1 / 0), ("notice", "hits"))

    def slow(session):
        assert fails(session) == {"notice": UNEXPECTED}
        return {"hits": "old"}

    assert latest_only(with_notice(slow), ("notice", "hits"))(session) == {"notice": gr.skip(), "hits": "old"}


def test_a_request_may_decide_about_a_field_and_others_are_always_shown():
    session = Session()
    chosen = latest_only(with_notice(lambda session: {"hits": "step 5"}), ("notice", "hits", "step"))

    def turn(session):
        chosen(session)
        return {"hits": "step 2", "step": 2}

    run = latest_only(with_notice(turn), ("notice", "hits", "step"))
    assert run(session) == {"notice": gr.skip(), "hits": gr.skip(), "step": gr.skip()}
    run = latest_only(with_notice(turn), ("notice", "hits"))
    assert run(session) == {"notice": gr.skip(), "hits": gr.skip(), "step": 2}


def test_a_stream_falls_silent_when_something_newer_is_asked():
    session, targets = Session(), ("notice", "hits")
    quick = latest_only(with_notice(lambda session: {"hits": "new"}), targets)

    def steps(session):
        yield {"hits": 1}
        yield {"hits": 2}

    going = latest_only(with_notice(steps), targets)(session)
    assert next(going) == {"notice": "", "hits": 1}
    quick(session)
    assert list(going) == [{"notice": gr.skip(), "hits": gr.skip()}]
    # One that is called off in the middle is over.
    going = latest_only(with_notice(steps), targets)(session)
    next(going)
    going.close()
    assert list(latest_only(with_notice(steps), targets)(session)) == [{"notice": "", "hits": n} for n in (1, 2)]


def test_a_notice_of_another_form_is_another_place(form):
    """Two tabs may both have a "notice" and "hits": the newer request of one says nothing about the other."""
    other = Form(form.page, "other", gr.HTML())
    other.results(hits=gr.HTML())
    session = Session()
    quick = other.io(lambda context, session: {"hits": "theirs"}, fields=())

    def slow(context, session):
        quick["fn"]({form.page.session: session})
        return {"hits": "mine"}

    assert call(form.io(slow, fields=(), results=["hits"]), form, session) == {"notice": "", "hits": "mine"}


def test_a_handler_may_have_a_notice_of_its_own_and_take_an_event(form):
    own = gr.HTML()

    def picked(context, session, event):
        if not event:
            raise InputError("nothing was pressed")
        return {"hits": event["row"]}

    io = form.io(picked, fields=(), results=["hits"], notice=own)
    assert io["outputs"] == [own, form._results["hits"]]
    for sent, expected in (({"row": 3}, {"hits": 3}), ("text", {})):
        results = io["fn"]({form.page.session: Session()}, gr.EventData(None, sent))
        assert results[own] == ("" if expected else "nothing was pressed")
        assert {k: v for k, v in results.items() if k is not own} == {form._results[k]: v for k, v in expected.items()}
