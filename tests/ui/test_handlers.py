from __future__ import annotations

import logging

import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.ui.handlers import UNEXPECTED, notice_for
from llm2vec_core.ui.user_texts import checked_text


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
