"""Pieces of words are told from words."""

from __future__ import annotations

import pytest

from llm2vec_core.word_pieces import HYPHEN, marked


@pytest.mark.parametrize(
    ("text", "tokens", "expected"),
    [
        ("The guests ate.", ("<s>", "The", "gu", "ests", "ate", "."), ("<s>", "The", "gu-", "-ests", "ate", ".")),
        ("unbelievable", ("un", "believ", "able"), ("un-", "-believ-", "-able")),
        ("don't", ("don", "'", "t"), ("don", "'", "t")),
        ("a-b", ("a", "-", "b"), ("a", "-", "b")),
        ("x = 12", ("x", " =", " 1", "2"), ("x", " =", "1-", "-2")),
        ("東京都", ("東京", "都"), ("東京", "都")),
        ("naïve", ("na", "ï", "ve"), ("na-", "-ï-", "-ve")),
        # Two tokens of one character have the same place.
        ("🙂 ok", ("🙂", "🙂", "ok"), ("🙂", "🙂", "ok")),
        ("the the", ("the", "the"), ("the", "the")),
        ("", (), ()),
    ],
)
def test_a_hyphen_stands_where_the_word_goes_on(text, tokens, expected):
    assert tuple(t.strip() for t in marked(text, tokens)) == tuple(
        t.strip() if t.strip() == "-" else t.strip().replace("-", HYPHEN) for t in expected
    )
