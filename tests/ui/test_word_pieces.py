"""Pieces of words are told from words."""

from __future__ import annotations

import pytest

from llm2vec_core.bundled_data import pair_presets
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.see.model import checked_pair, endings, heads, watched
from llm2vec_core.ui.word_pieces import HYPHEN, is_piece, marked


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


def test_every_example_has_a_word_to_follow_and_no_piece_passes_for_one(context):
    for preset in pair_presets():
        pair = checked_pair(context, Session(), preset.a, preset.b, context.preset.default.key)
        change = pair.change(pair.causal)
        word = watched(change.tokens)
        assert word is not None, preset.name
        words = {w.strip(".,:()%=").lower() for w in f"{preset.a} {preset.b}".split()}
        pieces = [t for t in (*change.tokens[1:], *change.rest_a, *change.rest_b) if t[:1].isalpha() and t.isalpha()]
        assert {t.lower() for t in pieces} - words <= {"add", "a", "b", "sorted", "sum", "key", "len"}, preset.name


def test_pieces_are_marked_in_every_picture_of_the_tab(context):
    session, stage = Session(), context.preset.default.key
    found = endings(context, session, "Zoltan was", "robbed", "late", stage)
    assert is_piece(found.causal.tokens[1])
    assert is_piece(heads(context, session, "Zoltan was robbed.", stage).tokens[1])
