"""Token prepending against the same layers called one by one."""

from __future__ import annotations

import pytest
import torch

from llm2vec_core.baselines import PrependedTokens, quoted_prompt
from llm2vec_core.baselines.pooled_states import pooled
from llm2vec_core.errors import InputError, ModelError
from tests.close import assert_close

TEXTS = ["The dog bit the man.", "A river.", "", "Snow fell on the old bridge, and nobody crossed it."]


def by_hand(encoder, text: str, layers: int) -> torch.Tensor:
    """The last token's final state; each of the layers 2 to ``layers + 1`` finds it in the extra token's place."""
    row = encoder.tokenize([text])[0]
    extra, model = row.pooling_start, encoder.model
    begin = encoder.tokenizer.bos_token_id
    ids = torch.tensor([[*row.input_ids[:extra], begin, *row.input_ids[extra:]]])
    with torch.inference_mode():
        states = model.embed_tokens(ids)
        angles = model.rotary_emb(states, torch.arange(ids.shape[1])[None])
        for i, layer in enumerate(model.layers):
            if 1 <= i <= layers:
                states = torch.cat([states[:, :extra], states[:, -1:], states[:, extra + 1 :]], 1)
            states = layer(states, position_embeddings=angles, attention_mask=None)
        return model.norm(states)[0, -1]


@pytest.mark.parametrize("layers", [1, 2])
def test_the_states_are_those_of_the_layers_called_one_by_one(bundled, layers):
    prompted = quoted_prompt(bundled)
    assert prompted.tokenizer.bos_token_id is not None
    got = PrependedTokens(bundled, layers).encode(TEXTS)  # in one padded batch
    for text, vector in zip(TEXTS, got, strict=True):
        assert_close(vector, by_hand(prompted, text, layers).numpy(), 1e-5)


def test_the_encoder_it_was_made_of_is_left_as_it_was(bundled):
    before = quoted_prompt(bundled).encode(TEXTS)
    prepended = PrependedTokens(bundled, 2)
    changed = prepended.encode(TEXTS)
    assert_close(quoted_prompt(bundled).encode(TEXTS), before, 1e-6)
    assert abs(changed - before).max() > 1e-2
    assert prepended._model.embed_tokens.weight is bundled.model.embed_tokens.weight


def test_a_long_text_keeps_the_question_behind_it(bundled):
    short = bundled.with_settings(max_length=24)
    rows = PrependedTokens(short, 1)._rows(["word " * 100, "word"], None)
    assert [len(row.input_ids) <= 24 for row in rows] == [True, True] and len(rows[0].input_ids) >= 23
    assert rows[0].input_ids[-4:] == rows[1].input_ids[-4:]


@pytest.mark.parametrize("layers", [0, -1, 1_000])
def test_a_number_of_layers_that_the_model_cannot_give(bundled, layers):
    with pytest.raises(InputError, match=f"layers is {layers}; of this model's"):
        PrependedTokens(bundled, layers)


def test_a_text_that_the_model_answers_with_nan_is_named(bundled):
    def states(batch, rows):
        found = torch.ones(*batch["input_ids"].shape, 3)
        found[[row is broken for row in rows], 0, 1] = float("nan")
        return found

    rows = bundled.tokenize(TEXTS)
    broken = rows[2]  # the shortest: it is read first
    with pytest.raises(ModelError, match=r"NaN or infinity to text 2$"):
        pooled(rows, states, bundled.tokenizer, torch.device("cpu"), ("mean", 3), None)
