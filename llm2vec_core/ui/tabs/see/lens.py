"""Which words a vector leans to: a token's, layer by layer, or a whole sentence's; causal and bidirectional."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from llm2vec_core.errors import InputError
from llm2vec_core.filling import Prediction
from llm2vec_core.logit_lens import pooled_lens, token_lens
from llm2vec_core.ui import copy as page_copy
from llm2vec_core.ui.encoders import EncoderOption
from llm2vec_core.ui.tabs.see.model import Pair, watched

TOP = 5
POOLED, WORD = "pooled", "word"
POOLINGS = ("mean", "last_token")
# Letters of a later word that counts as seen; shorter ones are mostly grammar, which any model predicts.
SHORTEST = 4


@dataclass(frozen=True)
class LensRow:
    """One layer, or one pooling.

    Attributes:
        name: of it.
        causal: the likeliest words under the causal model, the first one first.
        other: the same under the stage.
    """

    name: str
    causal: tuple[Prediction, ...]
    other: tuple[Prediction, ...]


@dataclass(frozen=True)
class Lens:
    """What the figure shows.

    Attributes:
        sentence: "a" or "b".
        tokens: of both sentences, by "a" and "b".
        position: of the token; None for the whole sentence.
        stage: the bidirectional encoder.
        rows: by layer, the last one last; or by pooling.
    """

    sentence: str
    tokens: dict[str, tuple[str, ...]]
    position: int | None
    stage: EncoderOption
    rows: tuple[LensRow, ...]

    @property
    def is_pooled(self) -> bool:
        """Whether the whole sentence's vector is read."""
        return self.position is None

    @property
    def token(self) -> str:
        """The token that is read; "" for the whole sentence."""
        return "" if self.position is None else self.tokens[self.sentence][self.position]

    @property
    def later_words(self) -> tuple[str, ...]:
        """Words that come after the token, those of four letters and more, in lower case."""
        if self.position is None:
            return ()
        rest = (re.sub(r"\W", "", token).lower() for token in self.tokens[self.sentence][self.position + 1 :])
        return tuple(word for word in rest if len(word) >= SHORTEST)

    @property
    def seen(self) -> tuple[int, int]:
        """How many of :attr:`later_words` are among the first words of the last layer, causal and under the stage."""
        causal, other = (
            {word.token.strip().lower() for word in words} for words in (self.rows[-1].causal, self.rows[-1].other)
        )
        later = set(self.later_words)
        return len(later & causal), len(later & other)


def read_lens(pair: Pair, chosen: object) -> Lens:
    """Read one vector of the pair with both encoders.

    Args:
        pair: the sentences and stages.
        chosen: "a:2" (a token, counted from 0), "b:pooled", or "b:word" for the shared word that the page watches. A
            token beyond the sentence's end becomes its last one: the sentence may have changed.

    Raises:
        InputError: if it is anything else.
    """
    match = re.fullmatch(r"([ab]):(\d{1,4}|pooled|word)", str(chosen))
    if match is None:
        raise InputError(f"{chosen!r} is no vector; choose such as a:0 or b:pooled.")
    name, which = match.groups()
    text = pair.a if name == "a" else pair.b
    limit = pair.context.limits.token_pictures
    change = pair.change(pair.causal)
    tokens = {key: (*change.tokens, *rest)[:limit] for key, rest in (("a", change.rest_a), ("b", change.rest_b))}
    if which == POOLED:
        encoders = [pair.encoder(option) for option in (pair.causal, pair.stage)]
        rows = tuple(
            LensRow(
                page_copy.POOLING_LABELS[mode], *(pooled_lens(e, text, pooling_mode=mode, top=TOP) for e in encoders)
            )
            for mode in POOLINGS
        )
        return Lens(name, tokens, None, pair.stage, rows)
    position = _watched_in(tokens) if which == WORD else min(int(which), len(tokens[name]) - 1)
    layers = shown_layers(len(change.by_layer) - 1)
    causal, other = (
        token_lens(pair.encoder(each), text, position, layers=layers, top=TOP, states=pair.states(each)[text])
        for each in (pair.causal, pair.stage)
    )
    rows = tuple(
        LensRow("embedding" if layer == 0 else str(layer), *words)
        for layer, *words in zip(layers, causal.words, other.words, strict=True)
    )
    return Lens(name, tokens, position, pair.stage, rows)


def shown_layers(count: int) -> tuple[int, ...]:
    """The embedding, some layers on the way, and the last four, in which the lens reads best.

    Example:
        >>> shown_layers(30), shown_layers(4)
        ((0, 8, 15, 22, 27, 28, 29, 30), (0, 1, 2, 3, 4))
    """
    on_the_way = np.rint(np.linspace(0, 0.75 * count, 4)).astype(int).tolist()
    return tuple(sorted({*on_the_way, *range(max(1, count - 3), count + 1)}))


def _watched_in(tokens: Mapping[str, Sequence[str]]) -> int:
    shared = 0
    for one, other in zip(tokens["a"], tokens["b"], strict=False):
        if one != other:
            break
        shared += 1
    word = watched(tuple(tokens["a"][:shared]))
    return 0 if word is None else word
