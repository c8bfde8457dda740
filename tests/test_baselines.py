from __future__ import annotations

import numpy as np
import pytest

from llm2vec_core.baselines import BASELINES, echo, prompt, static
from llm2vec_core.errors import InputError
from llm2vec_core.templates import TEMPLATES
from tests.close import assert_close


@pytest.mark.parametrize("name", ["echo", "prompt"])
def test_they_are_causal_encoders_over_the_same_weights(name, bundled):
    encoder = BASELINES[name](bundled)
    assert encoder.prefix_test().is_causal
    assert encoder.model.embed_tokens.weight is bundled.model.embed_tokens.weight
    assert encoder.encode(["a", "b"]).shape == (2, 384)


def test_echo_pools_the_second_copy_alone(bundled):
    text = "The bank was robbed."
    string, start, end = TEMPLATES["echo"].fill(text)
    causal = bundled.view(bidirectional=False)
    whole = causal.token_states(string)
    second = [i for i, at in enumerate(whole.starts) if at >= start - 1 and i > len(whole.starts) // 2]
    second = [i for i in second if at_least(whole.starts[i], start)]
    assert string[start:end] == text and len(second) >= 4
    assert_close(echo(bundled).encode(text), whole.hidden_states[-1][second].mean(axis=0))


def at_least(at: int, start: int) -> bool:
    # A token may begin with the blank before its word.
    return at >= start - 1


def test_echo_sees_the_end_of_the_text_in_its_first_word(bundled):
    """What it is for: two texts that begin alike give other vectors for their first words."""
    causal = bundled.view(bidirectional=False)
    first = [causal.encode(text, pooling_mode="first_token") for text in ("bank of the river", "bank of England")]
    np.testing.assert_allclose(first[0], first[1], atol=1e-6)
    echoed = [
        echo(bundled).encode(text, pooling_mode="first_token") for text in ("bank of the river", "bank of England")
    ]
    assert np.abs(echoed[0] - echoed[1]).max() > 1e-2


def test_prompt_is_the_state_of_the_last_token(bundled):
    string, _, _ = TEMPLATES["prompt"].fill("river")
    states = bundled.view(bidirectional=False).token_states(string).hidden_states[-1]
    np.testing.assert_allclose(prompt(bundled).encode("river"), states[-1], rtol=1e-5, atol=1e-5)


def test_a_long_text_is_cut_so_that_both_copies_fit(bundled):
    encoder = echo(bundled).with_settings(max_length=40)
    (row,) = encoder.tokenize(["river valley " * 100])
    assert row.truncated and 34 <= len(row.input_ids) <= 40
    pooled = row.input_ids[row.pooling_start : row.pooling_stop]
    assert row.input_ids[: row.pooling_start][-len(pooled) - 8 :].count(pooled[1]) >= len(pooled) // 2 - 1


def test_static_embeddings_are_rows_of_the_matrix_averaged(bundled):
    texts = ["The bank was robbed.", "river", ""]
    weight = bundled.model.embed_tokens.weight.detach().numpy()
    scale = np.sqrt((weight**2).mean())
    found = static(bundled).encode(texts)
    for text, vector in zip(texts[:2], found, strict=False):
        ids = bundled.tokenizer(text, add_special_tokens=False)["input_ids"]
        np.testing.assert_allclose(vector, weight[ids].mean(axis=0) / scale, rtol=1e-4, atol=1e-5)
    assert np.isfinite(found[2]).all()
    assert found.shape == (3, 384) and found.dtype == np.float32
    assert static(bundled).encode([]).shape == (0, 384)
    assert_close(np.linalg.norm(static(bundled).encode("river", normalize=True)), 1, 1e-6)


def test_static_embeddings_hear_no_instruction_and_no_template(bundled):
    plain = static(bundled).encode("river")
    np.testing.assert_array_equal(static(bundled).encode("river", "Find a city:"), plain)
    np.testing.assert_array_equal(static(bundled.with_settings(template="echo")).encode("river"), plain)
    with pytest.raises(InputError, match="must be a string"):
        static(bundled).encode([3])
    told = []
    static(bundled).encode(["a", "b"], progress=lambda *numbers: told.append(numbers))
    assert told == [(2, 2)]
