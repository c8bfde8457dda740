"""What this tab computes from a visitor's sentences; knows no gradio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llm2vec_core.comparison import Yardstick
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.sts import cosine_of_pairs
from llm2vec_core.provision import is_at_hand
from llm2vec_core.token_change import TokenChange, token_change
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import EncoderOption
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.user_texts import checked_text
from llm2vec_core.ui.word_pieces import is_piece, marked, marked_change

# Read of a text with an editable ending: every key that is pressed reads it four times.
ENDING_CHARACTERS = 2_000
NO_BLANK_BEFORE = ".,;:!?'’)…"


@dataclass(frozen=True)
class Pair:
    """What all parts of the tab start from.

    Attributes:
        context: the model that the visitor looks at.
        session: whose choices count.
        a: Sentence A, checked.
        b: Sentence B, checked.
        causal: the model as it is.
        stage: the bidirectional stage beside it.
    """

    context: AppContext
    session: Session
    a: str
    b: str
    causal: EncoderOption
    stage: EncoderOption

    def encoder(self, option: EncoderOption) -> LLM2Vec:
        """The encoder of a stage, or the visitor's own."""
        return self.session.encoder_for(option.key, self.context)

    def change(self, option: EncoderOption) -> TokenChange:
        """How far the shared tokens lie apart under an encoder."""
        return marked_change(token_change(self.encoder(option), self.a, self.b), self.a, self.b)


def checked_pair(context: AppContext, session: Session, a: str | None, b: str | None, stage_key: str) -> Pair:
    """The sentences and stages, or a readable complaint.

    Raises:
        InputError: if a sentence is empty or too long, or the stage is none.
    """
    limit = context.limits.text_characters
    a, b = checked_text(a, "Sentence A", limit), checked_text(b, "Sentence B", limit)
    causal = session.choice(context.preset.stages[0].key, context)
    return Pair(context, session, a, b, causal, session.choice(stage_key, context))


def watched(tokens: tuple[str, ...]) -> int | None:
    """Index of the shared word to watch: the longest, and of several the last; None if no word is shared.

    The begin token is no word: it stands in front of every text. A piece of a word is watched where nothing else is.

    Example:
        >>> watched(("<s>", "The", "bank", "was")), watched(("<s>",)), watched(("<s>", "The", "gu‑", "‑ests"))
        (2, None, 1)
    """
    words = range(1, len(tokens))
    return max(words, key=lambda i: (not is_piece(tokens[i]), len(tokens[i]), i), default=None)


@dataclass(frozen=True)
class Likeness:
    """How alike the pair is to one encoder.

    Attributes:
        choice: the encoder.
        cosine: of the two sentence vectors.
        yardstick: the same encoder's cosines for pairs of known relation.
    """

    choice: EncoderOption
    cosine: float
    yardstick: Yardstick

    @property
    def above(self) -> float:
        """Share of unrelated pairs that are less alike, from 0 to 1."""
        return self.yardstick.share_of_unrelated_below(self.cosine)


def shown_choices(pair: Pair) -> list[EncoderOption]:
    """The encoders to hold the pair against: all of a model that is here whole, two of another (each is loaded)."""
    if is_at_hand(pair.context.preset):
        return pair.session.choices(pair.context)
    return [pair.causal, pair.stage]


def likenesses(pair: Pair, pooling_mode: str) -> list[Likeness]:
    """The pair's cosine under each encoder, with its yardstick."""
    found = []
    for choice in shown_choices(pair):
        vectors = pair.encoder(choice).encode([pair.a, pair.b], pooling_mode=pooling_mode)
        cosine = float(cosine_of_pairs(vectors[:1], vectors[1:])[0])
        found.append(Likeness(choice, cosine, pair.session.yardstick_for(choice.key, pooling_mode, pair.context)))
    return found


@dataclass(frozen=True)
class Endings:
    """A beginning with two endings.

    Attributes:
        stage: the bidirectional stage.
        causal: the shared tokens under the causal model, measured from the reference ending.
        other: the same under the stage.
    """

    stage: EncoderOption
    causal: TokenChange
    other: TokenChange


def with_ending(beginning: str, ending: str) -> str:
    """A beginning and an ending, with a blank between them where one belongs.

    Example:
        >>> with_ending("The bank was ", "closed"), with_ending("The bank", ", then")
        ('The bank was closed', 'The bank, then')
    """
    beginning, ending = beginning.strip(), ending.strip()
    if not ending:
        return beginning
    return beginning + ("" if ending[0] in NO_BLANK_BEFORE else " ") + ending


def endings(
    context: AppContext,
    session: Session,
    beginning: str | None,
    reference: str | None,
    ending: str | None,
    stage_key: str,
) -> Endings:
    """How far the tokens of a beginning move when its ending is another one.

    Raises:
        InputError: if the beginning is empty, or a part is too long.
    """
    limit = min(context.limits.text_characters, ENDING_CHARACTERS)
    beginning = checked_text(beginning, "The beginning", limit)
    parts = [
        checked_text(part, name, limit) if part and part.strip() else ""
        for part, name in ((reference, "The first ending"), (ending, "The other ending"))
    ]
    first, other = (with_ending(beginning, part) for part in parts)
    causal = context.encoder(context.preset.stages[0].key)
    stage = session.choice(stage_key, context)
    encoders = (causal, session.encoder_for(stage_key, context))
    changes = (marked_change(token_change(encoder, first, other), first, other) for encoder in encoders)
    return Endings(stage, *changes)


@dataclass(frozen=True)
class Heads:
    """Attention of every layer and head on one sentence.

    Attributes:
        tokens: of the sentence, as many as are drawn.
        causal: shape (layers, heads, tokens, tokens); rows sum to 1.
        other: the same under the stage.
        stage: that stage.
    """

    tokens: tuple[str, ...]
    causal: np.ndarray
    other: np.ndarray
    stage: EncoderOption

    @property
    def future(self) -> np.ndarray:
        """Share of attention that goes to later tokens under the stage, shape (layers, heads)."""
        return future_share(self.other)


def future_share(weights: np.ndarray) -> np.ndarray:
    """Mean share of attention that goes to later tokens; the last two axes are tokens."""
    return np.triu(weights, k=1).sum(axis=-1).mean(axis=-1)


def heads(context: AppContext, session: Session, sentence: str | None, stage_key: str) -> Heads:
    """Attention of all heads, causal and under a stage, of the first tokens of a sentence.

    Raises:
        InputError: if the sentence is empty or too long.
    """
    sentence = checked_text(sentence, "The sentence", context.limits.text_characters)
    limit = context.limits.token_pictures
    causal = context.encoder(context.preset.stages[0].key).attentions(sentence, limit)
    other = session.encoder_for(stage_key, context).attentions(sentence, limit)
    return Heads(marked(sentence, causal.tokens), causal.weights, other.weights, session.choice(stage_key, context))


def checked_head(layer: object, head: object, shape: tuple[int, int]) -> tuple[int, int]:
    """Layer and head, both from 1, within a model.

    A field may still hold a larger model's; then the last one is taken.

    Raises:
        InputError: if they are no whole numbers from 1.
    """
    chosen = []
    for name, value, most in (("layer", layer, shape[0]), ("head", head, shape[1])):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{value!r} is no {name}; choose one from 1 to {most}.")
        chosen.append(min(value, most))
    return chosen[0], chosen[1]
