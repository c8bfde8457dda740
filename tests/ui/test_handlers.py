from __future__ import annotations

import logging

import gradio as gr
import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.ui.handlers import UNEXPECTED, checked_text, guarded, guarded_stream, notice_for


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
