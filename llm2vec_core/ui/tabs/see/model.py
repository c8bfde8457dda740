"""What this tab computes from a visitor's sentences; knows no gradio."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from llm2vec_core.batching import first_tokens
from llm2vec_core.encoder import Attentions, LLM2Vec, TokenStates, future_share
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.sts import cosine_of_pairs
from llm2vec_core.provision import is_at_hand
from llm2vec_core.token_change import TokenChange, change_between, token_change
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import EncoderOption
from llm2vec_core.ui.pair_strips import Strip
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.see.copy import ADDED_WORD
from llm2vec_core.ui.user_texts import checked_text
from llm2vec_core.word_pieces import is_piece, marked, marked_change

T = TypeVar("T")

# Read of a sentence: each answer reads both of them some ten times, and should be there in two seconds.
READ_TOKENS = 48
# Of a beginning and of each of its endings, which every key that is pressed reads four times.
ENDING_TOKENS = 32
ENDING_CHARACTERS = 2_000
NO_BLANK_BEFORE = ".,;:!?'’)…"


@dataclass(frozen=True)
class Pair:
    """What all parts of the tab start from. What a model makes of the sentences is computed once, for all steps.

    Attributes:
        context: the model that the visitor looks at.
        session: whose choices count.
        a: Sentence A, checked, as much of it as is read.
        b: Sentence B, likewise.
        causal: the model as it is.
        stage: the bidirectional stage beside it.
        left_out: tokens of both that are not read.
    """

    context: AppContext
    session: Session
    a: str
    b: str
    causal: EncoderOption
    stage: EncoderOption
    left_out: tuple[int, int] = (0, 0)

    def encoder(self, option: EncoderOption) -> LLM2Vec:
        """The encoder of a stage, or the visitor's own."""
        return self.session.encoder_for(option.key, self.context)

    def change(self, option: EncoderOption) -> TokenChange:
        """How far the shared tokens lie apart under an encoder."""
        return marked_change(self._changes(option)[0], self.a, self.b)

    def change_of_longer(self, option: EncoderOption) -> TokenChange:
        """How far the tokens of Sentence B move under an encoder when a word is added to its end."""
        return self._changes(option)[1]

    def _changes(self, option: EncoderOption) -> list[TokenChange]:
        def compare() -> list[TokenChange]:
            states = self.states(option)
            pairs = [(self.a, self.b), (self.b, self._longer)]
            return [change_between(x, states[x], y, states[y]) for x, y in pairs]

        return self.cached(("see", "changes"), option, compare)

    @property
    def _longer(self) -> str:
        return f"{self.b.rstrip()} {ADDED_WORD}"

    def states(self, option: EncoderOption) -> dict[str, TokenStates]:
        """What an encoder makes of both sentences, and of Sentence B with a word added, by text."""
        # One forward pass for all: the lesson asks for them at once, and three short texts cost little more than one.
        texts = list(dict.fromkeys((self.a, self.b, self._longer)))
        return self.cached(
            ("states",), option, lambda: dict(zip(texts, self.encoder(option).all_token_states(texts), strict=True))
        )

    def cosine(self, option: EncoderOption, pooling_mode: str = "mean") -> float:
        """Of the two sentence vectors under an encoder."""
        vectors = self.vectors(option, pooling_mode)
        return float(cosine_of_pairs(vectors[:1], vectors[1:])[0])

    def vectors(self, option: EncoderOption, pooling_mode: str = "mean") -> np.ndarray:
        """Both sentence vectors under an encoder, shape (2, hidden)."""
        key = ("see", "vectors")
        return self.cached(key, option, lambda: self.encoder(option).encode_poolings([self.a, self.b]))[pooling_mode]

    def cached(self, what: tuple[str, ...], option: EncoderOption, compute: Callable[[], T]) -> T:
        """A result that depends on the two sentences and an encoder."""
        handle = self.session.handle(option.key, self.context)
        return self.session.cache.get((*what, handle.cache_key, self.a, self.b), compute)


def checked_pair(context: AppContext, session: Session, a: str | None, b: str | None, stage_key: str) -> Pair:
    """The sentences and stages, or a readable complaint.

    Raises:
        InputError: if a sentence is empty or too long, or the stage is none.
    """
    limit = context.limits.text_characters
    a, b = checked_text(a, "Sentence A", limit), checked_text(b, "Sentence B", limit)
    causal, stage = session.choice(context.preset.stages[0].key, context), session.choice(stage_key, context)
    tokenizer = session.encoder_for(causal.key, context).tokenizer
    (a, more_a), (b, more_b) = (first_tokens(tokenizer, text, READ_TOKENS) for text in (a, b))
    return Pair(context, session, a, b, causal, stage, (more_a, more_b))


def watched(tokens: tuple[str, ...]) -> int | None:
    """Index of the shared word to watch: the longest, and of several the last; None if no word is shared.

    The begin token is no word: it stands in front of every text. A piece of a word is watched where nothing else is.

    Example:
        >>> watched(("<s>", "The", "bank", "was")), watched(("<s>",)), watched(("<s>", "The", "gu‑", "‑ests"))
        (2, None, 1)
    """
    words = range(1, len(tokens))
    return max(words, key=lambda i: (not is_piece(tokens[i]), len(tokens[i]), i), default=None)


def shown_choices(pair: Pair) -> list[EncoderOption]:
    """The encoders to hold the pair against: all of a model that is here whole, two of another (each is loaded)."""
    if is_at_hand(pair.context.preset):
        return pair.session.choices(pair.context)
    return [pair.causal, pair.stage]


def likenesses(pair: Pair, pooling_mode: str) -> list[Strip]:
    """The pair's cosine under each encoder, with its yardstick."""
    session, context = pair.session, pair.context
    return [
        Strip(each, pair.cosine(each, pooling_mode), session.yardstick_for(each.key, pooling_mode, context))
        for each in shown_choices(pair)
    ]


@dataclass(frozen=True)
class Endings:
    """A beginning with two endings.

    Attributes:
        stage: the bidirectional stage.
        causal: the shared tokens under the causal model, measured from the reference ending.
        other: the same under the stage.
        is_cut: whether a part was too long to be read whole.
    """

    stage: EncoderOption
    causal: TokenChange
    other: TokenChange
    is_cut: bool = False


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
    stage = session.choice(stage_key, context)
    causal = session.encoder_for(context.preset.stages[0].key, context)
    read = [first_tokens(causal.tokenizer, part, ENDING_TOKENS) for part in (beginning, *parts)]
    (beginning, _), *ends = read
    first, other = (with_ending(beginning, part) for part, _ in ends)
    encoders = (causal, session.encoder_for(stage_key, context))
    changes = [marked_change(token_change(encoder, first, other), first, other) for encoder in encoders]
    return Endings(stage, changes[0], changes[1], any(left for _, left in read))


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


def heads(context: AppContext, session: Session, sentence: str | None, stage_key: str) -> Heads:
    """Attention of all heads, causal and under a stage, of the first tokens of a sentence.

    Raises:
        InputError: if the sentence is empty or too long.
    """
    sentence = checked_text(sentence, "The sentence", context.limits.text_characters)
    causal, other = (attentions(context, session, key, sentence) for key in (context.preset.stages[0].key, stage_key))
    return Heads(marked(sentence, causal.tokens), causal.weights, other.weights, session.choice(stage_key, context))


def attentions(context: AppContext, session: Session, key: str, sentence: str) -> Attentions:
    """Attention of the first tokens of a sentence under an encoder: as many as are drawn."""
    limit = context.limits.token_pictures
    handle = session.handle(key, context)
    return session.cache.get(
        ("see", "attentions", handle.cache_key, sentence),
        lambda: session.encoder_for(key, context).attentions(sentence, limit),
    )


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
