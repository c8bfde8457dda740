from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Split
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from llm2vec_core.architectures import tiny_config, tiny_model
from llm2vec_core.batching import (
    Layout,
    TokenizedText,
    check_ids,
    clean_text,
    collate,
    embedding_rows,
    first_tokens,
    token_budget_batches,
    tokenize,
)
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.templates import TEMPLATES
from llm2vec_core.training.objectives import MNTP


def test_every_text_is_in_exactly_one_batch_and_no_batch_exceeds_the_budget():
    lengths = np.random.default_rng(0).integers(1, 60, 200).tolist()
    batches = token_budget_batches(lengths, max_tokens=128)
    assert sorted(np.concatenate(batches).tolist()) == list(range(200))
    assert all(len(b) * max(lengths[i] for i in b) <= 128 for b in batches)
    padded = sum(len(b) * max(lengths[i] for i in b) for b in batches)
    assert padded / sum(lengths) < 1.1


def test_a_text_above_the_budget_stands_alone():
    assert [b.tolist() for b in token_budget_batches([5, 100, 5], max_tokens=10)] == [[1], [0, 2]]


def test_batch_size_bounds_rows():
    assert max(len(b) for b in token_budget_batches([1] * 10, max_tokens=1000, max_rows=3)) == 3


def test_nothing_to_batch():
    assert token_budget_batches([], max_tokens=8) == []


@pytest.mark.parametrize(("tokens", "rows"), [(0, None), (8, 0)])
def test_useless_budgets_are_refused(tokens, rows):
    with pytest.raises(InputError, match="at least 1"):
        token_budget_batches([1], tokens, rows)


def test_collate_pads_on_the_right_and_pools_after_the_instruction():
    batch = collate([TokenizedText((1, 5, 6, 7), pooling_start=2), TokenizedText((1, 9))], 0, torch.device("cpu"))
    assert batch["input_ids"].tolist() == [[1, 5, 6, 7], [1, 9, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert batch["pooling_mask"].tolist() == [[0, 0, 1, 1], [1, 1, 0, 0]]


def test_instruction_tokens_are_those_before_the_text(bundled):
    (row,) = tokenize(bundled.tokenizer, ["river bank"], max_length=32, instruction="Find the place:")
    (alone,) = tokenize(bundled.tokenizer, ["river bank"], max_length=32)
    assert row.input_ids[row.pooling_start :] == alone.input_ids[1:]  # all but <s>
    assert row.pooling_start == len(row.input_ids) - len(alone.input_ids) + 1


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("before", ["instruction", "prompt"])
def test_what_stands_before_a_text_and_fills_everything_is_refused(bundled, before, pooled):
    """Also where it is pooled: every text would have the same vector."""
    layout, before = Layout(skip_instruction=not pooled), {before: "Find the place that is meant here:"}
    with pytest.raises(InputError, match="leave no room"):
        tokenize(bundled.tokenizer, ["river"], max_length=4, layout=layout, **before)
    [row] = tokenize(bundled.tokenizer, ["river"], max_length=32, layout=layout, **before)
    assert row.pooling_start == 0 or not pooled


def test_an_empty_text_behind_an_instruction_still_has_tokens_to_pool(bundled):
    (row,) = tokenize(bundled.tokenizer, [""], max_length=32, instruction="Find:")
    assert row.pooling_start < len(row.input_ids)


def test_truncation_is_exact_and_reported(bundled):
    short, long, huge = tokenize(bundled.tokenizer, ["a b", "word " * 40, "x" * 100_000], max_length=16)
    assert (short.truncated, long.truncated, huge.truncated) == (False, True, True)
    assert len(long.input_ids) == len(huge.input_ids) == 16


@pytest.mark.parametrize(
    "text", ["", "   ", "\x00\x07", "שלום", "a\ud800b", "😀" * 5, "<script>alert(1)</script>", "</s><mask>"]
)
def test_any_string_has_tokens(bundled, text):
    (row,) = tokenize(bundled.tokenizer, [text], max_length=32)
    assert row.input_ids
    assert row.pooling_start == 0


def test_lone_surrogates_become_replacement_characters():
    assert clean_text("a\ud800b😀") == "a\ufffdb😀"


def long_tokens(count: int) -> PreTrainedTokenizerFast:
    """A tokenizer with a token of 64 equal signs; beginning of a text as token 1."""
    vocabulary = {"[UNK]": 0, "<s>": 1, **{"=" * 2**power: 2 + power for power in range(7)}, "Q": 9}
    merges = [("=" * 2**power, "=" * 2**power) for power in range(6)]
    made = Tokenizer(BPE(vocabulary, merges, unk_token="[UNK]"))
    made.pre_tokenizer = Split(Regex("=+|.|\\n"), "isolated")
    made.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", unk_token="[UNK]", model_max_length=count)


@pytest.mark.parametrize("layout", [Layout(), Layout(doc_max_length=400), Layout(template=TEMPLATES["echo"])])
def test_long_tokens_are_not_cut_by_their_characters(layout):
    """20,000 characters are 313 tokens: all of them fit into 1,024, and nothing is said to be cut."""
    tokenizer, text = long_tokens(1024), "=" * 20_000 + "Q" * 10
    whole = tokenizer(text)["input_ids"]
    assert len(whole) < 340
    (row,) = tokenize(tokenizer, [text], max_length=1024, layout=layout)
    assert not row.truncated
    assert row.input_ids.count(9) == 10 * layout.template.copies
    if layout == Layout():
        assert list(row.input_ids) == whole
        (cut,) = tokenize(tokenizer, [text], max_length=200)
        assert cut.truncated and list(cut.input_ids) == whole[:200]


@pytest.mark.parametrize("kept", [16, 64, 300])
def test_of_a_huge_text_the_first_tokens_are_kept_whatever_follows(bundled, kept):
    text = "The river rose above the old stone bridge. " * 2_000
    whole = bundled.tokenizer(text, verbose=False)["input_ids"]
    (row,) = tokenize(bundled.tokenizer, [text], max_length=kept)
    assert row.truncated and list(row.input_ids) == whole[:kept]


def test_a_token_that_the_model_has_no_embedding_for(bundled):
    tokenizer = copy.deepcopy(bundled.tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": ["[PAD2]"]})
    encoder = LLM2Vec(bundled.causal_model, tokenizer)
    np.testing.assert_array_equal(encoder.encode(["fine"]), bundled.encode(["fine"]))
    for read in (encoder.encode, encoder.tokenize, encoder.encode_poolings):
        with pytest.raises(InputError, match=r"text 1 holds the token '\[PAD2\]' \(id 8192\).*8192 embeddings"):
            read(["fine", "Use [PAD2] to fill."])
    for read in (encoder.token_states, encoder.attentions):
        with pytest.raises(InputError, match=r"\[PAD2\]"):
            read("Use [PAD2] to fill.")
    with pytest.raises(InputError, match=r"\[PAD2\]"):
        MNTP().tokenize(encoder, ["fine", "Use [PAD2] to fill."])


@pytest.mark.parametrize("texts", [None, 5, b"bytes", {"a": 1}, {"a", "b"}, 1.5, object()])
def test_what_is_no_list_of_texts_is_refused(bundled, texts):
    """A dictionary's keys would be embedded, and a set's strings in any order."""
    with pytest.raises(InputError, match=f"texts must be a list of strings, not {type(texts).__name__}"):
        bundled.encode(texts)


@pytest.mark.parametrize("text", [None, 5, b"bytes", float("nan"), ["a"]])
def test_an_element_that_is_no_string_is_refused(bundled, text):
    with pytest.raises(InputError, match=f"a text must be a string, not {type(text).__name__}"):
        bundled.encode(["a river", text])


@pytest.mark.parametrize("instruction", [5, ["Find:"], b"Find:"])
def test_an_instruction_that_is_no_string_is_refused(bundled, instruction):
    with pytest.raises(InputError, match=r"instruction .* must be a string"):
        bundled.encode(["a river"], instruction)


def test_any_iterable_of_strings_will_do(bundled):
    texts = ["a river", "a boat"]
    expected = bundled.encode(texts)
    for given in (tuple(texts), (text for text in texts), np.array(texts), iter(texts)):
        np.testing.assert_array_equal(bundled.encode(given), expected)


def test_what_is_no_string_is_refused():
    with pytest.raises(InputError, match="not int: 7"):
        clean_text(7)


def test_a_smaller_second_table_of_embeddings_limits_the_ids():
    model = tiny_model("gemma4_text", tiny_config("gemma4_text", vocab_size=300))
    assert model.get_input_embeddings().weight.shape[0] == 300 and embedding_rows(model) == 97
    with pytest.raises(InputError, match=r"id 97.*97 embeddings"), torch.no_grad():
        check_ids([TokenizedText((1, 97))], SimpleNamespace(convert_ids_to_tokens=str), embedding_rows(model))
    with pytest.raises(IndexError):
        model(input_ids=torch.tensor([[1, 97]]))


LONG = "The bank of the river was steep and muddy after days of heavy rain in the hills, " * 9


@pytest.mark.parametrize(
    "text", [LONG, "東京都の川岸は急で泥だらけだった。" * 30, "a" * 3000, "The " + "x" * 3000, "🙂 " * 200]
)
def test_the_first_tokens_are_whole_words_and_the_rest_is_counted(text):
    encoder = LLM2Vec.from_preset("mini:causal")
    whole = encoder.token_states(text).tokens
    read, left_out = first_tokens(encoder.tokenizer, text, 48)
    tokens = encoder.token_states(read).tokens
    assert text.startswith(read)
    assert left_out == len(encoder.tokenizer(text)["input_ids"]) - len(tokens) > 0
    assert 48 * 0.6 < len(tokens) <= 48
    assert tokens == whole[: len(tokens)]
    assert " " not in text or len(text.split()) < 3 or read.split() == text.split()[: len(read.split())]  # whole words
    assert first_tokens(encoder.tokenizer, read, 48) == (read, 0)
