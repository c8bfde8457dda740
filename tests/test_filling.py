from __future__ import annotations

import copy
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from tokenizers.processors import ByteLevel
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast

from llm2vec_core.architectures import tiny_config
from llm2vec_core.architectures.tiny import quiet
from llm2vec_core.bundled_data import blank_presets
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError, ModelError
from llm2vec_core.filling import fill_blanks, hide_words, measure_cloze, written
from llm2vec_core.presets import BUNDLED
from llm2vec_core.training.head import _language_model_class
from tests.conftest import tiny_llama
from tests.training.test_head import SCALED

TEXT = "The war _ in 1945 with the surrender of germany."


@pytest.fixture(scope="module")
def mntp():
    return LLM2Vec.from_pretrained(BUNDLED.base, BUNDLED.stage("mntp").adapters)


@pytest.fixture(scope="module")
def language_model():
    """The whole language model as transformers loads it, with its own head."""
    return AutoModelForCausalLM.from_pretrained(BUNDLED.base, dtype=torch.float32).eval()


def test_causal_answers_are_the_language_models_own_next_tokens(bundled_causal, language_model):
    tokenizer = bundled_causal.tokenizer
    left = tokenizer("The war", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        expected = language_model(left).logits[0, -1].softmax(-1)
    [blank] = fill_blanks(bundled_causal, TEXT, top=7, expected=["ended"])
    values, tokens = expected.topk(7)
    assert blank.position == left.shape[1]
    assert [p.token.strip() for p in blank.predictions] == [tokenizer.decode([t]).strip() for t in tokens.tolist()]
    np.testing.assert_allclose([p.probability for p in blank.predictions], values.numpy(), rtol=1e-4)
    own = expected[tokenizer(" ended", add_special_tokens=False)["input_ids"][-1]]
    assert blank.probability == pytest.approx(float(own), rel=1e-4)
    assert blank.rank == int((expected > own).sum()) + 1


def test_bidirectional_answers_read_the_masked_row_one_position_before(mntp):
    tokenizer = mntp.tokenizer
    ids = tokenizer("The war")["input_ids"] + [tokenizer.mask_token_id]
    ids += tokenizer(" in 1945 with the surrender of germany.", add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        states = mntp.model(input_ids=torch.tensor([ids]), use_cache=False).last_hidden_state[0]
        logits = mntp.model.get_input_embeddings().weight @ states[2]
    expected = (logits - logits.logsumexp(0)).exp()
    [blank] = fill_blanks(mntp, TEXT)
    np.testing.assert_allclose([p.probability for p in blank.predictions], expected.topk(5).values.numpy(), rtol=1e-4)


def test_what_follows_moves_the_bidirectional_answer_and_not_the_causal_one(mntp, bundled_causal):
    other = "The war _ , said the queen."
    causal = [fill_blanks(bundled_causal, text)[0].predictions for text in (TEXT, other)]
    assert [p.token for p in causal[0]] == [p.token for p in causal[1]]
    np.testing.assert_allclose(*[[p.probability for p in found] for found in causal], rtol=1e-4)
    both = [fill_blanks(mntp, text, expected=["ended"])[0].probability for text in (TEXT, other)]
    assert both[0] > 2 * both[1]


def test_each_blank_is_one_mask_whatever_stands_beside_it(mntp):
    for text in ("_ rose, and the ___ fell.", "(_) rose; the _?", "The _ rose. _"):
        found = fill_blanks(mntp, text, top=2, expected=["rivers", "sun"])
        assert len(found) == 2 and found[0].position < found[1].position
        assert [blank.expected for blank in found][1].strip() == "sun"
        assert found[1].rank >= 1
    [blank] = fill_blanks(mntp, "The _ fell.", expected=["antidisestablishmentarianism"])
    assert (blank.expected, blank.rank, blank.probability) == (None, None, None)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("model_type", ["granite", "cohere2", "gemma2", "minicpm3", "nanochat"])
def test_a_scaled_or_capped_head_answers_as_its_own_model(mntp, model_type, bidirectional):
    changes = {**SCALED[model_type], "vocab_size": 8192, "tie_word_embeddings": True}
    torch.manual_seed(0)
    with quiet():
        config = tiny_config(model_type, **changes)
        model = _language_model_class(config)._from_config(config).eval()
    decoder = next(child for child in model.children() if isinstance(child, PreTrainedModel))
    encoder = LLM2Vec(decoder, mntp.tokenizer, bidirectional=bidirectional, max_length=64)
    clozes = hide_words(mntp.tokenizer, ["The river flows to the sea.", "The committee accepted the compromise."])
    wanted = []
    with torch.inference_mode():
        for cloze in clozes:
            ids = torch.tensor([cloze.ids])
            states = encoder.model(input_ids=ids, use_cache=False).last_hidden_state
            # The whole language model, handed these states by its own decoder's place.
            with replaced_forward(decoder, states):
                logits = model(input_ids=ids, use_cache=False).logits
            wanted.append(float(logits[0, cloze.position - 1].float().log_softmax(-1)[cloze.answer]))
    np.testing.assert_allclose(measure_cloze(encoder, clozes).log_probabilities, wanted, rtol=1e-5)
    [blank] = fill_blanks(encoder, "The river _ to the sea.", expected=["flows"])
    assert blank.probability == pytest.approx(np.exp(wanted[0]), rel=1e-4)


@contextmanager
def replaced_forward(decoder, states):
    own = decoder.forward
    decoder.forward = lambda *_, **__: BaseModelOutputWithPast(last_hidden_state=states)
    yield
    decoder.forward = own


def test_wrong_blanks_are_refused_with_a_reason(mntp):
    for text, message in (
        ("The war ended.", "no blank"),
        ("The w_r ended.", "whole word"),
        ("The snake_case ended.", "whole word"),
        (" _ " * 7, "7 blanks; at most 6"),
        ("_ " + "river " * 600, "this model reads 512"),
    ):
        with pytest.raises(InputError, match=message):
            fill_blanks(mntp, text)
    untied = LLM2Vec(tiny_llama(vocab_size=8192, tie_word_embeddings=False), mntp.tokenizer)
    with pytest.raises(ModelError, match="output matrix of its own"):
        fill_blanks(untied, TEXT)


def test_a_model_without_begin_token_cannot_fill_its_first_position(mntp):
    tokenizer = copy.deepcopy(mntp.tokenizer)
    tokenizer.backend_tokenizer.post_processor = ByteLevel()
    other = LLM2Vec(mntp.causal_model, tokenizer)
    with pytest.raises(InputError, match="no begin token"):
        fill_blanks(other, "_ rose.")


def test_hidden_words_are_whole_middle_and_found_as_one_by_one(mntp):
    texts = ["The river flows to the sea.", "Ab cd.", "The committee reluctantly accepted the compromise yesterday."]
    clozes = hide_words(mntp.tokenizer, texts)
    assert len(clozes) == 2 and clozes[0].word == "flows"
    assert all(cloze.ids[cloze.position] == mntp.tokenizer.mask_token_id for cloze in clozes)
    scores = measure_cloze(mntp, clozes)
    for cloze, rank, log in zip(clozes, scores.ranks, scores.log_probabilities, strict=True):
        text = next(text for text in texts if cloze.word in text)
        [blank] = fill_blanks(mntp, text.replace(cloze.word, "_"), expected=[cloze.word])
        assert (blank.expected.strip(), blank.rank) == (written(mntp.tokenizer, cloze.answer).strip(), rank)
        assert np.log(blank.probability) == pytest.approx(log, abs=1e-3)
    assert scores.within(10_000) == 1.0
    with pytest.raises(InputError, match="no hidden word"):
        measure_cloze(mntp, [])


def test_presets_show_what_they_are_said_to_show(bundled, bundled_causal, mntp):
    for preset in blank_presets():
        causal, opened, practised = (
            fill_blanks(encoder, preset.text, expected=[preset.answer])[0]
            for encoder in (bundled_causal, bundled, mntp)
        )
        shows = practised.probability > 1.4 * opened.probability and practised.probability > causal.probability
        assert (shows and practised.rank <= 3) is preset.shows, preset.name
