"""How far tokens move, against a mock encoder whose vectors are known and against the bundled model."""

from __future__ import annotations

import numpy as np
import pytest

from llm2vec_core.encoder import TokenStates
from llm2vec_core.token_change import SAME, echoed_change, token_change, token_changes


class Mock:
    """Splits at blanks; a word's id is its first letter, its last-layer vector (position + 1, letters of the text)."""

    def token_states(self, text: str, max_length: int | None = None) -> TokenStates:
        words = text.split(" ")[:max_length]
        starts = np.cumsum([0, *(len(word) + 1 for word in words[:-1])])
        states = np.zeros((2, len(words), 2))
        states[1] = [[i + 1, len(text)] for i in range(len(words))]
        return TokenStates(
            tuple(words), tuple(int(s) for s in starts), np.array([ord(w[0]) for w in words]), states, False
        )

    def all_token_states(self, texts: list[str], max_length: int | None = None) -> list[TokenStates]:
        assert len(set(texts)) == len(texts)
        return [self.token_states(text, max_length) for text in texts]


def test_closed_form():
    change = token_change(Mock(), "ab cd ef", "ab cd xy and more")
    assert change.tokens == ("ab", "cd")
    assert (change.rest_a, change.rest_b) == (("ef",), ("xy", "and", "more"))
    assert (change.ending_a, change.ending_b) == ("ef", "xy and more")
    for i, (x, y) in enumerate((((1, 8), (1, 17)), ((2, 8), (2, 17)))):
        cosine = (x[0] * y[0] + x[1] * y[1]) / (np.hypot(*x) * np.hypot(*y))
        assert change.cosines[i] == pytest.approx(cosine)
        assert change.distances[i] == pytest.approx(9 / np.hypot(*x))
    np.testing.assert_allclose(change.changes, 1 - change.cosines)
    # The embedding of the mock is zero; a row for each layer.
    assert change.by_layer.shape == (2, 2)


def test_nothing_shared_and_everything_shared():
    change = token_change(Mock(), "ab cd", "xy cd")
    assert change.tokens == ()
    assert change.cosines.shape == change.distances.shape == (0,)
    same = token_change(Mock(), "ab cd", "ab cd")
    assert same.rest_a == same.rest_b == ()
    assert (same.ending_a, same.ending_b) == ("", "")
    assert same.distances.max() == 0
    longer = token_change(Mock(), "ab cd", "ab cd ef")
    assert longer.tokens == ("ab", "cd")
    assert longer.ending_b == "ef"


def test_several_pairs_read_each_text_once():
    texts = ["ab cd ef", "ab cd xy and more", "ab xy"]
    pairs = [(texts[0], texts[1]), (texts[1], texts[2]), (texts[2], texts[2])]
    for change, (a, b) in zip(token_changes(Mock(), pairs), pairs, strict=True):
        alone = token_change(Mock(), a, b)
        assert (change.tokens, change.rest_a, change.rest_b) == (alone.tokens, alone.rest_a, alone.rest_b)
        np.testing.assert_array_equal(change.by_layer, alone.by_layer)
        np.testing.assert_array_equal(change.distances, alone.distances)


def test_the_second_copy_is_found():
    change = echoed_change(Mock(), "ab cd ef", "ab cd xy")
    assert change.tokens == ("ab", "cd")
    assert change.rest_a == ("ef",)
    # In the doubled text the second "ab" is the fourth word; both texts have 17 letters.
    assert change.distances.tolist() == [0, 0]
    assert echoed_change(Mock(), "ab cd ef", "ab cd xy", max_length=3).tokens == ()


@pytest.mark.parametrize(("name", "moves"), [("bundled_causal", False), ("bundled", True)])
def test_only_a_bidirectional_model_moves_a_beginning(request, name, moves):
    encoder = request.getfixturevalue(name)
    change = token_change(encoder, "The bank was steep and muddy.", "The bank was robbed at noon, they said.")
    assert len(change.tokens) == 4
    assert bool((change.distances >= SAME).all()) is moves
    assert bool((change.distances < SAME).all()) is not moves


def test_an_echo_moves_even_under_causal_attention(bundled_causal):
    encoder = bundled_causal
    a, b = "The bank was steep and muddy.", "The bank was robbed at noon."
    change = echoed_change(encoder, a, b)
    assert change.tokens == ("The", "bank", "was")
    assert change.distances.min() > SAME
    # An oracle: count from the end, where the second copies' lengths are known.
    states = [encoder.token_states(f"{text} {text}").hidden_states[-1] for text in (a, b)]
    lengths = [len(encoder.token_states(text).tokens) - 1 for text in (a, b)]
    for i in range(3):
        x, y = (s[-length + i].astype(float) for s, length in zip(states, lengths, strict=True))
        assert change.cosines[i] == pytest.approx(x @ y / np.linalg.norm(x) / np.linalg.norm(y), abs=1e-6)
