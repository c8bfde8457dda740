from __future__ import annotations

import copy
import logging
import threading

import gradio as gr
import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.ui.handlers import UNEXPECTED, guarded, guarded_stream, latest_only, notice_for
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.user_texts import checked_text


def test_results_clear_the_notice():
    assert guarded(2)(lambda: (1, 2))() == ("", 1, 2)
    assert guarded(1)(lambda: 1)() == ("", 1)
    assert list(guarded_stream(2)(lambda: iter([(1, 2), (3, 4)]))()) == [("", 1, 2), ("", 3, 4)]


def fail(error):
    raise error


def test_an_error_leaves_every_result_as_it_was():
    assert guarded(2)(lambda: fail(InputError("too long")))() == ("too long", gr.skip(), gr.skip())


def test_a_stream_that_fails_midway_keeps_what_it_showed():
    def stream():
        yield (1, 2)
        raise InputError("bad line")

    assert list(guarded_stream(2)(stream)()) == [("", 1, 2), ("bad line", gr.skip(), gr.skip())]


def test_a_closed_stream_closes_the_handler():
    closed = []

    def stream():
        try:
            while True:
                yield (1,)
        finally:
            closed.append(True)

    run = guarded_stream(1)(stream)()
    next(run)
    run.close()
    assert closed == [True]


def test_what_nobody_foresaw_goes_to_the_log_and_not_to_the_visitor(caplog):
    with caplog.at_level(logging.ERROR):
        assert notice_for(KeyError("/home/secret")) == UNEXPECTED
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"), [("", "is empty"), (None, "is empty"), (" \n\t", "is empty"), ("x" * 11, "11 characters")]
)
def test_texts_that_cannot_be_used(text, message):
    with pytest.raises(InputError, match=message):
        checked_text(text, "Sentence A", 10)


def test_a_text_that_fits():
    assert checked_text(" ok ", "A", 10) == " ok "
    assert checked_text("a\ud800", "A", 10) == "a\ufffd"


class Place:
    """A component, as far as an event is concerned."""

    def __init__(self, number: int) -> None:
        self._id = number


NOTICE, TABLE, CODE, FIELD = map(Place, range(4))


def event(handler, outputs, places=None):
    return latest_only({"fn": handler, "inputs": [], "outputs": outputs}, places)["fn"]


def while_it_is_on_its_way(session, later):
    """The answer to a question about table and code, during which ``later`` happens."""

    def slow(_visitor):
        later(session)
        return "", "old table", "old code"

    return event(slow, [NOTICE, TABLE, CODE])(session)


def test_a_late_answer_covers_no_newer_one():
    said = []
    quick = event(lambda _: ("", "new table"), [NOTICE, TABLE])
    late = while_it_is_on_its_way(Session(), lambda session: said.append(quick(session)))
    assert said == [("", "new table")]
    assert late == (gr.skip(), gr.skip(), "old code")  # nobody asked anything newer about the code
    assert while_it_is_on_its_way(Session(), lambda _: None) == ("", "old table", "old code")


def test_nor_one_that_is_still_on_its_way():
    session, started, go_on, found = Session(), threading.Event(), threading.Event(), []

    def newer(_visitor):
        started.set()
        go_on.wait(10)
        return "", "new table"

    thread = threading.Thread(target=lambda: found.append(event(newer, [NOTICE, TABLE])(session)))
    late = while_it_is_on_its_way(session, lambda _: (thread.start(), started.wait(10)))
    go_on.set()
    thread.join()
    assert late == (gr.skip(), gr.skip(), "old code")
    assert found == [("", "new table")]


def test_one_that_failed_leaves_the_place_to_the_older_one():
    fails = event(guarded(1)(lambda _: fail(InputError("too long"))), [NOTICE, TABLE])
    raises = event(lambda _: fail(KeyError("no handler of ours raises")), [NOTICE, TABLE])

    def later(session):
        assert fails(session) == ("too long", gr.skip())
        with pytest.raises(KeyError):
            raises(session)

    # What it said stands, though.
    assert while_it_is_on_its_way(Session(), later) == (gr.skip(), "old table", "old code")


def test_every_visitor_has_an_order_of_their_own():
    quick, other = event(lambda _: ("", "new table"), [NOTICE, TABLE]), Session()
    assert while_it_is_on_its_way(Session(), lambda _: quick(other)) == ("", "old table", "old code")
    assert copy.deepcopy(Session()).requests is not other.requests


def test_a_field_that_was_chosen_meanwhile_stays_and_other_outputs_are_always_shown():
    session = Session()
    chosen = event(lambda _: ("", "step 5"), [NOTICE, TABLE], [NOTICE, TABLE, FIELD])

    def turn(session):
        chosen(session)
        return "", "step 2", 2

    assert event(turn, [NOTICE, TABLE, FIELD])(session) == (gr.skip(), gr.skip(), gr.skip())
    assert event(turn, [NOTICE, TABLE, FIELD], [NOTICE, TABLE])(session) == (gr.skip(), gr.skip(), 2)


def test_a_stream_falls_silent_when_something_newer_is_asked():
    session = Session()
    quick = event(lambda _: ("", "new table"), [NOTICE, TABLE])

    def steps(_visitor):
        yield "", 1
        yield "", 2

    stream = event(steps, [NOTICE, TABLE])
    going = stream(session)
    assert next(going) == ("", 1)
    quick(session)
    assert list(going) == [(gr.skip(), gr.skip())]
    # One that is called off in the middle is over.
    going = stream(session)
    next(going)
    going.close()
    assert list(stream(session)) == [("", 1), ("", 2)]


def test_a_press_while_an_answer_is_on_its_way_waits_for_it():
    assert latest_only({"fn": fail, "outputs": []})["trigger_mode"] == "always_last"
