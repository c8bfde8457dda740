"""How much each token's vector changes when what follows it does: read once, or read twice (echo)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from llm2vec_core.arguments import check_arguments
from llm2vec_core.batching import clean_text
from llm2vec_core.encoder import LLM2Vec, TokenStates
from llm2vec_core.evaluation.sts import cosine_of_pairs

# Below this relative distance a vector counts as the same: float32 sums in another order differ by about 1e-6.
SAME = 1e-4


@dataclass(frozen=True)
class TokenChange:
    """The tokens with which two texts begin alike, and how far their vectors lie apart.

    Attributes:
        tokens: the shared first tokens, the begin token among them where there is one.
        by_layer: cosine between each one's two vectors in every layer, shape (layers + 1, tokens); the first row is
            the embedding.
        distances: ``|x - y| / |x|`` where x comes from the first text, y from the second, shape (tokens,).
        rest_a: tokens of the first text after the shared ones.
        rest_b: tokens of the second.
        ending_a: what those tokens of the first text say, as it stands there.
        ending_b: what those of the second say.
    """

    tokens: tuple[str, ...]
    by_layer: np.ndarray
    distances: np.ndarray
    rest_a: tuple[str, ...]
    rest_b: tuple[str, ...]
    ending_a: str
    ending_b: str

    @property
    def cosines(self) -> np.ndarray:
        """Between each shared token's two vectors in the last layer, shape (tokens,)."""
        return self.by_layer[-1]

    @property
    def changes(self) -> np.ndarray:
        """``1 - cosine`` of each shared token, at least 0, shape (tokens,)."""
        return np.maximum(0.0, 1.0 - self.cosines)


def token_change(encoder: LLM2Vec, a: str, b: str, max_length: int | None = None) -> TokenChange:
    """Compare the vectors of the tokens that two texts share at their beginning.

    Args:
        encoder: in the direction to be shown.
        a: the text that the change is measured from.
        b: the text with another ending.
        max_length: read at most this many tokens of each.

    Returns:
        Cosines and relative distances of the shared tokens; both arrays are empty if there are none.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> causal = LLM2Vec.from_pretrained(BUNDLED.base, bidirectional=False)
        >>> change = token_change(causal, "The bank was steep.", "The bank was robbed.")
        >>> change.tokens[-3:], bool(change.distances.max() < SAME)
        (('The', 'bank', 'was'), True)
    """
    check_arguments(token_change, locals(), leave=("encoder",))
    return token_changes(encoder, [(a, b)], max_length)[0]


def token_changes(
    encoder: LLM2Vec, pairs: Sequence[tuple[str, str]], max_length: int | None = None
) -> list[TokenChange]:
    """:func:`token_change` of a few pairs of texts; each text is read once, all of them in one forward pass.

    Args:
        encoder: in the direction to be shown.
        pairs: of the text that the change is measured from, and the text with another ending.
        max_length: read at most this many tokens of each text.

    Returns:
        One a pair, in their order.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> encoder = LLM2Vec.from_pretrained(BUNDLED.base)
        >>> pairs = [("The bank was steep.", "The bank was robbed."), ("The bank was steep.", "The bank closed.")]
        >>> [change.tokens[-1] for change in token_changes(encoder, pairs)]
        ['was', 'bank']
    """
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    states = dict(zip(texts, encoder.all_token_states(texts, max_length), strict=True))
    return [change_between(a, states[a], b, states[b]) for a, b in pairs]


def change_between(a: str, states_a: TokenStates, b: str, states_b: TokenStates) -> TokenChange:
    """:func:`token_change` of two texts that one encoder has read.

    Args:
        a: the text that the change is measured from.
        states_a: of its tokens.
        b: the text with another ending.
        states_b: of its tokens.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> encoder, texts = LLM2Vec.from_pretrained(BUNDLED.base), ["The bank was steep.", "The bank closed."]
        >>> first, second = encoder.all_token_states(texts)
        >>> change_between(texts[0], first, texts[1], second).tokens[-1]
        'bank'
    """
    return _compared(Read(clean_text(a), states_a, 0), Read(clean_text(b), states_b, 0))


def echoed_change(encoder: LLM2Vec, a: str, b: str, max_length: int | None = None) -> TokenChange:
    """As :func:`token_change`, for the second copy of texts that stand there twice.

    This is what echo embeddings average (Springer et al., 2024): in the second copy even a causal model's
    first token has read the whole text once.

    Args:
        encoder: in the direction to be shown.
        a: one text.
        b: another.
        max_length: read at most this many tokens of each doubled text.

    Returns:
        As :func:`token_change`; without tokens if a second copy lies beyond what the model reads.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> causal = LLM2Vec.from_pretrained(BUNDLED.base, bidirectional=False)
        >>> change = echoed_change(causal, "The bank was steep.", "The bank was robbed.")
        >>> change.tokens, bool(change.distances.min() > SAME)
        (('The', 'bank', 'was'), True)
    """
    doubled = []
    for text in (a, b):
        text = clean_text(text).strip()
        states = encoder.token_states(f"{text} {text}", max_length)
        # A token of the second copy starts at the blank between the copies, or after it.
        second = (i for i, start in enumerate(states.starts) if start >= len(text))
        doubled.append(Read(f"{text} {text}", states, next(second, len(states.starts))))
    return _compared(*doubled)


class Read(NamedTuple):
    """A text that was read, and the token from which on it is compared."""

    text: str
    states: TokenStates
    start: int

    def ending(self, shared: int) -> str:
        """What follows after some tokens, as it stands in the text."""
        starts = self.states.starts
        place = self.start + shared
        return self.text[starts[place] :].strip() if place < len(starts) else ""


def _compared(a: Read, b: Read) -> TokenChange:
    ids_a, ids_b = a.states.token_ids[a.start :], b.states.token_ids[b.start :]
    common = min(len(ids_a), len(ids_b))
    differ = np.flatnonzero(ids_a[:common] != ids_b[:common])
    shared = int(differ[0]) if len(differ) else common
    x, y = (r.states.hidden_states[:, r.start : r.start + shared].astype(np.float64) for r in (a, b))  # (L + 1, T, d)
    distances = np.linalg.norm(x[-1] - y[-1], axis=-1) / np.maximum(np.linalg.norm(x[-1], axis=-1), 1e-12)
    return TokenChange(
        a.states.tokens[a.start : a.start + shared],
        np.stack([cosine_of_pairs(*layer) for layer in zip(x, y, strict=True)]),
        distances,
        a.states.tokens[a.start + shared :],
        b.states.tokens[b.start + shared :],
        a.ending(shared),
        b.ending(shared),
    )
