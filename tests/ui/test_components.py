from __future__ import annotations

import gradio as gr
import pytest

from llm2vec_core.ui.components import fill_from_examples

TEXTS = {"bank": ("The bank was steep.", "The bank closed."), "mouse": ("The mouse ran.", "The mouse broke.")}


@pytest.fixture
def fill():
    """What an example that was picked does to two fields: (kept words, Undo, first, second)."""
    with gr.Blocks() as page:
        fields = [gr.Textbox(), gr.Textbox()]
        fill_from_examples(gr.Dropdown([(key, key) for key in TEXTS]), fields, TEXTS.__getitem__)
    [found] = [each.fn for each in page.fns.values() if each.fn.__name__ == "fill"]
    return lambda key, *now: found((key, 1), *now)


def test_an_example_keeps_the_words_that_it_replaces(fill):
    kept, undo, *texts = fill("mouse", "My own.", "")
    assert (kept, undo["visible"], tuple(texts)) == (("My own.", ""), True, TEXTS["mouse"])


@pytest.mark.parametrize("now", [TEXTS["bank"], ("", " ")])
def test_there_is_nothing_to_bring_back_of_another_example_or_of_blanks(fill, now):
    kept, undo, *texts = fill("mouse", *now)
    assert (kept, undo["visible"], tuple(texts)) == (None, False, TEXTS["mouse"])


def test_told_twice_of_one_choice_it_still_has_the_words(fill):
    assert list(fill("mouse", *TEXTS["mouse"])) == [gr.skip()] * 4
