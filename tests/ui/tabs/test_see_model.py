"""What the See it tab computes and paints, without a page."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from llm2vec_core.comparison import Yardstick, compare_prefix
from llm2vec_core.errors import InputError
from llm2vec_core.presets import BUNDLED
from llm2vec_core.token_change import TokenChange, token_change
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import EncoderOption
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.see import lesson, model, paint, paint_attention, paint_endings, parts
from llm2vec_core.ui.tabs.see.code import see_snippet
from llm2vec_core.ui.tabs.see.paint_lesson import lesson_card
from tests.ui.test_paint import EVIL, Tags

A, B = "The bank was steep and muddy.", "The bank was robbed at noon."
BOTH = EncoderOption("b", "Both ways", "bidirectional", "")


@pytest.fixture(scope="module")
def pair(context) -> model.Pair:
    return model.checked_pair(context, Session(), A, B, context.preset.default.key)


def change(*cosines: float, token: str = "word", rest: tuple[str, ...] = ("so",)) -> TokenChange:
    values = np.array([1.0, *cosines])
    tokens = ("<s>", *(f"{token}{i}" for i in range(len(cosines))))
    return TokenChange(tokens, values, np.sqrt(2 - 2 * values), rest, rest, " ".join(rest), " ".join(rest))


def likeness(cosine: float, direction: str, low: float = 0.0) -> model.Likeness:
    choice = EncoderOption(direction, direction.title(), direction, "")
    return model.Likeness(choice, cosine, Yardstick(np.linspace(0.5, 1, 50), np.linspace(low, low + 0.5, 50)))


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
    for step in (0, 8, None, "1", True, 1.0):
        with pytest.raises(InputError, match="no step"):
            parts.lesson(context, Session(), A, B, stage, step)


def test_a_head_of_a_larger_model_becomes_the_last_one():
    assert model.checked_head(2, 3, (4, 4)) == (2, 3)
    assert model.checked_head(32, 9, (4, 4)) == (4, 4)
    for wrong in (0, -1, None, "1", 1.5, True):
        with pytest.raises(InputError):
            model.checked_head(wrong, 1, (4, 4))
        with pytest.raises(InputError):
            model.checked_head(1, wrong, (4, 4))


def test_endings_move_a_beginning_in_one_direction_only(context):
    stage = context.preset.default.key
    found = model.endings(context, Session(), "The bank was", "steep and muddy.", "robbed", stage)
    assert found.causal.tokens[1:] == ("The", "bank", "was")
    assert f"{found.causal.distances.max():.3f}" == "0.000"
    assert found.other.distances.min() > 0.05
    same = model.endings(context, Session(), "The bank was", "closed", "closed ", stage)
    assert same.other.distances.max() == 0
    html = paint_endings.endings_card(same, "cosine", 32)
    assert "Both endings are the same" in html
    alone = model.endings(context, Session(), "The bank was", None, "closed", stage)
    assert alone.causal.ending_a == ""
    assert "(nothing more)" in paint_endings.endings_card(alone, "distance", 32)


def test_bars_show_the_numbers_of_the_chosen_measure():
    found = model.Endings(BOTH, change(1.0, 1.0), change(0.9, 0.25))
    for measure, expected in (("cosine", [0, 0.1, 0.75]), ("distance", [0, 0.2**0.5, 1.5**0.5])):
        html = paint_endings.endings_card(found, measure, 32)
        shown = [float(v) for v in re.findall(r'data-bidi="([\d.]+)"', html)]
        np.testing.assert_allclose(shown, expected, atol=1e-8)
        assert set(re.findall(r'data-causal="([\d.]+)"', html)) == {"0.000000000"}
    assert "2 of 3 tokens move" in html
    assert "no token of the beginning moves (largest distance exactly 0)" in html
    broken = paint_endings.endings_card(model.Endings(BOTH, change(0.5), change(1.0)), "cosine", 32)
    assert "though they should not" in broken
    assert "none moves either" in broken
    assert "1 more shared tokens" in paint_endings.endings_card(found, "cosine", 2)


def test_attention_of_all_heads(context):
    stage = context.preset.default.key
    found = model.heads(context, Session(), A, stage)
    layers, count = context.layers_and_heads()
    assert found.other.shape[:2] == (layers, count)
    assert np.triu(found.causal, 1).max() == 0
    oracle = context.encoder(stage).attentions(A)
    np.testing.assert_allclose(found.future, oracle.future_share(), atol=1e-6)
    html = paint_attention.grid_card(found)
    shown = [float(v) for v in re.findall(r'data-share="([\d.]+)"', html)]
    np.testing.assert_allclose(shown, found.future.ravel(), atol=6e-5)
    assert "every one of them has 0%" in html


def test_a_model_of_32_layers_and_heads_fits_the_page():
    generator = np.random.default_rng(0)
    weights = generator.dirichlet(np.full(30, 0.2), size=(32, 32, 30))
    heads = model.Heads(tuple("abcdefghijklmnopqrstuvwxyz0123"), np.tril(weights), weights, BOTH)
    html = paint_attention.grid_card(heads)
    Tags(html)
    assert html.count("data-head=") == 1024
    assert len(html) < 1_500_000
    most = np.unravel_index(int(heads.future.argmax()), (32, 32))
    assert f"Layer {most[0] + 1}, head {most[1] + 1} looks ahead most" in html


def test_a_coarse_thumbnail_keeps_the_rows_sums():
    weights = np.full((16, 16), 1 / 16)
    html = paint_attention._thumbnail(weights, 84, 8)
    # Means of two rows of sums of two columns: 1/8 everywhere, the second strength.
    assert html.count("M") == 64
    assert re.findall(r'opacity="([\d.]+)"', html) == ["0.55", "0.55"]


def test_attention_tells_what_the_mask_hides():
    causal, weights = np.array([[1.0, 0.0], [0.25, 0.75]]), np.array([[0.5, 0.5], [0.25, 0.75]])
    html = paint_attention.attention_pair(["a", "b"], causal, weights, 2, 3, "LLM2Vec")
    assert 'data-causal="0.0000" data-bidirectional="0.2500"' in html
    assert "layer 2, head 3" in html
    assert "a takes 50% from b" in html
    assert "from <em>a</em> to <em>b</em>, 50%" in html
    wrong = paint_attention.attention_pair(["a", "b"], weights, causal, 2, 3, "S")
    assert "this model is not causal here" in wrong
    assert "strongest look ahead" not in wrong


def test_the_opening_shows_both_states():
    html = paint.opening_card(change(1.0, 1.0), change(0.9, 0.25), "LLM2Vec", 10)
    assert re.findall(r'data-causal="([\d.]+)"', html) == ["1.000000", "1.000000"]
    assert re.findall(r'data-bidi="([\d.]+)"', html) == ["0.900000", "0.250000"]
    assert re.findall(r"--causal-width:([\d.]+)%;--bidi-width:([\d.]+)%", html) == [("0.0", "10.0"), ("0.0", "75.0")]
    assert "no shared vector moves: cosine 1.000" in html
    assert "their cosine is 0.250" in html
    assert "2 more shared tokens" in paint.opening_card(change(*[1.0] * 5), change(*[0.9] * 5), "S", 3)


def test_the_opening_is_honest_about_a_model_that_does_otherwise():
    html = paint.opening_card(change(0.6), change(1.0), "LLM2Vec", 10)
    assert "not causal in every layer" in html
    assert "hardly moves: cosine 1.000" in html
    assert "do not begin alike" in paint.opening_card(change(), change(), "S", 10)


def test_a_mask_has_every_cell_once():
    html = paint.mask_svg(("<s>", "a", "b", "c"), 2, "Sentence A")
    past, *rows = (
        found for name in ("causal", "bidi") for found in re.findall(rf'd="([^"]*)" fill="var\(--{name}\)"', html)
    )
    assert (past.count("M"), [row.count("M") for row in rows]) == (10, [3, 2, 1])
    # Two masks beside each other have cells of one size: the shorter one leaves room.
    width = [re.search(r'viewBox="0 0 (\d+)', paint.mask_svg(("a",) * n, 1, "A", 6)).group(1) for n in (4, 6)]
    assert width[0] == width[1]
    assert paint.mask_svg(tuple("abcdefghijklmnopqrst"), 2, "A").count("<text") == paint.MASK_TOKENS


PAINTED = {
    "opening": lambda t: paint.opening_card(change(1.0, token=t, rest=(t,)), change(0.5, token=t, rest=(t,)), t, 10),
    "nothing shared": lambda t: paint.opening_card(change(rest=(t,)), change(rest=(t,)), t, 10),
    "endings": lambda t: paint_endings.endings_card(
        model.Endings(replace(BOTH, label=t), change(1.0, token=t, rest=(t,)), change(0.5, token=t)), "cosine", 9
    ),
    "pair": lambda t: paint_attention.attention_pair([t] * 3, np.eye(3), np.full((3, 3), 1 / 3), 1, 1, t),
    "grid": lambda t: paint_attention.grid_card(
        model.Heads((t,) * 3, np.ones((2, 2, 3, 3)), np.ones((2, 2, 3, 3)) / 3, replace(BOTH, label=t))
    ),
    "lesson": lambda t: lesson_card(
        1, 7, lesson.STEPS[0], lesson.Finding(t, (lesson.Value(t, "causal", -0.2), lesson.Value(t, "", 1.4)), "so")
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
    for number, step in enumerate(lesson.STEPS, 1):
        assert "img" not in Tags(lesson_card(number, 7, step, step.find(pair))).names


def test_the_lessons_numbers_are_the_models(pair, context):
    causal, stage = context.encoder(pair.causal.key), context.encoder(pair.stage.key)
    found = {step.find.__name__: step.find(pair) for step in lesson.STEPS}
    bank = 2
    blind = found["blind"]
    assert [v.value for v in blind.values] == [pytest.approx(compare_prefix(causal, A, B).cosines[bank])]
    assert "<b>1.000</b>" in blind.sentence
    np.testing.assert_allclose(
        [v.value for v in found["opened"].values],
        [encoder.attentions(A).future_share().mean() for encoder in (causal, stage)],
        atol=1e-6,
    )
    keys = [s.key for s in context.preset.stages]
    np.testing.assert_allclose(
        [v.value for v in found["moved"].values],
        [compare_prefix(context.encoder(key), A, B).cosines[bank] for key in keys],
        atol=1e-6,
    )
    count = len(causal.token_states(A).tokens)
    assert f"<b>{np.tril(np.ones((count, count))).mean():.0%}</b>" in found["pooled"].sentence
    first, second, _ = (v.value for v in found["echoed"].values)
    assert first == pytest.approx(1.0)
    assert second < 0.9995
    for value, key in zip(found["compared"].values, keys, strict=True):
        vectors = context.encoder(key).encode([A, B], pooling_mode="mean", normalize=True)
        below = context.yardstick(key, "mean").unrelated < float(vectors[0] @ vectors[1])
        assert value.value == pytest.approx(below.mean(), abs=0.02)
    assert "causal holds, bidirectional holds" in found["proven"].sentence
    moved = token_change(stage, A, A + " indeed").distances.max()
    assert found["proven"].values[1].value == pytest.approx(moved)


def test_a_step_says_what_came_out_whichever_way(pair, monkeypatch):
    still = replace(pair, stage=pair.causal)
    assert "bidirectional fails" in lesson.proven(still).sentence
    assert "does not use it" in lesson.opened(still).sentence
    turned = replace(pair, causal=pair.stage)
    assert "not causal in every layer" in lesson.blind(turned).sentence
    assert "causal fails" in lesson.proven(turned).sentence
    monkeypatch.setattr(lesson, "_bidirectional", lambda pair: [pair.causal])
    assert "could move now, yet it hardly does" in lesson.moved(pair).sentence
    once = pair.change(pair.causal.key)
    monkeypatch.setattr(
        lesson, "echoed_change", lambda *_: replace(once, tokens=once.tokens[1:], cosines=once.cosines[1:])
    )
    assert "changed nothing that can be seen" in lesson.echoed(pair).sentence
    monkeypatch.setattr(lesson, "echoed_change", lambda *_: replace(once, tokens=()))
    assert "no second copy" in lesson.echoed(pair).sentence
    for second, word in (
        (0.1, "less alike than"),
        (0.45, "more alike than"),
        (0.3, "stands about where it stood"),
        (0.31, "stands about where it stood"),
    ):
        monkeypatch.setattr(
            lesson,
            "likenesses",
            lambda *_, second=second: [likeness(0.3, "causal"), likeness(second, "bidirectional")],
        )
        assert word in lesson.compared(pair).sentence


def test_sentences_without_a_shared_word(context):
    stage = context.preset.default.key
    pair = model.checked_pair(context, Session(), "Rivers run.", "The bank was robbed.", stage)
    findings = [step.find(pair) for step in lesson.STEPS]
    assert [bool(f.values) for f in findings] == [False, True, False, True, False, True, True]
    assert "do not begin with the same word" in findings[0].sentence
    assert "do not begin alike" in parts.beginning(context, Session(), pair.a, pair.b, stage, "mean", 1).opening


def test_a_model_of_two_stages_that_is_not_bundled(tmp_path):
    folder = tmp_path / "model"
    folder.symlink_to(BUNDLED.base)
    context = AppContext(replace(BUNDLED, key="other", base=str(folder), stages=BUNDLED.stages[:2]))
    pair = model.checked_pair(context, Session(), A, B, "bidirectional")
    assert [c.key for c in model.shown_choices(pair)] == ["causal", "bidirectional"]
    for number in range(1, len(lesson.STEPS) + 1):
        assert f"Step {number} of 7" in parts.lesson(context, Session(), A, B, "bidirectional", number)


@pytest.mark.process
@pytest.mark.parametrize(("a", "b"), [(A, B), ("He said \"no\" \\ 'yes' {x} שלום 😀", "He said \"no\" \\ 'maybe'\n\t")])
def test_the_snippet_finds_the_numbers_of_the_page(context, a, b):
    pair = model.checked_pair(context, Session(), a, b, "mntp")
    run = subprocess.run([sys.executable, "-c", see_snippet(pair)], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    printed = re.findall(r"causal (-?[\d.]+)   bidirectional (-?[\d.]+)", run.stdout)
    expected = [pair.change(key).cosines for key in ("causal", "mntp")]
    np.testing.assert_allclose(np.array(printed, float).T, expected, atol=2e-6)
