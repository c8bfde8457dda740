from __future__ import annotations

import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.templates import TEMPLATES, TextTemplate, find_template
from tests.close import assert_close


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_text_stands_where_fill_says(name):
    template = TEMPLATES[name]
    for text in ("a river", "", "{text} {instruction}", "!@#$%^&*()"):
        string, start, end = template.fill(text, "Find: ", "<end>")
        assert string[start:end] == text
        assert string.count("Find:") == 1 and string.index("Find:") <= start
        assert string.endswith("<end>")
        if text == "a river":
            assert string.count(text) == template.copies
    assert template.meaning


def test_gritlm_writes_an_instruction_as_the_users_turn():
    template = find_template("gritlm")
    assert template.fill("a river", "Find the place: ")[0] == "<|user|>\nFind the place:\n<|embed|>\na river"
    assert template.fill("a river")[0] == "<|embed|>\na river"


def test_no_template_is_the_text_itself():
    assert find_template(None).fill("a river", "Find: ") == ("Find: a river", 6, 13)


@pytest.mark.parametrize("form", ["no place", "{text}{text}{text}", "{instruction}{instruction}{text}"])
def test_forms_that_cannot_work(form):
    with pytest.raises(InputError, match="once or twice"):
        TextTemplate(form, True, "")


def test_an_unknown_name(bundled):
    with pytest.raises(InputError, match="unknown template 'shout'; choose one of llama-2-chat"):
        bundled.with_settings(template="shout")


def test_only_the_text_and_what_stands_behind_it_is_pooled(bundled):
    """Independent of the offsets: the pooled tokens are the last ones of the whole string, by hand."""
    encoder = bundled.with_settings(template="mistral-instruct")
    states = bundled.token_states("[INST] river bank [/INST]").hidden_states[-1]
    alone = len(bundled.tokenize(["[INST]"])[0].input_ids)
    assert_close(encoder.encode("river bank"), states[alone:].mean(axis=0))
    everything = encoder.with_settings(skip_instruction=False)
    assert_close(everything.encode("river bank"), states.mean(axis=0))


def test_the_end_token_is_written_and_pooled(bundled):
    encoder = bundled.with_settings(append_eos=True, pooling_mode="last_token")
    (row,) = encoder.tokenize(["river bank "])
    assert row.input_ids[-1] == bundled.tokenizer.eos_token_id
    (long,) = encoder.tokenize(["river " * 2000])
    assert long.truncated and len(long.input_ids) <= encoder.max_length
    assert long.input_ids[-1] == bundled.tokenizer.eos_token_id
