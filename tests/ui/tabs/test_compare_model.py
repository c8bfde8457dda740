"""What the Compare tab computes and paints, without a browser."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from llm2vec_core.bundled_data import passages, text_groups
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.sts import cosine_of_pairs
from llm2vec_core.pooling import POOLING_MODES
from llm2vec_core.similarity import separations_of_group
from llm2vec_core.ui.limits import Limits
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.compare import charts, model, view
from llm2vec_core.ui.tabs.compare.code import snippet
from llm2vec_core.ui.tabs.compare.poolings import all_poolings, best
from llm2vec_core.ui.user_texts import Texts

PAIR = "The bank was steep and muddy.\nThe bank was robbed at noon."
GROUP = text_groups()[0]


def fields(texts: str = PAIR, left="causal", right="bidirectional", pooling="mean", instruction="", measure="cosine"):
    return model.checked_fields(Limits(), texts, left, right, pooling, instruction, measure)


def given(texts: str) -> dict[str, str]:
    """The tab's fields, as the page has them."""
    return {
        "texts": texts, "left": "causal", "right": "static", "pooling": "mean", "instruction": "", "measure": "cosine",
    }  # fmt: skip


@pytest.mark.parametrize("pooling", ["mean", "last_token"])
@pytest.mark.parametrize("instruction", ["", "Retrieve sentences that mean the same:"])
def test_matrices_are_cosines_of_each_text_encoded_alone(context, pooling, instruction):
    lines = "\n".join(GROUP.texts[:3])
    found = model.compare(context, Session(), fields(lines, pooling=pooling, instruction=instruction))
    for side in found.sides:
        encoder = context.encoder(side.choice.key)
        rows = np.stack([encoder.encode(t, instruction or None, pooling_mode=pooling) for t in GROUP.texts[:3]])
        for i in range(3):
            expected = cosine_of_pairs(rows[[i] * 3], rows)
            np.testing.assert_allclose(side.cosines[i], expected, atol=1e-4)
    np.testing.assert_allclose(found.difference, found.second.cosines - found.first.cosines)
    low, high = found.limits()
    assert low == pytest.approx(min(s.cosines[np.triu_indices(3, 1)].min() for s in found.sides))
    assert high == pytest.approx(max(s.cosines[np.triu_indices(3, 1)].max() for s in found.sides))
    assert found.span() == pytest.approx(np.abs(found.difference).max())


def test_percentiles_come_from_pairs_encoded_in_the_same_way(context):
    plain = model.compare(context, Session(), fields(measure="percentile"))
    told = model.compare(context, Session(), fields(measure="percentile", instruction="Find:"))
    for found in (plain, told):
        assert found.limits() == (0.0, 100.0)
        for side in found.sides:
            assert len(side.unrelated) == 80
            assert side.percentiles[0, 1] == pytest.approx(100 * np.mean(side.unrelated < side.cosines[0, 1] - 1e-5))
    assert not np.allclose(plain.first.unrelated, told.first.unrelated)
    assert view.matrices(plain).count(": percentile among our unrelated pairs</h3>") == 2


def test_rivals_are_compared_too(context):
    found = model.compare(context, Session(), fields(left="echo", right="static", pooling="last_token"))
    assert [side.pooling for side in found.sides] == ["last_token", "mean"]
    static = model.compare(context, Session(), fields(left="static", right="static"))
    np.testing.assert_allclose(found.second.cosines, static.first.cosines)
    assert np.abs(static.difference).max() == 0
    assert static.change()[2:5] == (0.0, 0, 0)
    assert "1 of 1 pairs" not in view.matrices(static)


def test_the_two_numbers_of_a_group_are_those_that_its_claim_is_held_against(context):
    found = model.compare(context, Session(), fields("\n".join(GROUP.texts)))
    expected = separations_of_group({k: context.encoder(k) for k in ("causal", "bidirectional")}, GROUP)
    assert found.group is GROUP
    assert found.separations() == pytest.approx(tuple(expected.values()))
    changed = model.compare(context, Session(), fields("\n".join(GROUP.texts[:-1])))
    assert changed.group is None
    assert changed.separations() is None


def test_the_verdict_follows_the_numbers(context):
    found = model.compare(context, Session(), fields("\n".join(GROUP.texts)))
    back = model.compare(context, Session(), fields("\n".join(GROUP.texts), left="bidirectional", right="causal"))
    same = model.compare(context, Session(), fields("\n".join(GROUP.texts), right="causal"))
    for each, ahead in ((found, "second"), (back, "first"), (same, "neither")):
        html = view.summary(each)
        assert f'data-ahead="{ahead}"' in html
        shown = tuple(float(re.search(rf'data-{side}="([^"]+)"', html)[1]) for side in ("first", "second"))
        assert shown == pytest.approx(each.separations(), abs=1e-4)
        below = sum(value < 0.5 for value in shown)
        assert html.count("worse than chance") == min(1, below)
        assert ("Both are worse" in html) is (below == 2)
    assert max(same.separations()) < 0.5


def test_what_changes_is_counted_and_named(context):
    found = model.compare(context, Session(), fields("\n".join(GROUP.texts)))
    change, (rows, columns) = found.change(), found.pairs
    moved = (found.second.cosines - found.first.cosines)[rows, columns]
    assert (change.up, change.down) == ((moved >= 0.0005).sum(), (moved <= -0.0005).sum())
    place = np.abs(moved).argmax()
    assert change[:3] == (rows[place] + 1, columns[place] + 1, pytest.approx(moved[place]))
    best = found.most_similar(found.first)
    assert best.value == pytest.approx(found.first.cosines[rows, columns].max())
    assert found.first.cosines[best.first - 1, best.second - 1] == pytest.approx(best.value)


def test_own_labels_are_a_structure_while_the_box_holds_the_own_texts(context):
    session = Session()
    rows = [passages()[i] for i in (0, 1, 60, 61)]
    texts = tuple(p.text for p in rows)
    session.texts = Texts("mine.csv", texts, tuple(p.topic for p in rows))
    lines = model.lines_of(session.texts, Limits())
    _, structure = model.known_about(session, model.texts_of(lines, Limits()), Limits())
    assert structure.meanings == tuple(p.topic for p in rows)
    assert model.known_about(session, texts[:3], Limits()) == (None, None)
    session.texts = Texts("mine.csv", texts, ("a", "", "", "b"))
    assert model.known_about(session, texts, Limits()) == (None, None)  # no two belong together


def test_own_texts_go_into_the_box_one_a_line():
    texts = Texts("mine", tuple(f"line {i}\nmore <b>" for i in range(60)))
    lines = model.lines_of(texts, Limits()).split("\n")
    assert len(lines) == 40
    assert lines[0] == "line 0 more <b>"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (None, "There are no texts in the box"),
        ("  \n\n", "There are no texts in the box"),
        ("one", "There is 1 text in the box; Compare needs at least 2"),
        ("a\n" * 41, "There are 41 texts in the box; at most 40"),
        ("short\n" + "x" * 100_000, "Text 2 has 100,000 characters; at most 20,000"),
    ],
)
def test_too_few_too_many_too_long(lines, message):
    with pytest.raises(InputError, match=message):
        fields(lines)


@pytest.mark.parametrize("wrong", [{"pooling": "max"}, {"measure": "euclid"}, {"instruction": "x" * 501}])
def test_other_wrong_fields(wrong):
    with pytest.raises(InputError):
        fields(**wrong)


def test_an_encoder_that_is_gone(context):
    with pytest.raises(InputError, match="Train it again"):
        model.compare(context, Session(), fields(right="own"))


@pytest.mark.parametrize("measure", ["cosine", "percentile"])
def test_forty_equal_texts(context, measure):
    found = model.compare(context, Session(), fields("the same\n" * 40, measure=measure))
    low, high = found.limits()
    assert high > low
    assert found.span() > 0
    html = "".join((view.summary(found), view.matrices(found), view.neighbors(found)))
    assert "nan" not in html.lower().replace("nance", "")
    assert "All pairs have the same value" in html
    assert html.count('data-changed="0"') == 40


def test_one_pair_is_shown_on_the_whole_scale(context):
    found = model.compare(context, Session(), fields())
    assert found.limits() == (0.0, 1.0)
    assert f"{found.first.cosines[0, 1]:.3f}" in view.matrices(found)


def test_a_scale_is_shared_and_shades_follow_it():
    values = np.array([[1.0, 0.2, 0.6], [0.2, 1.0, 0.4], [0.6, 0.4, 1.0]])
    svg = charts.matrix(values, (0.2, 0.6), "cosine", "x")
    cells = re.findall(r'<path d="(M[^"]+)" fill="var\(--compare\)" opacity="([\d.]+)"', svg)
    assert [opacity for _, opacity in cells] == ["0.030", "0.500", "1.000"]
    assert all(path.count("M") == 2 for path, _ in cells)  # each pair stands there twice
    signed = np.array([[0.0, -0.3], [0.3, 0.0]])
    svg = charts.difference(signed, 0.6, "cosine", "x", ("var(--causal)", "var(--bidi)"))
    cells = re.findall(r'<path d="M[^"]+" fill="var\(--(\w+)\)" opacity="([\d.]+)"', svg)
    assert sorted(cells) == [("bidi", "0.500"), ("causal", "0.500")]
    assert re.findall(r">([−+]\d+)</text>", svg)[:2] == ["−30", "+30"]


def test_pairs_that_belong_together_are_outlined_in_every_matrix(context):
    group = GROUP
    found = model.compare(context, Session(), fields("\n".join(group.texts)))
    html = view.matrices(found)
    paths = re.findall(r'd="([^"]+)" class="l2v-compare-together"', html)
    side = charts.SIDE / len(group.texts)
    same = {
        (i, j)
        for i, a in enumerate(group.meanings)
        for j, b in enumerate(group.meanings)
        if a == b and i != j and group.wordings[i] != group.wordings[j]
    }
    assert len(paths) == 3
    for path in paths:
        corners = re.findall(r"M([\d.]+) ([\d.]+)", path)
        assert {(int((float(y) - charts.TOP) / side), int((float(x) - charts.LEFT) / side)) for x, y in corners} == same
    assert 'class="l2v-compare-outline"' in html
    # Nothing is known of these, and of many labelled texts the outlines would hide the shades.
    assert "l2v-compare-outline" not in view.matrices(model.compare(context, Session(), fields()))
    assert "together" not in charts.matrix(np.eye(21), (0.0, 1.0), "cosine", "x", np.ones((21, 21), dtype=bool))


def test_many_texts_stay_light(context):
    lines = "\n".join(p.text for p in passages()[:320:8])
    found = model.compare(context, Session(), fields(lines))
    assert len(view.matrices(found)) < 400_000


def test_hostile_texts_are_escaped_everywhere(context):
    lines = '<img src=x onerror=alert(1)>\n"><script>alert(2)</script>\n${alert(3)} {{constructor}}'
    shown = view.show(context, Session(), **given(lines))
    table = view.show_poolings(context, Session(), 0, 1, **given(lines))
    for html in (*(shown[name] for name in ("summary", "matrices", "nearest")), table["table"]):
        assert "<img" not in html
        assert "<script" not in html
    data = re.search(r'data-matrices="([^"]*)"', shown["matrices"]).group(1)
    import html as escaping

    assert json.loads(escaping.unescape(data))["texts"][0] == lines.split("\n")[0]


@pytest.mark.parametrize("instruction", ["", "Find:"])
def test_every_pooling_under_every_encoder(context, instruction):
    found = all_poolings(context, Session(), fields(instruction=instruction), (0, 1))
    stages = [stage.key for stage in context.preset.stages]
    assert [(each.choice.key, each.pooling) for each in found] == [
        *((key, mode) for key in (*stages, "echo") for mode in POOLING_MODES),
        ("static", "mean"),
    ]
    by_key = {(each.choice.key, each.pooling): each for each in found}
    for key, mode in (("causal", "weighted_mean"), ("echo", "mean"), (context.preset.default.key, "last_token")):
        a, b = context.encoder(key).encode(PAIR.split("\n"), instruction or None, pooling_mode=mode)
        assert by_key[key, mode].cosine == pytest.approx(cosine_of_pairs(a[None], b[None])[0], abs=1e-4)
    if instruction:
        assert best(found) == []
        assert {each.percentile for each in found} == {None}
    else:
        # A causal model's first token sees nothing but itself: it tells nothing from nothing.
        assert by_key["causal", "first_token"].cosine == pytest.approx(1.0)
        assert by_key["causal", "first_token"].percentile == 0.0
        assert {round(each.separation, 3) for each in best(found)} == {round(max(e.separation for e in found), 3)}


def test_labelled_texts_have_the_separation_of_these_texts(context):
    found = all_poolings(context, Session(), fields("\n".join(GROUP.texts)), (2, 0))
    expected = separations_of_group({"causal": context.encoder("causal")}, GROUP)["causal"]
    mine = next(each for each in found if (each.choice.key, each.pooling) == ("causal", "mean"))
    assert mine.separation == pytest.approx(expected)
    assert mine.together < mine.apart


@pytest.mark.parametrize("pair", [(0, 0), (0, 2), (-1, 0), (None, 1), ("0", 1), (True, 0)])
def test_pairs_that_do_not_exist(context, pair):
    with pytest.raises(InputError, match="Choose two"):
        view.show_poolings(context, Session(), *pair, **given(PAIR))


@pytest.mark.parametrize(
    "values",
    [
        {"instruction": 'Say "it":', "pooling": "weighted_mean"},
        {"left": "echo", "right": "static", "measure": "percentile"},
        {"measure": "percentile", "texts": 'it\'s\n"quoted" \\n text\nünï'},
    ],
)
def test_the_snippet_does_what_the_page_shows(context, values, capsys):
    asked = fields(**values)
    found = model.compare(context, Session(), asked)
    names: dict[str, object] = {}
    exec(compile(snippet(asked, context.preset), "snippet", "exec"), names)
    tolerance = 1.3 if asked.measure == "percentile" else 1e-5
    np.testing.assert_allclose(names["difference"], found.difference, atol=tolerance)
    np.testing.assert_array_equal(names["nearest"].first, found.nearest.first)
    assert capsys.readouterr().out


def test_the_snippet_of_an_own_adapter_names_the_download(context):
    assert 'LLM2Vec.from_pretrained("your-adapter")' in snippet(fields(right="own"), context.preset)


def test_two_texts_also_have_strips(context):
    shown = view.show(context, Session(), **given(PAIR))
    assert 'id="compare-strips-card"' in shown["strips"]
    assert shown["strips"].count("l2v-strip") == 2
    assert view.show(context, Session(), **given(PAIR + "\nmore"))["strips"] == ""
