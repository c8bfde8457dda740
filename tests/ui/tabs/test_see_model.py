"""What the See it tab computes and shows, without a page."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from llm2vec_core.batching import first_tokens
from llm2vec_core.bundled_data import pair_presets, passages
from llm2vec_core.comparison import compare_prefix
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.bootstrap import Estimate
from llm2vec_core.logit_lens import pooled_lens, token_lens
from llm2vec_core.presets import BUNDLED, SMOLLM2
from llm2vec_core.separation import PairCosines
from llm2vec_core.token_change import TokenChange, token_change
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import EncoderOption
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs import TABS
from llm2vec_core.ui.tabs.see import charts, copy, lens, model, panels, spine, view
from llm2vec_core.ui.tabs.see.code import see_snippet
from llm2vec_core.ui.tabs.see.forward_pass import MOST_TOKENS, ForwardPass, Sentence, forward_pass
from llm2vec_core.word_pieces import is_piece
from tests.ui.test_paint import EVIL, Tags

A, B = "The bank was steep and muddy.", "The bank was robbed at noon."
BOTH = EncoderOption("b", "Both ways", "bidirectional", "")
STEPS = range(1, len(spine.STEPS) + 1)


@pytest.fixture(scope="module")
def pair(context) -> model.Pair:
    return model.checked_pair(context, Session(), A, B, context.preset.default.key)


@pytest.fixture(scope="module")
def shown(pair) -> dict[str, spine.Shown]:
    """Every step, by its key."""
    steps = [spine.show(pair, number) for number in STEPS]
    return {each.step.key: each for each in steps}


def change(*cosines: float, token: str = "word", rest: tuple[str, ...] = ("so",)) -> TokenChange:
    values = np.array([1.0, *cosines])
    tokens = ("<s>", *(f"{token}{i}" for i in range(len(cosines))))
    layers = np.stack([np.ones_like(values), (1 + values) / 2, values])
    return TokenChange(tokens, layers, np.sqrt(2 - 2 * values), rest, rest, " ".join(rest), " ".join(rest))


def picture(causal: TokenChange, other: TokenChange, stage: EncoderOption = BOTH) -> ForwardPass:
    tokens = (*causal.tokens, *causal.rest_a)
    sentences = tuple(Sentence(name, tokens[:MOST_TOKENS], len(tokens), len(causal.tokens)) for name in "AB")
    return ForwardPass(sentences, stage, causal, other, (1, 2), (0.9, 0.3), 576, 9)


def numbers(finding: spine.Finding) -> list[float]:
    return [value.value for value in finding.values]


def test_fields_are_checked(context):
    stage = context.preset.default.key
    for a, b, told in (("", B, "Sentence A is empty"), (A, " \n", "Sentence B is empty"), (A, "x" * 20_001, "20,001")):
        with pytest.raises(InputError, match=told):
            model.checked_pair(context, Session(), a, b, stage)
    with pytest.raises(InputError, match="not an encoder"):
        model.checked_pair(context, Session(), A, B, "none")
    with pytest.raises(InputError, match="The beginning is empty"):
        model.endings(context, Session(), " ", "a", "b", stage)
    with pytest.raises(InputError, match="other ending has 2,001"):
        model.endings(context, Session(), "The", "a", "b" * 2001, stage)
    for step in (0, 9, None, "1", True, 1.0):
        with pytest.raises(InputError, match="no step"):
            view.step_of(context, Session(), A, B, stage, step)
    for vector in ("c:1", "a:-1", "a:", "a:one", None, "a:pooled:1"):
        with pytest.raises(InputError, match="no vector"):
            lens.read_lens(model.checked_pair(context, Session(), A, B, stage), vector)


def test_a_head_of_a_larger_model_becomes_the_last_one():
    assert model.checked_head(2, 3, (4, 4)) == (2, 3)
    assert model.checked_head(32, 9, (4, 4)) == (4, 4)
    for wrong in (0, -1, None, "1", 1.5, True):
        with pytest.raises(InputError):
            model.checked_head(wrong, 1, (4, 4))
        with pytest.raises(InputError):
            model.checked_head(1, wrong, (4, 4))


LONG = "The bank of the river was steep and muddy after days of heavy rain in the hills, " * 9


def test_however_long_the_sentences_are_no_answer_reads_more_and_no_step_reads_them_again(context, monkeypatch):
    stage, session = context.preset.default.key, Session()
    a, b = LONG * 10 + "steep.", LONG * 10 + "robbed."
    read = []
    states, pooled = LLM2Vec.all_token_states, LLM2Vec.encode_poolings

    def all_token_states(self, texts, max_length=None):
        found = states(self, texts, max_length)
        read.extend(len(each.tokens) for each in found)
        return found

    monkeypatch.setattr(LLM2Vec, "all_token_states", all_token_states)
    monkeypatch.setattr(
        LLM2Vec, "encode_poolings", lambda self, texts: read.extend(len(r.input_ids) for r in self.tokenize(texts)) or pooled(self, texts)
    )  # fmt: skip
    html = view.lesson(context, session, a, b, stage, 1)["spine"]
    assert 0 < max(read) <= model.READ_TOKENS + 2  # and a word added at the end
    count = len(first_tokens(context.encoder("causal").tokenizer, a, model.READ_TOKENS)[0].split())
    assert count > 25
    assert re.search(r"we read the first \d\d of its [\d,]{4,} tokens, and draw 16", html)
    view.workshop(context, session, a, b, stage, "mean", "b:pooled")
    read.clear()
    for number in range(2, 9):
        shown = view.step_of(context, session, a, b, stage, number)["spine"]
        assert number != 4 or re.search(r"has \d{4} tokens, of which we read \d\d\.", shown)
        # The stage that a step shows in place of the chosen one is read for the first time.
        assert number in (5, 6) or not read
        read.clear()
    bars = view.endings(context, session, a[:1990], "steep.", b[:1990], stage, "cosine")["bars"]
    assert max(read) <= 2 * model.ENDING_TOKENS + 2
    assert "we read the first 32 tokens of each field" in bars


def test_a_layer_opens_at_the_head_that_looks_ahead_most(context):
    stage = context.preset.default.key
    found = view.open_layer(context, Session(), A, B, stage, {"sentence": "b", "layer": 3})
    head = int(context.encoder(stage).attentions(B).future_share()[2].argmax()) + 1
    assert (found["which"], found["layer"]["value"], found["head"]["value"]) == ("b", 3, head)
    assert f"layer 3, head {head}" in found["picture"]
    for wrong in ({}, {"layer": "3"}, {"layer": 0}):
        with pytest.raises(InputError, match="no layer"):
            view.open_layer(context, Session(), A, B, stage, wrong)


def test_endings_move_a_beginning_in_one_direction_only(context):
    stage = context.preset.default.key
    found = model.endings(context, Session(), "The bank was", "steep and muddy.", "robbed", stage)
    assert found.causal.tokens[1:] == ("The", "bank", "was")
    assert f"{found.causal.distances.max():.3f}" == "0.000"
    assert found.other.distances.min() > 0.05
    same = model.endings(context, Session(), "The bank was", "closed", "closed ", stage)
    assert same.other.distances.max() == 0
    assert "Both endings are the same" in panels.endings(same, "cosine", 32)
    alone = model.endings(context, Session(), "The bank was", None, "closed", stage)
    assert alone.causal.ending_a == ""
    assert "(nothing more)" in panels.endings(alone, "distance", 32)


def test_bars_show_the_numbers_of_the_chosen_measure():
    found = model.Endings(BOTH, change(1.0, 1.0), change(0.9, 0.25))
    for measure, expected in (("cosine", [0, 0.1, 0.75]), ("distance", [0, 0.2**0.5, 1.5**0.5])):
        html = panels.endings(found, measure, 32)
        drawn = [float(v) for v in re.findall(r'data-bidi="([\d.]+)"', html)]
        np.testing.assert_allclose(drawn, expected, atol=1e-8)
        assert set(re.findall(r'data-causal="([\d.]+)"', html)) == {"0.000000000"}
    assert "2 of 3 tokens move" in html
    assert "no token of the beginning moves (largest distance exactly 0)" in html
    broken = panels.endings(model.Endings(BOTH, change(0.5), change(1.0)), "cosine", 32)
    assert "though they should not" in broken
    assert "none moves either" in broken
    assert "1 more shared tokens" in panels.endings(found, "cosine", 2)
    nothing = replace(change(), tokens=(), by_layer=np.ones((3, 0)), distances=np.ones(0))
    assert "no vector to follow" in panels.endings(model.Endings(BOTH, nothing, nothing), "cosine", 32)


def test_attention_of_all_heads(context):
    stage = context.preset.default.key
    found = model.heads(context, Session(), A, stage)
    layers, count = context.layers_and_heads()
    assert found.other.shape[:2] == (layers, count)
    assert np.triu(found.causal, 1).max() == 0
    oracle = context.encoder(stage).attentions(A)
    np.testing.assert_allclose(found.future, oracle.future_share(), atol=1e-6)
    html = panels.heads(found)
    drawn = [float(v) for v in re.findall(r'data-share="([\d.]+)"', html)]
    np.testing.assert_allclose(drawn, found.future.ravel(), atol=6e-5)
    assert "all of them have 0%" in html


def test_a_model_of_32_layers_and_heads_fits_the_page():
    generator = np.random.default_rng(0)
    weights = generator.dirichlet(np.full(30, 0.2), size=(32, 32, 30))
    heads = model.Heads(tuple("abcdefghijklmnopqrstuvwxyz0123"), np.tril(weights), weights, BOTH)
    html = panels.heads(heads)
    Tags(html)
    assert html.count("data-head=") == 1024
    assert len(html) < 1_600_000
    most = np.unravel_index(int(heads.future.argmax()), (32, 32))
    assert f"Layer {most[0] + 1}, head {most[1] + 1} looks ahead most" in html


def test_a_coarse_thumbnail_keeps_the_rows_sums():
    html = charts.thumbnail(np.full((16, 16), 1 / 16), 84, 8)
    # Means of two rows of sums of two columns: 1/8 everywhere, the second strength.
    assert html.count("M") == 64
    assert re.findall(r'opacity="([\d.]+)"', html) == ["0.55", "0.55"]


def test_attention_tells_what_the_mask_hides():
    causal, weights = np.array([[1.0, 0.0], [0.25, 0.75]]), np.array([[0.5, 0.5], [0.25, 0.75]])
    stage = replace(BOTH, label="LLM2Vec")

    def painted(one: np.ndarray, other: np.ndarray) -> str:
        padded = [np.broadcast_to(w, (2, 3, 2, 2)) for w in (one, other)]
        return panels.attention(model.Heads(("a", "b"), *padded, stage), 2, 3)

    html = painted(causal, weights)
    assert 'data-causal="0.0000" data-bidirectional="0.2500"' in html
    assert "layer 2, head 3" in html
    assert "a takes 50% from b" in html
    assert "from <em>a</em> to <em>b</em>, 50%" in html
    wrong = painted(weights, causal)
    assert "this model is not causal here" in wrong
    assert "strongest forward look" not in wrong


def test_the_picture_holds_the_vectors_of_every_layer(pair, context):
    found = forward_pass(pair)
    stage = context.encoder(pair.stage.key)
    states = [stage.token_states(text).hidden_states for text in (A, B)]
    for row, layer in enumerate(found.layers):
        for token in range(found.sentences[0].shared):
            x, y = (s[layer, token].astype(float) for s in states)
            expected = 1 - x @ y / (np.linalg.norm(x) * np.linalg.norm(y))
            assert found.changes(found.other)[row, token] == pytest.approx(max(0, expected), abs=1e-6)
    assert found.changes(found.causal).max() < 1e-6
    vectors = [
        context.encoder(o.key).encode([A, B], pooling_mode="mean", normalize=True) for o in (pair.causal, pair.stage)
    ]
    assert found.cosines == pytest.approx([float(v[0] @ v[1]) for v in vectors], abs=1e-6)
    assert found.width == vectors[0].shape[1]


def test_every_pair_of_words_has_its_arc_and_every_changed_cell_its_colour():
    found = picture(change(1.0, 1.0, rest=("so", "on")), change(0.9, 0.25, rest=("so", "on")))
    html = charts.forward_pass(found, found.sentences[0])
    arcs = [re.findall(rf'<path [^>]*class="{css}[ "]', html) for css in ("l2v-see-past", "l2v-see-future")]
    assert [len(each) for each in arcs] == [10, 10]  # 5 tokens
    assert html.count("l2v-see-cell-causal") == 0
    # Layer 1 has half of the last one's change; the begin token has none.
    assert [float(v) for v in re.findall(r'data-change="([\d.]+)"', html)] == pytest.approx([0.05, 0.1, 0.375, 0.75])
    assert html.count('role="button"') == 8  # five tokens, two layers, the vector
    # What is watched has stressed arcs: from 2 earlier and 2 later tokens.
    assert len(re.findall(r"<path [^>]*l2v-see-past l2v-see-stressed", html)) == 2
    assert len(re.findall(r"<path [^>]*l2v-see-future l2v-see-stressed", html)) == 2
    broken = picture(change(0.6), change(1.0))
    assert charts.forward_pass(broken, broken.sentences[0]).count("l2v-see-cell-causal") == 2
    long = picture(change(*[1.0] * 20), change(*[1.0] * 20))
    assert "first 16 of 22 tokens drawn" in panels.spine(_step(long), "")


def _step(found: ForwardPass, **finding) -> spine.Shown:
    return spine.Shown(1, spine.STEPS[0], found, spine.Finding(None, "so", **finding))


def test_both_states_of_the_switch_are_in_the_page():
    html = panels.spine(_step(picture(change(1.0, 1.0), change(0.9, 0.25))), "q")
    assert 'data-causal="1.000000" data-bidi="0.250000"' in html
    for state, shown in (("causal", "1.000"), ("bidi", "0.250"), ("causal", "0.900"), ("bidi", "0.300")):
        assert f'<span class="l2v-see-when-{state}" data-value="{shown}">{shown}</span>' in html
    assert "do not begin alike" in panels.spine(_step(picture(change(), change())), "q")


PAINTED = {
    "spine": lambda t: panels.spine(
        spine.Shown(
            8,
            spine.STEPS[7],
            picture(change(1.0, token=t, rest=(t,)), change(0.5, token=t, rest=(t,)), replace(BOTH, label=t)),
            spine.Finding(
                spine.Question(t, (t, t), 1),
                t,
                t,
                (spine.Value(t, "causal", -0.2),),
                hits=(spine.Hits(BOTH, (t,), (1.0,)),),
            ),
        ),
        t,
    ),
    "numbers": lambda t: panels.spine(
        _step(
            picture(change(1.0, token=t), change(0.5, token=t)),
            unit=t,
            values=(spine.Value(t, "causal", -0.2), spine.Value(t, "", 1.4)),
        ),
        t,
    ),
    "endings": lambda t: panels.endings(
        model.Endings(replace(BOTH, label=t), change(1.0, token=t, rest=(t,)), change(0.5, token=t)), "cosine", 9
    ),
    "pair": lambda t: panels.attention(
        model.Heads((t,) * 3, np.eye(3)[None, None], np.full((1, 1, 3, 3), 1 / 3), replace(BOTH, label=t)), 1, 1
    ),
    "grid": lambda t: panels.heads(
        model.Heads((t,) * 3, np.ones((2, 2, 3, 3)), np.ones((2, 2, 3, 3)) / 3, replace(BOTH, label=t))
    ),
    "lens": lambda t: panels.lens(
        lens.Lens(
            "a",
            {"a": (t, t), "b": (t,)},
            0,
            replace(BOTH, label=t),
            (lens.LensRow(t, (lens.Prediction(t, 0.5),), (lens.Prediction(t, 0.2),)),),
        )
    ),
}


@pytest.mark.parametrize("name", PAINTED)
def test_everything_is_escaped_and_nests(name):
    tags = Tags(PAINTED[name](EVIL))
    assert "img" not in tags.names
    assert not {a for a in tags.attributes if a.startswith("on")}


def test_texts_of_visitors_are_escaped_in_every_step(context):
    stage = context.preset.default.key
    pair = model.checked_pair(context, Session(), f"The {EVIL} end", f"The {EVIL} start", stage)
    for number in STEPS:
        assert "img" not in Tags(panels.spine(spine.show(pair, number), pair.a)).names
    # What was answered about these sentences is not taken for an answer about others.
    names = [re.search(r'data-pair="(\w+)"', panels.spine(spine.show(pair, 1), *texts))[1] for texts in
             ((pair.a, pair.b), (pair.a, pair.b), (pair.b, pair.a), (pair.a, pair.b + "!"))]  # fmt: skip
    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_the_steps_numbers_are_the_models(pair, shown, context):
    causal, stage = context.encoder(pair.causal.key), context.encoder(pair.stage.key)
    bank = 2
    moved = [token_change(e, B, B + " indeed").distances.max() for e in (causal, stage)]
    assert numbers(shown["mask"].finding) == pytest.approx(moved)
    assert "causal holds, bidirectional holds" in shown["mask"].finding.sentence
    assert numbers(shown["shared-word"].finding) == pytest.approx([compare_prefix(causal, A, B).cosines[bank]])
    assert "<b>1.000</b>" in shown["shared-word"].finding.sentence
    shares = [encoder.attentions(A).future_share().mean() for encoder in (causal, stage)]
    np.testing.assert_allclose(numbers(shown["attention"].finding), shares, atol=1e-6)
    assert f"<b>{compare_prefix(stage, A, B).cosines[bank]:.3f}</b>" in shown["attention"].finding.sentence

    count = len(causal.token_states(A).tokens)
    assert f"<b>{np.tril(np.ones((count, count))).mean():.0%}</b>" in shown["pooled"].finding.sentence
    pooled = [
        float(np.prod(causal.encode([A, B], pooling_mode=mode, normalize=True), axis=0).sum())
        for mode in ("last_token", "mean")
    ]
    assert numbers(shown["pooled"].finding)[:2] == pytest.approx(pooled, abs=1e-6)
    assert len(numbers(shown["pooled"].finding)) == 4

    keys = ["causal", "bidirectional", "mntp", "simcse"]
    cosines = [context.pair_cosines(key) for key in keys]
    scores = [each.separation().score for each in cosines]
    assert numbers(shown["dip"].finding) == pytest.approx(scores[:2])
    assert numbers(shown["mntp"].finding) == pytest.approx(scores[:3])
    assert numbers(shown["simcse"].finding) == pytest.approx([each.mean("unrelated") for each in cosines])
    # The picture of a step about a stage shows that stage.
    assert [shown[key].picture.stage.key for key in ("mask", "dip", "mntp", "simcse")] == [
        pair.stage.key, "bidirectional", "mntp", "simcse",
    ]  # fmt: skip

    texts = [p.text for p in passages()]
    for hits in shown["search"].finding.hits:
        encoder = context.encoder(hits.encoder.key)
        vectors, query = (encoder.encode(t, pooling_mode="mean", normalize=True) for t in (texts, [A]))
        best = np.argsort(-(vectors @ query[0]), kind="stable")[: spine.TOP]
        assert hits.texts == tuple(texts[i] for i in best)
        assert hits.cosines == pytest.approx((vectors @ query[0])[best], abs=2e-3)


def test_right_answers_are_what_was_computed(shown):
    """An oracle of its own for each question, from the numbers that the step shows."""
    right = {key: each.finding.question.options[each.finding.question.answer] for key, each in shown.items()}
    assert right["mask"] == "<s> The"
    assert right["shared-word"] == "all that the model can see up to this word is the same in both"
    share = numbers(shown["attention"].finding)[1]
    levels = [float(option.strip("about %")) / 100 for option in shown["attention"].finding.question.options]
    assert float(right["attention"].strip("about %")) / 100 == min(levels, key=lambda level: abs(level - share))
    causal = numbers(shown["simcse"].finding)[0]
    assert abs(float(right["simcse"].removeprefix("about ")) - causal) <= 0.15 + 0.15
    assert (
        right["pooled"].rstrip("%")
        == f"{(shown['pooled'].picture.sentences[0].count + 1) / 2 / shown['pooled'].picture.sentences[0].count:.0%}".rstrip(
            "%"
        )
    )
    causal, opened = numbers(shown["dip"].finding)
    assert right["dip"].startswith("better") == (opened > causal)
    hits = shown["search"].finding.hits
    assert right["search"] == ("yes" if hits[0].texts[0] == hits[1].texts[0] else "no")


def test_the_larger_model_shows_the_dip():
    """From what is stored: opening the mask spoils it, MNTP mends it, and the questions say so."""
    context, session = AppContext(SMOLLM2), Session(SMOLLM2.key)
    options = {option.key: option for option in session.choices(context)}

    def verdict(upto: str, before: str) -> int:
        cosines = [context.pair_cosines(key) for key in (upto, before)]
        return spine._verdict(cosines[0].above(cosines[1]))

    assert list(options)[:4] == ["causal", "bidirectional", "mntp", "simcse"]
    assert verdict("bidirectional", "causal") == spine.WORSE
    assert verdict("mntp", "bidirectional") == spine.BETTER


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.1, 0.2, spine.BETTER), (-0.2, -0.1, spine.WORSE), (-0.1, 0.1, spine.SAME_AS)]
)
def test_a_difference_within_its_interval_is_none(low, high, verdict):
    assert spine._verdict(Estimate((low + high) / 2, low, high)) == verdict


def test_a_step_says_what_came_out_whichever_way(pair, monkeypatch):
    still = replace(pair, stage=pair.causal)
    assert "bidirectional fails" in spine.mask(still, forward_pass(still)).sentence
    assert "still the same" in spine.attention(still, forward_pass(still)).sentence
    turned = replace(pair, causal=pair.stage)
    assert "not causal in every layer" in spine.shared_word(turned, forward_pass(turned)).sentence
    assert "causal fails" in spine.mask(turned, forward_pass(turned)).sentence
    low, high = (
        PairCosines({"similar": np.linspace(least, 1, 80), "unrelated": other, "misleading": other})
        for least, other in ((0, np.linspace(0, 1, 80)), (0.5, np.linspace(0, 0.4, 80)))
    )
    for find, upto in ((spine.dip, "bidirectional"), (spine.mntp, "mntp")):
        stage = replace(pair, stage=pair.session.choice(upto, pair.context))
        for before, after, options in ((low, high, 0), (high, high, 1), (high, low, 2)):
            found = dict.fromkeys(("causal", "bidirectional", "mntp"), before) | {upto: after}
            monkeypatch.setattr(Session, "pair_cosines_for", lambda self, key, context, found=found: found[key])
            finding = find(stage, forward_pass(stage))
            assert finding.question.answer == options
            said = {
                spine.dip: (copy.DIP_BETTER, copy.DIP_SAME, copy.DIP_WORSE),
                spine.mntp: (copy.MNTP_BETTER, copy.MNTP_SAME, copy.MNTP_WORSE),
            }
            assert said[find][options] in finding.sentence
            headlines = {spine.dip: copy.DIP_HEADLINES, spine.mntp: copy.MNTP_HEADLINES}
            assert finding.headline == headlines[find][options]
    for unrelated, said in ((0.05, copy.SIMCSE_APART), (0.2, copy.SIMCSE_STILL)):
        found = {key: PairCosines({"similar": np.ones(8), "unrelated": np.full(8, value), "misleading": np.ones(8)}) for key, value in
                 (("causal", 0.2), ("bidirectional", 0.2), ("mntp", 0.2), ("simcse", unrelated))}  # fmt: skip
        monkeypatch.setattr(Session, "pair_cosines_for", lambda self, key, context, found=found: found[key])
        stage = replace(pair, stage=pair.session.choice("simcse", pair.context))
        told = spine.simcse(stage, forward_pass(stage)).sentence
        assert said in told
        assert "Separation is 100.0% after this step, 100.0% before it." in told
        assert "+ MNTP 50%" in told  # against the other kind all are level


def test_sentences_without_a_shared_word(context):
    stage = context.preset.default.key
    pair = model.checked_pair(context, Session(), "Rivers run.", "The bank was robbed.", stage)
    found = [spine.show(pair, number) for number in STEPS]
    assert [bool(each.finding.question) for each in found] == [False, False, *[True] * 6]
    assert found[1].finding.sentence == copy.NOTHING_SHARED
    assert "do not begin alike" in panels.spine(found[0], pair.a)
    assert lens.read_lens(pair, "b:word").token == "<s>"


def test_a_step_whose_stage_is_not_shown_measures_nothing_in_its_name(pair, monkeypatch):
    """Without the adapter, or with another encoder in the picture, "after MNTP" would be said of the wrong numbers."""
    plain = replace(BUNDLED, stages=BUNDLED.stages[:2], default_stage="bidirectional")
    opened = model.checked_pair(AppContext(plain), Session(), A, B, "bidirectional")
    found = [spine.show(opened, number).finding for number in STEPS]
    assert [bool(each.values) for each in found] == [True] * 5 + [False, False, True]
    assert found[5].sentence.startswith(f"{plain.label} comes without an adapter")
    monkeypatch.setattr(spine, "is_at_hand", lambda preset: False)
    dip, _, simcse = (spine.show(pair, number).finding for number in (5, 6, 7))
    assert dip.sentence.startswith(f"This step is about {BUNDLED.stage('bidirectional').label}, and the picture shows")
    assert (bool(dip.values), bool(simcse.values)) == (False, True)


@pytest.mark.parametrize(("opened", "trained", "is_said"), [(0.99, 0.5, True), (0.99, 0.98, False), (0.9, 0.5, False)])
def test_a_word_that_stays_in_place_when_trained_is_no_sign_of_damage(pair, monkeypatch, opened, trained, is_said):
    monkeypatch.setattr(model.Pair, "change", lambda self, option: change(trained))
    told = spine._hardly_moved(pair, picture(change(1.0), change(opened)), 1)
    assert bool(told) == is_said
    assert not is_said or ("cosine 0.990" in told and "the cosine is 0.500" in told)


def test_the_lens_reads_what_the_core_reads(pair, context):
    encoders = [context.encoder(o.key) for o in (pair.causal, pair.stage)]
    found = lens.read_lens(pair, "b:word")
    assert found.token == "bank"
    layers = lens.shown_layers(context.layers_and_heads()[0])
    for encoder, words in zip(encoders, ([r.causal for r in found.rows], [r.other for r in found.rows]), strict=True):
        expected = token_lens(encoder, B, 2, layers=layers, top=lens.TOP)
        assert [[w.token for w in row] for row in words] == [[w.token for w in row] for row in expected.words]
    pooled = lens.read_lens(pair, "a:pooled")
    assert pooled.is_pooled
    assert [w.token for w in pooled.rows[0].other] == [
        w.token for w in pooled_lens(encoders[1], A, pooling_mode="mean")
    ]
    # The sentence may have become shorter since a word of it was pressed.
    assert lens.read_lens(pair, "a:99").position == len(found.tokens["a"]) - 1


def test_later_words_are_counted_where_the_lens_finds_them():
    def words(*found: str) -> tuple[lens.Prediction, ...]:
        return tuple(lens.Prediction(token, 0.1) for token in found)

    row = lens.LensRow("4", words(" the", " er"), words(" robbed", " Noon", " bank"))
    found = lens.Lens("b", {"a": (), "b": ("The", "bank", "was", "robbed", "at", "noon", ".")}, 1, BOTH, (row,))
    assert found.later_words == ("robbed", "noon")
    assert found.seen == (0, 2)


def test_a_model_of_two_stages_that_is_not_bundled(tmp_path):
    folder = tmp_path / "model"
    folder.symlink_to(BUNDLED.base)
    context = AppContext(replace(BUNDLED, key="other", base=str(folder), stages=BUNDLED.stages[:2]))
    pair = model.checked_pair(context, Session(), A, B, "bidirectional")
    assert [c.key for c in model.shown_choices(pair)] == ["causal", "bidirectional"]
    for number in STEPS:
        html = view.step_of(context, Session(), A, B, "bidirectional", number)["spine"]
        assert f'data-step="{number}"' in html
    assert copy.SEARCH_ELSEWHERE in html


@pytest.mark.process
@pytest.mark.parametrize(("a", "b"), [(A, B), ("He said \"no\" \\ 'yes' {x} שלום 😀", "He said \"no\" \\ 'maybe'\n\t")])
def test_the_snippet_finds_the_numbers_of_the_page(context, a, b):
    pair = model.checked_pair(context, Session(), a, b, "mntp")
    run = subprocess.run([sys.executable, "-c", see_snippet(pair)], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    printed = re.findall(r"causal (-?[\d.]+)   bidirectional (-?[\d.]+)", run.stdout)
    expected = [pair.change(option).cosines for option in (pair.causal, pair.stage)]
    np.testing.assert_allclose(np.array(printed, float).T, expected, atol=2e-6)


def test_the_ways_on_lead_to_tabs():
    names = {tab.id: tab.label for tab in TABS}
    assert {key: label for key, label, _ in copy.ONWARD}.items() <= names.items()
    assert len(copy.ONWARD) == 5


def test_every_example_has_a_word_to_follow_and_no_piece_passes_for_one(context):
    for preset in pair_presets():
        pair = model.checked_pair(context, Session(), preset.a, preset.b, context.preset.default.key)
        change = pair.change(pair.causal)
        word = model.watched(change.tokens)
        assert word is not None, preset.name
        words = {w.strip(".,:()%=").lower() for w in f"{preset.a} {preset.b}".split()}
        pieces = [t for t in (*change.tokens[1:], *change.rest_a, *change.rest_b) if t[:1].isalpha() and t.isalpha()]
        assert {t.lower() for t in pieces} - words <= {"add", "a", "b", "sorted", "sum", "key", "len"}, preset.name


def test_pieces_are_marked_in_every_picture_of_the_tab(context):
    session, stage = Session(), context.preset.default.key
    found = model.endings(context, session, "Zoltan was", "robbed", "late", stage)
    assert is_piece(found.causal.tokens[1])
    assert is_piece(model.heads(context, session, "Zoltan was robbed.", stage).tokens[1])
