# ruff: noqa: E501 (prose)
"""The lesson: eight steps through one picture, each with a question first and an answer from the visitor's sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from llm2vec_core.evaluation.bootstrap import Estimate
from llm2vec_core.evaluation.sts import cosine_of_pairs
from llm2vec_core.provision import is_at_hand
from llm2vec_core.token_change import SAME
from llm2vec_core.ui.encoders import EncoderOption
from llm2vec_core.ui.tabs.see import copy
from llm2vec_core.ui.tabs.see.forward_pass import ForwardPass, forward_pass
from llm2vec_core.ui.tabs.see.model import Pair, attentions
from llm2vec_core.ui.user_texts import our_collection

# Numbers are shown to three digits: a smaller difference is none on the screen.
VISIBLE = 0.0005
TOP = 3
# Cosine above which a word's two vectors are called nearly the same.
HARDLY_MOVED = 0.95
# Levels that a question offers; the nearest one is right.
SHARES = (0.1, 0.3, 0.6, 0.9)
COSINES = (0.1, 0.4, 0.7)


@dataclass(frozen=True)
class Question:
    """Asked before the answer is shown.

    Attributes:
        text: the question.
        options: what can be answered.
        answer: index of the right one, computed from the visitor's sentences or from the model's measurements.
    """

    text: str | Markup
    options: tuple[str, ...]
    answer: int


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
class Hits:
    """What a search with Sentence A returns first.

    Attributes:
        encoder: that was used.
        texts: the nearest texts, nearest first.
        cosines: of each.
    """

    encoder: EncoderOption
    texts: tuple[str, ...]
    cosines: tuple[float, ...]


@dataclass(frozen=True)
class Recap:
    """One line of what the visitor has seen.

    Attributes:
        label: what was measured.
        values: under the causal model, then under the encoders that followed, as they are shown.
    """

    label: str | Markup
    values: tuple[tuple[EncoderOption, str], ...]


@dataclass(frozen=True)
class Finding:
    """What a step found.

    Attributes:
        question: asked first; None where the sentences leave nothing to ask.
        sentence: what the numbers say; texts from outside are escaped.
        unit: what the numbers are, for the axis.
        values: the numbers.
        percent: whether they are shares.
        hits: lists of a search, if the step makes one.
        headline: what the numbers say, in few words; "" where the title says it.
        recap: of all steps, after the last one.
    """

    question: Question | None
    sentence: str | Markup
    unit: str = ""
    values: tuple[Value, ...] = ()
    percent: bool = False
    hits: tuple[Hits, ...] = ()
    headline: str = ""
    recap: tuple[Recap, ...] = ()


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        key: in the style sheet, which decides what of the picture is stressed.
        name: in the list of steps.
        title: its headline.
        prose: what it explains.
        find: computes its finding.
        opens: whether the switch is set to bidirectional.
        stage: key of the stage that the picture shows; "" for the chosen one.
    """

    key: str
    name: str
    title: str
    prose: Markup
    find: Callable[[Pair, ForwardPass], Finding]
    opens: bool = True
    stage: str = ""


@dataclass(frozen=True)
class Shown:
    """A step with what it found.

    Attributes:
        number: from 1.
        step: the step.
        picture: both sentences on their way through the model.
        finding: what the step found.
        about: of the encoder in the picture: whether it is trained, and whether it is the chosen one.
    """

    number: int
    step: Step
    picture: ForwardPass
    finding: Finding
    about: str = ""


def show(pair: Pair, number: int) -> Shown:
    """Compute a step.

    Args:
        pair: the visitor's sentences.
        number: from 1.
    """
    step, chosen = STEPS[number - 1], pair.stage
    if step.stage in [option.key for option in _options(pair)]:
        pair = replace(pair, stage=pair.session.choice(step.stage, pair.context))
    picture = forward_pass(pair)
    if step.stage and pair.stage.key != step.stage:
        # Its words are about one stage: of another encoder's numbers they would not be true.
        finding = Finding(None, _without_its_stage(pair, step.stage))
    else:
        finding = step.find(pair, picture)
    return Shown(number, step, picture, finding, _about(pair, chosen))


def _without_its_stage(pair: Pair, key: str) -> str:
    wanted = next((stage.label for stage in pair.context.preset.stages if stage.key == key), None)
    if wanted is None:
        return copy.NO_SUCH_STAGE.format(pair.context.preset.label, pair.stage.label)
    return copy.OTHER_STAGE.format(wanted, pair.stage.label)


def _about(pair: Pair, chosen: EncoderOption) -> str:
    untrained = any(s.key == pair.stage.key and not s.adapters and s.bidirectional for s in pair.context.preset.stages)
    told = "opened, nothing trained" if untrained else "opened and trained"
    return told if pair.stage.key == chosen.key else f"{told}; this step shows it in place of {chosen.label}"


def _options(pair: Pair) -> list[EncoderOption]:
    """Bidirectional encoders that are already at hand, the chosen one among them."""
    if is_at_hand(pair.context.preset):
        return pair.session.choices(pair.context, causal=False)
    return [pair.stage]


def _value(option: EncoderOption, value: float, what: str = "") -> Value:
    return Value(option.label + what, option.direction, float(value))


def _word(picture: ForwardPass, word: int) -> Markup:
    return Markup("<em>{}</em>").format(picture.causal.tokens[word])


def mask(pair: Pair, picture: ForwardPass) -> Finding:
    """Which words can reach the watched word under causal attention; proven by changing the end of the sentence."""
    moved = [float(pair.change_of_longer(o).distances.max(initial=0.0)) for o in (pair.causal, pair.stage)]
    told = Markup(
        "We tested it on Sentence B: with “{}” added to its end, the vectors of its words change by at most <b>{:.3f}</b> of "
        "their length under causal attention, and by up to <b>{:.3f}</b> under {}. This is the prefix test from the top of the "
        "page, on your sentence: <b>{}, {}</b>."
    ).format(
        copy.ADDED_WORD,
        *moved,
        pair.stage.label,
        "causal holds" if moved[0] < SAME else "causal fails",
        "bidirectional holds" if moved[1] >= SAME else "bidirectional fails",
    )
    values = tuple(_value(o, value) for o, value in zip((pair.causal, pair.stage), moved, strict=True))
    question = None
    if picture.word is not None and picture.causal.rest_b:
        tokens = (*picture.causal.tokens, *picture.causal.rest_b)
        before, after = tokens[: picture.word], tokens[picture.word + 1 :]
        question = Question(
            Markup("Sentence B, causal attention: which of the other words can change the vector of {}?").format(
                _word(picture, picture.word)
            ),
            (_listed(before) or "none of them", _listed(after), "all of them"),
            0,
        )
    return Finding(question, told, "largest change of an earlier token, as a share of its length", values)


def _listed(tokens: Sequence[str], most: int = 5) -> str:
    return " ".join(tokens[:most]) + (" …" if len(tokens) > most else "")


def shared_word(pair: Pair, picture: ForwardPass) -> Finding:
    """The watched word's two vectors under causal attention."""
    if picture.word is None:
        return Finding(None, copy.NOTHING_SHARED)
    cosine = float(picture.causal.cosines[picture.word])
    name, question = _word(picture, picture.word), None
    if picture.causal.distances[picture.word] < SAME:
        told = Markup(
            "Everything up to and including {} is the same in both sentences, and the model cannot see any further. So it "
            "computes the same vector twice: cosine <b>{:.3f}</b>."
        ).format(name, cosine)
        question = Question(
            Markup("The cosine of the two vectors of {} is {:.3f}. Why?").format(name, cosine),
            copy.REASONS,
            copy.REASON,
        )
    else:
        told = Markup(
            "The cosine of the two vectors of {} is <b>{:.3f}</b>. Causal attention should give exactly 1: this model is "
            "not causal in every layer."
        ).format(name, cosine)
    return Finding(question, told, "cosine of the word's two vectors", (_value(pair.causal, cosine),))


def attention(pair: Pair, picture: ForwardPass) -> Finding:
    """Open the mask: the share of attention that goes to later words, and what it does to the watched word."""
    shares = [
        float(attentions(pair.context, pair.session, o.key, pair.a).future_share().mean())
        for o in (pair.causal, pair.stage)
    ]
    told = Markup(
        "In Sentence A, on average over all words, layers and heads, <b>{:.1%}</b> of a word's attention goes to later words "
        "under causal attention, and <b>{:.1%}</b> under {}."
    ).format(*shares, pair.stage.label)
    if picture.word is not None:
        cosine = float(picture.other.cosines[picture.word])
        told += Markup(" {} has {}: their cosine is <b>{:.3f}</b>.").format(
            _word(picture, picture.word),
            "two different vectors now" if cosine < 1 - VISIBLE else "two vectors that are still the same",
            cosine,
        )
    question = Question(
        "With the mask open, how much of its attention does a word give to later words?",
        tuple(f"about {level:.0%}" for level in SHARES),
        min(range(len(SHARES)), key=lambda i: abs(SHARES[i] - shares[1])),
    )
    values = (_value(pair.causal, shares[0]), _value(pair.stage, shares[1]))
    return Finding(question, told, "share of attention that goes to later words", values, percent=True)


def pooled(pair: Pair, picture: ForwardPass) -> Finding:
    """How much of the sentence the tokens behind a sentence vector have seen; echo as the way round it."""
    sentence = picture.sentences[0]
    count = sentence.count
    # Token i of n sees i of them: (n + 1) / 2n on average.
    seen = (count + 1) / (2 * count)
    found: list[tuple[EncoderOption, str, float]] = []
    for option, mode, what in (
        (pair.causal, "last_token", ", last token"),
        (pair.causal, "mean", ", mean"),
        (pair.stage, "mean", ", mean"),
    ):
        found.append((option, what, pair.cosine(option, mode)))
    echo = pair.session.handle("echo", pair.context)
    vectors = pair.cached(("see", "echo"), echo.option, lambda: echo.encode([pair.a, pair.b]))
    found.insert(2, (echo.option, "", float(cosine_of_pairs(vectors[:1], vectors[1:])[0])))
    told = Markup(
        "{} Under causal attention the average token has seen <b>{:.0%}</b> of them, itself included; only "
        "the last has seen them all, and the mean weights them equally. One workaround is to feed the sentence in twice (echo "
        "embeddings): in the second copy every token has read all of it, at twice the cost. The cosine of your two sentences is "
        "{:.3f} with the causal mean, {:.3f} with echo, and {:.3f} with {}. Which of these is right, a cosine alone does not say: "
        "the next steps turn to pairs that we labelled."
    ).format(
        f"Sentence A has {sentence.whole} tokens" + (f", of which we read {count}." if sentence.left_out else "."),
        *(seen, found[1][2], found[2][2], found[3][2], pair.stage.label),
    )
    question = Question(
        "Causal attention, and the sentence vector is the mean of all token vectors. How much of the sentence has the average "
        "token seen, itself included?",
        ("all of it", f"{seen:.0%}", f"{1 / count:.0%}") if count > 1 else ("all of it",),
        1 if count > 1 else 0,
    )
    values = tuple(_value(option, value, what) for option, what, value in found)
    return Finding(question, told, "cosine of the two sentence vectors", values)


BETTER, SAME_AS, WORSE = 0, 1, 2


def _verdict(difference: Estimate) -> int:
    return (SAME_AS, BETTER, WORSE)[difference.sign]


def _measured(pair: Pair, upto: str) -> tuple[list[EncoderOption], list[float], Estimate]:
    """Separation of the causal model and of the stages up to one, and that one's lead over the model before it."""
    options = [pair.causal]
    for option in _options(pair):
        options.append(option)
        if option.key == upto or option == pair.stage:
            break
    cosines = [pair.session.pair_cosines_for(option.key, pair.context) for option in options]
    return (
        options,
        [each.area() for each in cosines],
        cosines[-1].above(cosines[-2 if len(cosines) > 1 else 0]),
    )


def dip(pair: Pair, picture: ForwardPass) -> Finding:
    """What opening the mask does to an encoder that was not trained for it."""
    options, scores, difference = _measured(pair, "bidirectional")
    verdict = _verdict(difference)
    told = (
        Markup("On our labelled pairs, separation goes from <b>{:.1%}</b> to <b>{:.1%}</b>: ").format(
            scores[0], scores[-1]
        )
        + (copy.DIP_BETTER, copy.DIP_SAME, copy.DIP_WORSE)[verdict]
    )
    if picture.word is not None and verdict == WORSE:
        told += _hardly_moved(pair, picture, picture.word)
    told += _harder(pair, options) + _hidden_words(pair, options)
    question = Question(
        "The mask is open, and not one weight has changed. Does the model now tell similar from unrelated sentences better?",
        ("better: it sees more", "about as well as before", "worse"),
        verdict,
    )
    return Finding(
        question, told, copy.SEPARATION, _values(options, scores), percent=True, headline=copy.DIP_HEADLINES[verdict]
    )


def _hardly_moved(pair: Pair, picture: ForwardPass, word: int) -> Markup:
    """A word that stands still only until the model is trained; one that a trained model leaves in place says nothing."""
    trained = pair.session.choice(pair.context.preset.default.key, pair.context)
    if not is_at_hand(pair.context.preset) or picture.other.cosines[word] <= HARDLY_MOVED:
        return Markup("")
    after = float(pair.change(trained).cosines[word])
    if after > HARDLY_MOVED:
        return Markup("")
    return Markup(
        " In the picture, {} has nearly the same vector in both sentences (cosine {:.3f}): it sees what follows, and its "
        "vector hardly changes with it. Trained, under {}, the cosine is {:.3f}."
    ).format(_word(picture, word), float(picture.other.cosines[word]), trained.label, after)


def mntp(pair: Pair, picture: ForwardPass) -> Finding:
    """What practice with masked words mends."""
    options, scores, difference = _measured(pair, "mntp")
    verdict = _verdict(difference)
    told = Markup("Separation: <b>{:.1%}</b> after MNTP, {:.1%} before it, {:.1%} for the causal model. ").format(
        scores[-1], scores[-2 if len(scores) > 1 else 0], scores[0]
    )
    told += (copy.MNTP_BETTER, copy.MNTP_SAME, copy.MNTP_WORSE)[verdict]
    told += _harder(pair, options) + _hidden_words(pair, options)
    question = Question(
        "The model now practises guessing hidden words from both sides. It is never shown pairs of similar sentences. Does it "
        "tell similar from unrelated sentences better than before the practice?",
        ("better", "about as well", "worse"),
        verdict,
    )
    return Finding(
        question, told, copy.SEPARATION, _values(options, scores), percent=True, headline=copy.MNTP_HEADLINES[verdict]
    )


def simcse(pair: Pair, picture: ForwardPass) -> Finding:
    """What contrastive training does: unrelated texts move apart."""
    options, scores, _ = _measured(pair, "simcse")
    means = [pair.session.pair_cosines_for(option.key, pair.context).mean("unrelated") for option in options]
    before = means[-2 if len(means) > 1 else 0]
    told = Markup(
        "Our unrelated pairs have a mean cosine of {:.2f} under the causal model, of <b>{:.2f}</b> before this step and of "
        "<b>{:.2f}</b> after it. "
    ).format(means[0], before, means[-1])
    still = means[-1] - before >= -0.05
    told += copy.SIMCSE_STILL if still else copy.SIMCSE_APART
    told += Markup(
        " Your pair has {:.3f} under the causal model and {:.3f} under {}: look at it next to these means. Separation is {:.1%} "
        "after this step, {:.1%} before it."
    ).format(*picture.cosines, options[-1].label, scores[-1], scores[-2 if len(scores) > 1 else 0])
    told += _harder(pair, options)
    question = Question(
        "We took pairs of sentences that have nothing to do with each other. What is their average cosine under the causal model?",
        tuple(f"about {level}" for level in COSINES),
        min(range(len(COSINES)), key=lambda i: abs(COSINES[i] - means[0])),
    )
    unit = "mean cosine of our 80 unrelated pairs"
    return Finding(question, told, unit, _values(options, means), headline=copy.SIMCSE_HEADLINES[still])


def _values(options: Sequence[EncoderOption], numbers: Sequence[float]) -> tuple[Value, ...]:
    return tuple(_value(option, number) for option, number in zip(options, numbers, strict=True))


def _hidden_words(pair: Pair, options: Sequence[EncoderOption]) -> Markup:
    """What became of the guessing of hidden words; "" for a model that would have to be measured first."""
    if not is_at_hand(pair.context.preset):
        return Markup("")
    shares = [pair.session.cloze_for(option.key, pair.context).within(5) for option in options]
    return Markup(" Asked for a hidden word, it has the right one among its first five guesses: {}.").format(
        _listing(options, shares)
    )


def _harder(pair: Pair, options: Sequence[EncoderOption]) -> Markup:
    """The same measure against pairs that share their words and not their meaning."""
    cosines = [pair.session.pair_cosines_for(option.key, pair.context) for option in options]
    shares = [each.area("similar", "misleading") for each in cosines]
    return Markup(
        " Our unrelated pairs are easy. Against our pairs with the same words in another meaning: {}."
    ).format(_listing(options, shares))


def _listing(options: Sequence[EncoderOption], shares: Sequence[float]) -> str:
    """Each encoder with its share."""
    return "; ".join(f"{option.label} {share:.0%}" for option, share in zip(options, shares, strict=True))


def search(pair: Pair, picture: ForwardPass) -> Finding:
    """Sentence A as a query over the bundled collection."""
    options = (pair.causal, pair.stage)
    if not all(pair.context.has_stored_collection(option.key) for option in options):
        return Finding(None, copy.SEARCH_ELSEWHERE, recap=_recap(pair, picture))
    lists = []
    texts = our_collection().texts
    for option in options:
        hits = pair.context.index(option.key, "mean").search(pair.vectors(option)[0], TOP)
        lists.append(Hits(option, tuple(texts[h.index] for h in hits), tuple(h.cosine for h in hits)))
    same = lists[0].texts[0] == lists[1].texts[0]
    scores = [pair.context.query_scores(option.key).estimate("ndcg_at_10").score for option in options]
    told = Markup(
        "{} Read both lists: which encoder has understood your sentence? One query proves little. On our test questions the mean "
        "nDCG@10 (1: every answer comes first) is <b>{:.2f}</b> with {} and <b>{:.2f}</b> with {}."
    ).format(
        "Both find the same text first." if same else "They do not find the same text first.",
        scores[0],
        pair.causal.label,
        scores[1],
        pair.stage.label,
    )
    question = Question(
        f"We search our {len(texts):,} texts with Sentence A. Do both encoders find the same text first?",
        ("yes", "no"),
        0 if same else 1,
    )
    return Finding(
        question,
        told,
        "mean nDCG@10 on our test questions",
        _values(options, scores),
        hits=tuple(lists),
        recap=(
            *_recap(pair, picture),
            Recap(
                "nDCG@10 on our test questions",
                tuple((o, f"{score:.2f}") for o, score in zip(options, scores, strict=True)),
            ),
        ),
    )


def _recap(pair: Pair, picture: ForwardPass) -> tuple[Recap, ...]:
    """The numbers of the steps before, from the visitor's sentences and the labelled pairs."""
    both = (pair.causal, pair.stage)
    found = []
    if picture.word is not None:
        cosines = (picture.causal.cosines[picture.word], picture.other.cosines[picture.word])
        label = Markup("Cosine of the two vectors of {}").format(_word(picture, picture.word))
        found.append(Recap(label, tuple((o, f"{cosine:.3f}") for o, cosine in zip(both, cosines, strict=True))))
    shares = zip(both, attention(pair, picture).values, strict=True)
    found.append(Recap("Attention to later words", tuple((o, f"{share.value:.0%}") for o, share in shares)))
    sentences = zip(both, picture.cosines, strict=True)
    found.append(Recap("Cosine of your two sentences", tuple((o, f"{cosine:.3f}") for o, cosine in sentences)))
    options, scores, _ = _measured(pair, pair.stage.key)
    found.append(
        Recap("Separation of our labelled pairs", tuple((o, f"{s:.1%}") for o, s in zip(options, scores, strict=True)))
    )
    return tuple(found)


STEPS: Sequence[Step] = tuple(
    Step(find.__name__.replace("_", "-"), name, title, prose, find, opens, stage)
    for (name, title, prose), find, opens, stage in zip(
        copy.STEPS,
        (mask, shared_word, attention, pooled, dip, mntp, simcse, search),
        (False, False, True, False, True, True, True, True),
        ("", "", "", "", "bidirectional", "mntp", "simcse", ""),
        strict=True,
    )
)
