"""How much each token's vector changes when what follows it does: read once, or read twice (echo)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llm2vec_core.batching import clean_text
from llm2vec_core.encoder import LLM2Vec, TokenStates
from llm2vec_core.evaluation.sts import cosine_of_pairs

# Below this relative distance a vector counts as the same: float32 sums in another order differ by about 1e-6.
SAME = 1e-4


@dataclass(frozen=True)
class TokenChange:
    """The tokens with which two texts begin alike, and how far their last-layer vectors lie apart.

    Attributes:
        tokens: the shared first tokens, the begin token among them where there is one.
        cosines: between each one's two vectors, shape (tokens,).
        distances: ``|x - y| / |x|`` where x comes from the first text, y from the second, shape (tokens,).
        rest_a: tokens of the first text after the shared ones.
        rest_b: tokens of the second.
    """

    tokens: tuple[str, ...]
    cosines: np.ndarray
    distances: np.ndarray
    rest_a: tuple[str, ...]
    rest_b: tuple[str, ...]

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
    return _compared(encoder.token_states(a, max_length), encoder.token_states(b, max_length), 0, 0)


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
        doubled.append((states, next(second, len(states.starts))))
    (first, start_a), (other, start_b) = doubled
    return _compared(first, other, start_a, start_b)


def _compared(a: TokenStates, b: TokenStates, start_a: int, start_b: int) -> TokenChange:
    ids_a, ids_b = a.token_ids[start_a:], b.token_ids[start_b:]
    common = min(len(ids_a), len(ids_b))
    differ = np.flatnonzero(ids_a[:common] != ids_b[:common])
    shared = int(differ[0]) if len(differ) else common
    x = a.hidden_states[-1, start_a : start_a + shared].astype(np.float64)
    y = b.hidden_states[-1, start_b : start_b + shared].astype(np.float64)
    distances = np.linalg.norm(x - y, axis=-1) / np.maximum(np.linalg.norm(x, axis=-1), 1e-12)
    return TokenChange(
        a.tokens[start_a : start_a + shared],
        cosine_of_pairs(x, y),
        distances,
        a.tokens[start_a + shared :],
        b.tokens[start_b + shared :],
    )
