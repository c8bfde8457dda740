"""What two sentences look like to a decoder, causal and bidirectional: the numbers of the lesson."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm2vec_core.arguments import check_arguments
from llm2vec_core.batching import clean_text
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.evaluation.sts import cosine_of_pairs


@dataclass(frozen=True)
class PrefixComparison:
    """The tokens with which two texts begin alike, and how alike their vectors are.

    Attributes:
        tokens: the shared first tokens.
        cosines: for each of them, the cosine between its vectors in the two texts, shape (tokens,).
        rest_a: how the first text goes on after them.
        rest_b: how the second text goes on.
    """

    tokens: tuple[str, ...]
    cosines: np.ndarray
    rest_a: str
    rest_b: str


def compare_prefix(encoder: LLM2Vec, a: str, b: str, max_length: int | None = None) -> PrefixComparison:
    """Compare the vectors of the tokens that two texts share at their beginning.

    Under causal attention each cosine is 1: those tokens cannot see where the texts part.

    Args:
        encoder: in the direction to be shown.
        a: one text.
        b: another.
        max_length: read at most this many tokens of each.
    """
    check_arguments(compare_prefix, locals())
    first, second = (encoder.token_states(text, max_length) for text in (a, b))
    shared = 0
    for x, y in zip(first.token_ids, second.token_ids, strict=False):
        if x != y:
            break
        shared += 1
    states_a, states_b = first.hidden_states[-1, :shared], second.hidden_states[-1, :shared]
    cosines = cosine_of_pairs(states_a.astype(np.float64), states_b.astype(np.float64))
    rests = (
        clean_text(text)[states.starts[shared] :].strip() if shared < len(states.starts) else ""
        for text, states in ((a, first), (b, second))
    )
    return PrefixComparison(first.tokens[:shared], cosines, *rests)


@dataclass(frozen=True)
class Yardstick:
    """Cosines that an encoder gives to pairs whose relation is known.

    A raw cosine says little: some encoders give 0.9 to any two sentences. Held against pairs that are
    alike and pairs that are not, it says something.

    Attributes:
        similar: cosines of pairs that mean the same, sorted.
        unrelated: cosines of pairs that have nothing in common, sorted.
    """

    similar: np.ndarray
    unrelated: np.ndarray

    def share_of_unrelated_below(self, cosine: float) -> float:
        """Share of unrelated pairs that are less alike than this, from 0 to 1."""
        return float(np.searchsorted(self.unrelated, cosine) / len(self.unrelated))

    def separation(self) -> float:
        """Chance that a similar pair has the higher cosine than an unrelated one (the area under ROC)."""
        below = np.searchsorted(self.unrelated, self.similar, side="left")
        ties = np.searchsorted(self.unrelated, self.similar, side="right") - below
        return float((below + 0.5 * ties).mean() / len(self.unrelated))


def measure_yardsticks(
    encoder: LLM2Vec, similar: Sequence[tuple[str, str]], unrelated: Sequence[tuple[str, str]]
) -> dict[str, Yardstick]:
    """Embed pairs of known relation and keep their cosines, for every pooling mode at once."""
    texts = [text for pair in (*similar, *unrelated) for text in pair]
    yardsticks = {}
    for mode, embeddings in encoder.encode_poolings(texts).items():
        cosines = cosine_of_pairs(embeddings[0::2], embeddings[1::2])
        yardsticks[mode] = Yardstick(np.sort(cosines[: len(similar)]), np.sort(cosines[len(similar) :]))
    return yardsticks
