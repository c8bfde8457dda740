"""The guided lesson: seven steps, each ending in a number from the visitor's own two sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from llm2vec_core.evaluation.sts import cosine_of_pairs
from llm2vec_core.provision import is_at_hand
from llm2vec_core.token_change import SAME, TokenChange, echoed_change, token_change
from llm2vec_core.ui.encoders import EncoderOption
from llm2vec_core.ui.tabs.see import copy
from llm2vec_core.ui.tabs.see.model import Pair, future_share, likenesses, watched
from llm2vec_core.ui.word_pieces import marked_change

# Numbers are shown to three digits: a smaller difference is none on the screen.
VISIBLE = 0.0005
# Of some 80 pairs, a difference of fewer than four says little.
FEW = 0.05


@dataclass(frozen=True)
class Value:
    """One number of a step.

    Attributes:
        label: what it belongs to.
        direction: of the encoder: "causal" or "bidirectional".
        value: the number.
    """

    label: str
    direction: str
    value: float


@dataclass(frozen=True)
class Finding:
    """What a step found in the visitor's sentences.

    Attributes:
        unit: what the numbers are, for the axis.
        values: the numbers.
        sentence: what they say, as HTML in which everything from outside is escaped.
        percent: whether they are shares.
    """

    unit: str
    values: tuple[Value, ...]
    sentence: str
    percent: bool = False


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        title: its headline.
        prose: what it explains, as HTML.
        find: computes its numbers.
    """

    title: str
    prose: str
    find: Callable[[Pair], Finding]


def _value(choice: EncoderOption, value: float, what: str = "") -> Value:
    return Value(choice.label + what, choice.direction, float(value))


def _bidirectional(pair: Pair) -> list[EncoderOption]:
    """Bidirectional choices that are already at hand, the chosen one among them."""
    if is_at_hand(pair.context.preset):
        return pair.session.choices(pair.context, causal=False)
    return [pair.stage]


def _nothing_shared(unit: str) -> Finding:
    return Finding(unit, (), copy.NOTHING_SHARED)


def blind(pair: Pair) -> Finding:
    """The watched word under causal attention."""
    unit = "cosine of the word's two vectors"
    change = pair.change(pair.causal.key)
    word = watched(change.tokens)
    if word is None:
        return _nothing_shared(unit)
    cosine = float(change.cosines[word])
    name = f"<em>{escape(change.tokens[word])}</em>"
    if change.distances[word] < SAME:
        told = (
            f"{name} stands in both of your sentences, and the cosine of its two vectors is <b>{cosine:.3f}</b>: to "
            "the model it is the very same word in both, whatever follows."
        )
    else:
        told = (
            f"The cosine of the two vectors of {name} is <b>{cosine:.3f}</b>. Causal attention should give exactly 1: "
            "this model is not causal in every layer."
        )
    return Finding(unit, (_value(pair.causal, cosine),), told)


def opened(pair: Pair) -> Finding:
    """The share of attention that goes to later words."""
    limit = pair.context.limits.token_pictures
    shares = [
        float(future_share(pair.session.encoder_for(c.key, pair.context).attentions(pair.a, limit).weights).mean())
        for c in (pair.causal, pair.stage)
    ]
    told = (
        f"In Sentence A, averaged over all layers and heads, <b>{shares[0]:.1%}</b> of each word’s attention goes to "
        f"later words under causal attention, and <b>{shares[1]:.1%}</b> under {escape(pair.stage.label)}."
    )
    if shares[1] < VISIBLE:
        told += " There is nothing later to look at, or the model does not use it."
    values = (_value(pair.causal, shares[0]), _value(pair.stage, shares[1]))
    return Finding("share of attention to later words", values, told, percent=True)


def moved(pair: Pair) -> Finding:
    """The watched word under every bidirectional stage."""
    unit = "cosine of the word's two vectors"
    causal = pair.change(pair.causal.key)
    word = watched(causal.tokens)
    if word is None:
        return _nothing_shared(unit)
    found = [(choice, pair.change(choice.key)) for choice in _bidirectional(pair)]
    cosines = [float(change.cosines[word]) for _, change in found]
    furthest = int(np.argmin(cosines))
    values = (
        _value(pair.causal, causal.cosines[word]),
        *(_value(c, cosine) for (c, _), cosine in zip(found, cosines, strict=True)),
    )
    name = f"<em>{escape(causal.tokens[word])}</em>"
    if cosines[furthest] < 1 - VISIBLE:
        told = (
            f"{name} now has two vectors, one for each sentence. They lie furthest apart under "
            f"{escape(found[furthest][0].label)}, with a cosine of <b>{cosines[furthest]:.3f}</b>."
        )
    else:
        told = f"{name} could move now, yet it hardly does: its cosine is still <b>{cosines[furthest]:.3f}</b>."
    return Finding(unit, values, told)


def pooled(pair: Pair) -> Finding:
    """How much of the sentence the tokens behind a sentence vector have seen."""
    count = len(pair.session.encoder_for(pair.causal.key, pair.context).token_states(pair.a).tokens)
    cosines = {}
    for choice in (pair.causal, pair.stage):
        encoder = pair.session.encoder_for(choice.key, pair.context)
        for mode in ("last_token", "mean"):
            vectors = encoder.encode([pair.a, pair.b], pooling_mode=mode)
            cosines[choice.key, mode] = float(cosine_of_pairs(vectors[:1], vectors[1:])[0])
    causal = {mode: cosines[pair.causal.key, mode] for mode in ("last_token", "mean")}
    # Token i of n sees i of them: (n + 1) / 2n on average.
    told = (
        f"Sentence A has {count} tokens. Under causal attention a token has seen "
        f"<b>{(count + 1) / (2 * count):.0%}</b> of them on average, and only the last one 100%; under bidirectional "
        "attention each has seen all. "
        f"Causal vectors of your two sentences have a cosine of {causal['last_token']:.3f} by their last tokens and "
        f"{causal['mean']:.3f} by the mean of all."
    )
    values = tuple(
        _value(choice, cosines[choice.key, mode], what)
        for choice in (pair.causal, pair.stage)
        for mode, what in (("last_token", ", last token"), ("mean", ", mean"))
    )
    return Finding("cosine of the two sentence vectors", values, told)


def echoed(pair: Pair) -> Finding:
    """The watched word in the second copy of doubled texts."""
    unit = "cosine of the word's two vectors"
    once = pair.change(pair.causal.key)
    word = watched(once.tokens)
    if word is None:
        return _nothing_shared(unit)
    encoder = pair.session.encoder_for(pair.causal.key, pair.context)
    twice = marked_change(echoed_change(encoder, pair.a, pair.b), pair.a, pair.b)
    again = _again(once, twice, word)
    if again is None:
        return Finding(unit, (_value(pair.causal, once.cosines[word]),), copy.NO_SECOND_COPY)
    first, second = float(once.cosines[word]), float(twice.cosines[again])
    name = f"<em>{escape(once.tokens[word])}</em>"
    told = f"{name} in the first copy: cosine {first:.3f}. In the second: <b>{second:.3f}</b>. "
    if second < first - VISIBLE:
        told += (
            "The second copy has read the whole sentence once, so the word knows where it stands, without any "
            "training, at twice the cost."
        )
    else:
        told += "Reading it twice changed nothing that can be seen here."
    stage = pair.change(pair.stage.key).cosines[word]
    values = (
        _value(pair.causal, first, ", first copy"),
        _value(pair.causal, second, ", second copy (echo)"),
        _value(pair.stage, stage),
    )
    return Finding(unit, values, told)


def _again(once: TokenChange, twice: TokenChange, word: int) -> int | None:
    """The watched token's place among the second copy's shared tokens, which have no begin token."""
    places = [i for i, token in enumerate(twice.tokens) if token == once.tokens[word]]
    before = list(once.tokens[1:word]).count(once.tokens[word])
    return places[before] if before < len(places) else None


def compared(pair: Pair) -> Finding:
    """The pair among unrelated pairs."""
    found = likenesses(pair, "mean")
    first = found[0]
    last = next((x for x in found if x.choice.key == pair.stage.key), found[-1])
    told = (
        f"Causal: cosine {first.cosine:.3f}, higher than <b>{first.above:.0%}</b> of unrelated pairs. "
        f"{escape(last.choice.label)}: cosine {last.cosine:.3f}, higher than <b>{last.above:.0%}</b>. "
    )
    if abs(last.above - first.above) < FEW:
        told += "Among other pairs, yours stands about where it stood. "
    elif last.above > first.above:
        told += "Among other pairs, yours counts as more alike than before. "
    else:
        told += "Among other pairs, yours counts as less alike than before. "
    told += "Whether that is right, you decide: do the two sentences mean the same?"
    values = tuple(_value(x.choice, x.above) for x in found)
    return Finding("share of unrelated pairs that are less alike", values, told, percent=True)


def proven(pair: Pair) -> Finding:
    """The prefix test on Sentence A: does anything notice a word that comes later?"""
    longer = f"{pair.a.rstrip()} {copy.ADDED_WORD}"
    found = [
        (c, token_change(pair.session.encoder_for(c.key, pair.context), pair.a, longer))
        for c in (pair.causal, pair.stage)
    ]
    causal, other = (float(change.distances.max(initial=0.0)) for _, change in found)
    verdicts = "causal holds" if causal < SAME else "causal fails"
    verdicts += ", bidirectional holds" if other >= SAME else ", bidirectional fails"
    told = (
        f"With “{copy.ADDED_WORD}” behind Sentence A, the vectors of its {len(found[0][1].tokens)} tokens change by at "
        f"most <b>{causal:.3f}</b> of their length under causal attention and by up to <b>{other:.3f}</b> under "
        f"{escape(pair.stage.label)}. Prefix test on your text: <b>{verdicts}</b>."
    )
    return Finding(
        "largest change of an earlier token, as a share of its length",
        tuple(_value(c, change.distances.max(initial=0.0)) for c, change in found),
        told,
    )


STEPS: Sequence[Step] = tuple(
    Step(title, prose, find)
    for (title, prose), find in zip(copy.LESSON, (blind, opened, moved, pooled, echoed, compared, proven), strict=True)
)
