from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from llm2vec_core import encoder as encoder_module
from llm2vec_core.bidirectional import Conversion
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import AdapterError, InputError, ModelError
from llm2vec_core.pooling import POOLING_MODES
from llm2vec_core.presets import BUNDLED
from tests.close import assert_close

TEXTS = [
    "The bank was steep and muddy.",
    "",
    "A savings bank lends money to people who want to buy a house, and asks for interest in return.",
    "river",
    "emoji 😀, עברית, control \x07 and a lone \ud800 surrogate",
]


def test_equals_plain_transformers_one_text_at_a_time(bundled_causal):
    """Independent oracle: AutoModel, no batching, no masks, mean by hand."""
    tokenizer, model = (
        AutoTokenizer.from_pretrained(BUNDLED.base),
        AutoModel.from_pretrained(BUNDLED.base).float().eval(),
    )
    for text in ("The bank was robbed at noon.", "river"):
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            expected = model(input_ids=ids).last_hidden_state[0].mean(0).numpy()
        np.testing.assert_allclose(bundled_causal.encode(text), expected, atol=3e-5)


def test_batching_changes_nothing(bundled):
    together = bundled.encode(TEXTS)
    for i, text in enumerate(TEXTS):
        np.testing.assert_allclose(together[i], bundled.encode(text), atol=3e-5)
    np.testing.assert_allclose(bundled.encode(TEXTS, batch_size=1), together, atol=3e-5)
    np.testing.assert_allclose(bundled.encode(TEXTS, max_tokens_per_batch=8), together, atol=3e-5)


def test_shapes(bundled):
    assert bundled.encode("river").shape == (384,)
    assert bundled.encode(["river"]).shape == (1, 384)
    assert bundled.encode([]).shape == (0, 384)
    assert bundled.encode(TEXTS).dtype == np.float32


def test_all_poolings_at_once_are_the_single_ones(bundled):
    together = bundled.encode_poolings(TEXTS)
    assert set(together) == set(POOLING_MODES)
    for mode, embeddings in together.items():
        np.testing.assert_array_equal(embeddings, bundled.encode(TEXTS, pooling_mode=mode))


def test_normalize(bundled):
    assert_close(np.linalg.norm(bundled.encode(TEXTS, normalize=True), axis=1), 1.0)


def test_an_instruction_changes_the_vector_but_is_not_pooled(bundled):
    states = bundled.token_states("Find the meaning: river bank").hidden_states[-1]
    # "river bank" is the last two tokens of the joined text.
    np.testing.assert_allclose(bundled.encode("river bank", "Find the meaning:"), states[-2:].mean(axis=0), atol=3e-5)


def test_progress_counts_texts_and_may_stop(bundled):
    seen = []
    bundled.encode(TEXTS, batch_size=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 5), (4, 5), (5, 5)]

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bundled.encode(TEXTS, progress=stop)


def test_views_share_weights(bundled):
    causal = bundled.view(bidirectional=False)
    assert causal.model.embed_tokens.weight is bundled.model.embed_tokens.weight
    assert bundled.view(bidirectional=True) is bundled
    back = causal.view(bidirectional=True)
    expected = bundled.encode("river bank")
    # Bit-equal alone; one parallel run differed, and why is not known.
    np.testing.assert_allclose(back.encode("river bank"), expected, atol=1e-5 * np.abs(expected).max())


def test_token_states(bundled_causal):
    states = bundled_causal.token_states("The Bank was robbed.")
    assert states.tokens[:4] == ("<s>", "The", "Bank", "was")
    assert states.hidden_states.shape == (5, len(states.tokens), 384)
    assert not states.truncated
    text = "The Bank was robbed."
    assert [text[s:].lstrip().startswith(t) for s, t in zip(states.starts[1:], states.tokens[1:], strict=True)].count(
        False
    ) == 0
    np.testing.assert_allclose(states.hidden_states[-1].mean(0), bundled_causal.encode(text), atol=3e-5)


def test_token_states_of_hard_texts(bundled):
    for text in ("", " ", "😀", "\ud800", "x" * 100_000):
        states = bundled.token_states(text, max_length=16)
        assert len(states.tokens) == states.hidden_states.shape[1] == len(states.starts) <= 16
        assert all(states.tokens)
    assert bundled.token_states("x " * 5000).truncated


def test_attentions(bundled, bundled_causal):
    causal, bidirectional = (e.attentions("The bank was steep.") for e in (bundled_causal, bundled))
    for attention in (causal, bidirectional):
        assert attention.weights.shape[:2] == (4, 6)
        np.testing.assert_allclose(attention.weights.sum(-1), 1.0, atol=1e-5)
    assert causal.future_share().max() == 0.0
    assert bidirectional.future_share().min() > 0.0


def test_eager_attention_of_the_picture_computes_what_the_encoder_computes(bundled):
    ids = torch.tensor([[1, 300, 301, 302]])
    with torch.no_grad():
        fast = bundled.model(input_ids=ids, use_cache=False).last_hidden_state
        eager = bundled._eager_model(input_ids=ids, use_cache=False).last_hidden_state
    torch.testing.assert_close(fast, eager, atol=1e-5, rtol=1e-5)


def test_a_picture_that_opens_wrongly_without_proof_is_opened_with_it(monkeypatch):
    encoder, open_ = LLM2Vec.from_preset("mini:bidirectional"), encoder_module.make_bidirectional
    asked = []

    def half_open(model, *, verify: bool = True, **options):
        asked.append(verify)
        return open_(model, **options) if verify else Conversion()

    monkeypatch.setattr(encoder_module, "make_bidirectional", half_open)
    weights = encoder.attentions("The bank was steep.").weights
    assert asked == [False, True] and weights[..., 0, -1].min() > 0


def test_save_and_load_again(bundled, tmp_path):
    bundled.save_pretrained(tmp_path)
    again = LLM2Vec.from_pretrained(tmp_path)
    np.testing.assert_array_equal(again.encode(TEXTS), bundled.encode(TEXTS))
    assert json.loads((tmp_path / "config.json").read_text())["is_causal"] is False
    assert again.view(bidirectional=False).prefix_test().is_causal
    assert LLM2Vec.from_pretrained(tmp_path, bidirectional=False).prefix_test().is_causal


def test_plain_transformers_reads_a_saved_folder_in_both_directions(bundled, tmp_path):
    bundled.save_pretrained(tmp_path)
    model = AutoModel.from_pretrained(tmp_path).eval()
    ids = AutoTokenizer.from_pretrained(tmp_path)("river bank", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        mean = model(input_ids=ids).last_hidden_state[0].mean(0).numpy()
    np.testing.assert_allclose(mean, bundled.encode("river bank"), atol=3e-5)


def test_adapters_of_the_stages_load_one_after_another(bundled):
    previous = bundled.encode("The bank was robbed at noon.")
    for stage in BUNDLED.stages[2:]:
        encoder = LLM2Vec.from_pretrained(BUNDLED.base, stage.adapters)
        assert encoder.prefix_test().is_bidirectional
        embedding = encoder.encode("The bank was robbed at noon.")
        assert np.abs(embedding - previous).max() > 1e-2
        previous = embedding


@pytest.mark.parametrize(
    ("option", "message"), [({"pooling_mode": "max"}, "'max'"), ({"max_length": 0}, "max_length 0")]
)
def test_wrong_options(bundled, option, message):
    with pytest.raises(InputError, match=message):
        LLM2Vec(bundled.causal_model, bundled.tokenizer, **option)


def test_a_folder_that_is_no_model(tmp_path):
    with pytest.raises(ModelError, match=r"config\.json") as caught:
        LLM2Vec.from_pretrained(tmp_path)
    assert str(tmp_path) not in str(caught.value)


def test_a_folder_that_is_no_adapter(tmp_path):
    with pytest.raises(AdapterError, match="no PEFT adapter"):
        LLM2Vec.from_pretrained(BUNDLED.base, [tmp_path])


def test_broken_weights_are_noticed(bundled):
    broken = LLM2Vec.from_pretrained(BUNDLED.base)
    with torch.no_grad():
        broken.causal_model.norm.weight[0] = float("nan")
    with pytest.raises(ModelError, match="NaN"):
        broken.encode("river")


def test_the_ways_out_are_methods(bundled, tmp_path):
    model = bundled.to_sentence_transformer(prompts={"query": "Find its twin:"})
    np.testing.assert_allclose(model.encode_query(["river"]), bundled.encode(["river"], "Find its twin:"), atol=3e-5)
    assert bundled.export_sentence_transformers(tmp_path / "out").largest_difference < 1e-5
    assert bundled.as_mteb_encoder().encoder is bundled
    with pytest.raises(InputError, match="no name for a repository"):
        bundled.push_to_hub("not a name")


def test_a_pad_token_beyond_the_embeddings(bundled):
    tokenizer = AutoTokenizer.from_pretrained(BUNDLED.base)
    tokenizer.add_special_tokens({"pad_token": "<late-pad>"})
    late = LLM2Vec(bundled.causal_model, tokenizer)
    np.testing.assert_allclose(late.encode(TEXTS), bundled.encode(TEXTS), atol=3e-5)
