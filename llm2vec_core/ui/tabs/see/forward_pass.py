"""Both sentences on their way through the model: tokens, layers, pooling, cosine; causal and bidirectional."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llm2vec_core.evaluation.sts import cosine_of_pairs
from llm2vec_core.token_change import TokenChange
from llm2vec_core.ui.encoders import EncoderOption
from llm2vec_core.ui.tabs.see.model import Pair, watched

MOST_TOKENS = 16
MOST_LAYERS = 7


@dataclass(frozen=True)
class Sentence:
    """One sentence as it is drawn.

    Attributes:
        name: "A" or "B".
        tokens: the first :data:`MOST_TOKENS`.
        count: of all its tokens.
        shared: how many of those drawn both sentences begin with.
    """

    name: str
    tokens: tuple[str, ...]
    count: int
    shared: int

    @property
    def is_cut(self) -> bool:
        """Whether it has more tokens than are drawn."""
        return self.count > len(self.tokens)


@dataclass(frozen=True)
class ForwardPass:
    """What the picture shows.

    Attributes:
        sentences: A and B.
        stage: the bidirectional encoder.
        causal: the shared tokens under the causal model.
        other: the same under the stage.
        layers: which layers are drawn, from 1.
        cosines: of the two pooled vectors, causal and under the stage.
        width: numbers in a vector.
    """

    sentences: tuple[Sentence, Sentence]
    stage: EncoderOption
    causal: TokenChange
    other: TokenChange
    layers: tuple[int, ...]
    cosines: tuple[float, float]
    width: int

    @property
    def word(self) -> int | None:
        """Index of the shared word to watch; None if no word is shared."""
        return watched(self.causal.tokens)

    def changes(self, change: TokenChange) -> np.ndarray:
        """``1 - cosine`` of the shared tokens in the drawn layers, at least 0, shape (layers, tokens)."""
        return np.maximum(0.0, 1.0 - change.by_layer[list(self.layers)])


def forward_pass(pair: Pair) -> ForwardPass:
    """Read both sentences with both encoders."""
    causal, other = pair.change(pair.causal), pair.change(pair.stage)
    sentences = []
    for name, rest in (("A", causal.rest_a), ("B", causal.rest_b)):
        tokens = (*causal.tokens, *rest)
        drawn = tokens[:MOST_TOKENS]
        sentences.append(Sentence(name, drawn, len(tokens), min(len(causal.tokens), len(drawn))))
    cosines = []
    for choice in (pair.causal, pair.stage):
        vectors = pair.encoder(choice).encode([pair.a, pair.b], pooling_mode="mean")
        cosines.append(float(cosine_of_pairs(vectors[:1], vectors[1:])[0]))
    count = len(causal.by_layer) - 1
    layers = np.unique(np.linspace(1, count, min(count, MOST_LAYERS)).round().astype(int))
    return ForwardPass(
        (sentences[0], sentences[1]),
        pair.stage,
        causal,
        other,
        tuple(layers.tolist()),
        (cosines[0], cosines[1]),
        vectors.shape[1],
    )
