"""Both sentences on their way through the model: tokens, layers, pooling, cosine; causal and bidirectional."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
        count: of all its tokens that are read.
        shared: how many of those drawn both sentences begin with.
        left_out: tokens that are not read.
    """

    name: str
    tokens: tuple[str, ...]
    count: int
    shared: int
    left_out: int = 0

    @property
    def whole(self) -> int:
        """Number of its tokens, read or not."""
        return self.count + self.left_out

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
        heads: attention heads of a layer.
    """

    sentences: tuple[Sentence, Sentence]
    stage: EncoderOption
    causal: TokenChange
    other: TokenChange
    layers: tuple[int, ...]
    cosines: tuple[float, float]
    width: int
    heads: int

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
    for name, rest, left_out in zip("AB", (causal.rest_a, causal.rest_b), pair.left_out, strict=True):
        tokens = (*causal.tokens, *rest)
        drawn = tokens[:MOST_TOKENS]
        sentences.append(Sentence(name, drawn, len(tokens), min(len(causal.tokens), len(drawn)), left_out))
    count = len(causal.by_layer) - 1
    layers = np.unique(np.linspace(1, count, min(count, MOST_LAYERS)).round().astype(int))
    return ForwardPass(
        (sentences[0], sentences[1]),
        pair.stage,
        causal,
        other,
        tuple(layers.tolist()),
        (pair.cosine(pair.causal), pair.cosine(pair.stage)),
        pair.vectors(pair.causal).shape[1],
        pair.context.layers_and_heads()[1],
    )
