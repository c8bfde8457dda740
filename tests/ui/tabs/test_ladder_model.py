from __future__ import annotations

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from llm2vec_core import filling
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.summary import MEAN, read_summary, summarise
from llm2vec_core.evaluation.tasks import all_tasks
from llm2vec_core.experiments.curves import Curve, SampleEfficiency
from llm2vec_core.presets import BUNDLED, MINILM, PRESETS, SMOLLM2, Stage
from llm2vec_core.separation import PairCosines
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.ladder import charts, copy, model, view
from llm2vec_core.ui.tabs.ladder.code import snippet
from tests.evaluation.test_tables import row

KEYS = [stage.key for stage in BUNDLED.stages]


def test_each_rung_is_held_against_the_one_below(context):
    session = Session()
    for key in KEYS[1:]:
        found = model.rung(context, session, key)
        below = model.below(BUNDLED, key)
        assert found.before.key == below
        assert found.change.score == pytest.approx(
            context.pair_cosines(key).separation().score - context.pair_cosines(below).separation().score
        )
    assert model.rung(context, session, KEYS[0]).change is None
    assert model.rung(context, session, "static").before.key == KEYS[0]
    with pytest.raises(InputError, match="not an encoder"):
        model.rung(context, session, "<b>")


def test_a_rung_is_held_against_what_it_was_made_from():
    six = replace(
        BUNDLED,
        stages=(
            Stage("causal", "C", False, (), ""),
            Stage("bidirectional", "B", True, (), ""),
            Stage("mntp", "M", True, ("m",), ""),
            Stage("simcse", "S", True, ("m", "s"), ""),
            Stage("mntp-supervised", "MS", True, ("m", "x"), ""),
            Stage("supervised", "SS", True, ("m", "s", "y"), ""),
        ),
    )
    lower = {stage.key: model.below(six, stage.key) for stage in six.stages}
    assert lower == {
        "causal": None,
        "bidirectional": "causal",
        "mntp": "bidirectional",
        "simcse": "mntp",
        "mntp-supervised": "mntp",
        "supervised": "simcse",
    }
    assert [model.below(six, key) for key in ("echo", "static", "own")] == ["causal", "causal", "simcse"]
    hub = PRESETS["qwen3-0.6b"]
    assert [model.below(hub, stage.key) for stage in hub.stages] == [None, "causal"]


def test_an_own_adapter_is_the_top_rung_for_its_visitor_alone(context):
    owner, other = Session(), Session()
    owner.encoder = context.encoder("mntp")
    found = model.rung(context, owner, "own")
    assert found.before.key == BUNDLED.default.key
    np.testing.assert_allclose(
        found.cosines.by_label["similar"], context.pair_cosines("mntp").by_label["similar"], atol=1e-5
    )
    with pytest.raises(InputError, match="no longer here"):
        model.rung(context, other, "own")
    owner.encoder = context.encoder("causal")
    owner.forget_measurements()
    assert model.rung(context, owner, "own").cosines.mean("unrelated") == pytest.approx(
        context.pair_cosines("causal").mean("unrelated"), abs=1e-5
    )


def shifted(rung, by):
    """The same rung with its similar pairs moved up or down."""
    values = rung.cosines_before.by_label
    return replace(rung, cosines=PairCosines({**values, "similar": values["similar"] + by}), opened=True)


def test_what_changed_is_said_for_each_sign(context):
    found = model.rung(context, Session(), "bidirectional")
    for by, verdict in ((0.1, "better"), (-0.1, "worse"), (0.0, "level")):
        rung = shifted(found, by)
        assert rung.verdict == verdict
        assert f'data-verdict="{verdict}"' in view.rung_card(rung, [1, 1])
    perfect = PairCosines({"similar": np.ones(8), "unrelated": np.zeros(8), "misleading": np.zeros(8)})
    told = view.rung_card(replace(found, cosines=perfect, cosines_before=perfect), [1, 1])
    assert "nothing to tell apart" in told and "interval" not in told.split("ladder-change")[1].split("</dd>")[0]
    # This model, as it is:
    assert found.opened and (found.verdict == "better") is (found.change.low > 0)


def test_echo_costs_what_its_tokens_say(context):
    causal, twice, none = model.token_counts(context, Session(), ["causal", "echo", "static"])
    assert none == 0 and twice > 2 * causal
    card = view.rung_card(model.rung(context, Session(), "echo"), [twice, causal])
    assert f"{twice:,} tokens instead of {causal:,}" in card


def test_histograms_hold_each_pair_once(context):
    rows = model.all_cosines(context, Session())
    assert [choice.key for choice, _ in rows] == [*KEYS, "echo", "static"]
    html = charts.histograms(rows, "mntp")
    counted = [int(part.split(" from ")[0]) for part in html.split("similar pairs: ")[1:]]
    assert sum(counted) == 80 * len(rows)
    assert html.count("▸") == 1
    # The number at either end of the axis stays inside the picture.
    first, *_, last = re.findall(r'class="q" text-anchor="(\w+)">−?[\d.]+</text>', html)
    assert (first, last) == ("start", "end")


def test_filled_blanks_are_the_cores_and_what_is_typed_is_escaped(context):
    text = "<img src=x onerror=alert(1)> The war _ in 1945."
    found = model.fill(context, Session(), text, " ended ")
    assert [choice.key for choice, _ in found.rows] == KEYS
    assert found.rows[2][1][0] == filling.fill_blanks(context.encoder("mntp"), text, expected=["ended"])[0]
    assert (found.opened, found.practised) == ("bidirectional", "mntp")
    assert "<img" not in view.filled_card(found)
    assert "<img" not in view.filled_card(model.fill(context, Session(), text, ""))
    for wrong, words, message in (
        ("", "", "empty"),
        ("no blank", "", "no blank"),
        ("A _", "x" * 300, "300 characters"),
    ):
        with pytest.raises(InputError, match=message):
            model.fill(context, Session(), wrong, words)


def test_masked_words_are_counted_for_every_rung_and_the_notice_names_the_best(context):
    rows = model.hidden_words(context, Session())
    best = max(rows, key=lambda row: context.cloze(row.choice.key).log_probabilities.mean())
    others = [row for row in rows if row is not best]
    for each in rows:
        np.testing.assert_array_equal(each.scores.ranks, context.cloze(each.choice.key).ranks)

    def notice(lower):
        return view.cloze_card(rows, lower).split("l2v-notice-line")[1].split("</p>")[0]

    assert f"{best.scores.log_probability:.2f}".lstrip("-") in notice({})
    assert not any(f" {row.choice.label}" in notice({}).replace(best.choice.label, "") for row in others)
    # Compared with the best, every other one predicts them less well.
    told = notice({row.choice.key: best.choice.key for row in rows})
    assert all(row.choice.label in told for row in others)


@pytest.fixture
def summary(tmp_path):
    labels = {"causal": "Causal, mean", "bidirectional": "Bidirectional, untrained, mean", "mntp": "+ MNTP, mean"}
    scores = {"causal": (40.0, 30.0), "bidirectional": (35.0, 30.0), "mntp": (60.0, 31.0)}
    rows = [
        row(
            label,
            "causal" if key == "causal" else "bidirectional",
            {("sts", "A"): scores[key][0], ("clustering", "<C>"): scores[key][1]},
        )
        for key, label in labels.items()
    ]
    file = tmp_path / "ladder.json"
    file.write_text(json.dumps(summarise(rows, "mini")))
    return model.read_summary(file)


def test_the_measured_chart_says_each_sign(summary):
    told = charts.measured_notice(summary, BUNDLED, "sts")
    assert "Bidirectional, untrained is below Causal (−5.0 points" in told
    assert "+ MNTP is above Bidirectional, untrained (+25.0 points" in told
    assert "]), and is above Causal (+20.0 points" in told
    assert "is not clearly different from Causal" in charts.measured_notice(summary, BUNDLED, "clustering")
    table = view.measured_card(summary, "clustering")
    assert "V-measure" in table and "V-measure" not in view.measured_card(summary, "mean")
    assert "<C>" not in table and "&lt;C&gt;" in table and "<b>31.0</b>" in table
    value = json.loads(charts.measured_value(summary, BUNDLED, "mean"))
    assert [cells[2] for cells in value["meta"]["rows"]] == [35.0, 32.5, 45.5]


def curve(key, *means):
    return Curve(
        key,
        key.upper(),
        "causal",
        np.array([0, 50, 100]),
        np.array([[m - 0.5 for m in means], [m + 0.5 for m in means]]),
    )


@pytest.mark.parametrize(
    ("better", "said"),
    [
        ((4.0, 8.0, 10.0), "8.0, is reached after 50 of 100 steps from HIGH."),
        ((4.0, 5.0, 6.0), "never from HIGH."),
        ((4.0, 5.0, 8.0), "only at the end from HIGH."),
        ((9.0, 9.0, 9.5), "before any training from HIGH."),
    ],
)
def test_the_sample_efficiency_sentence_follows_the_numbers(better, said):
    found = SampleEfficiency("T", "points", "again", 64, (curve("low", 1.0, 6.0, 8.0), curve("high", *better)))
    told = charts.efficiency_notice(found)
    assert "Before any label, HIGH is ahead (" in told and said in told and "A step reads 64 pairs." in told
    # Seeds lie half a point to either side: from one point on they are apart.
    ends = {6.0: "LOW is ahead (8.0)", 8.0: "it is level with LOW (8.0 to 8.0): their runs overlap"}
    assert ends.get(better[-1], f"it still is ahead ({better[-1]})") in told
    assert len(json.loads(charts.efficiency_value(found))["meta"]["rows"]) == 6


def test_the_published_figure_says_that_it_is_published():
    value = json.loads(charts.published_value())
    assert value["layout"]["title"]["text"].startswith("Published") and "BehnamGhader" in value["meta"]["notice"]
    assert "10.8 to 14.4 points" in value["meta"]["notice"]


@pytest.mark.parametrize("key", [*KEYS, "echo", "static"])
def test_the_code_on_the_page_gives_the_numbers_on_the_page(context, key, capsys):
    code = snippet(BUNDLED, key, 'The war _ in "1945".', "ended")
    names = {}
    exec(compile(code, "snippet", "exec"), names)
    expected = context.pair_cosines(key).separation()
    assert names["separation"].score == pytest.approx(expected.score, abs=2e-3)
    filled = model.fill(context, Session(), 'The war _ in "1945".', "ended")
    assert names["blanks"][0].rank == filled.rows[-1][1][0].rank
    # What the sentence says stands in the panels.
    told, card = (
        re.search(r"from ([\d.]+%) to ([\d.]+%)", html := view.filled_card(filled)),
        re.findall(r", ([\d.]+%)</p>", html),
    )
    assert set(told.groups()) <= set(card)
    assert capsys.readouterr().out.count("Prediction(") == 5 * len(KEYS)


def test_the_code_for_an_own_adapter_and_hostile_text_compiles():
    code = snippet(BUNDLED, "own", "a '\"\n\\ _", "x")
    compile(code, "snippet", "exec")
    assert "a '\"\n" not in code


def test_stages_of_hub_models_are_found_too():
    assert model.practice_of(PRESETS["sheared-llama-1.3b"]) == ("bidirectional", "mntp")
    assert model.practice_of(PRESETS["qwen3-0.6b"]) == ("bidirectional", None)
    assert model.training_record("McGill-NLP/none") == {}


@pytest.mark.parametrize("preset", [BUNDLED, SMOLLM2], ids=lambda preset: preset.key)
def test_the_evaluation_is_there_and_belongs_to_its_model(preset):
    found = model.stored_ladder(preset.key)
    assert found.model == preset.key and found.limit is None
    assert set(model.rows_of_rungs(preset, found)) == {*(stage.key for stage in preset.stages), "echo", "static"}
    assert "sts" in found.kinds
    for each in found.encoders:
        kinds = np.mean([each.means[kind].score for kind in found.kinds])
        assert each.means["mean"].score == pytest.approx(kinds, abs=0.01)
        sets = [row.found.score for row in each.sets if row.task == "sts"]
        assert each.means["sts"].score == pytest.approx(np.mean(sets), abs=0.06)


def test_each_model_shows_its_own_scores_and_says_what_was_not_measured(monkeypatch):
    small, large = (view.show_measured(AppContext(preset), Session(), "sts")["table"] for preset in (BUNDLED, SMOLLM2))
    assert "--preset mini" in small and "--preset smollm2" in large
    best = max(encoder.means["sts"].score for encoder in read_summary(model.LADDER_FILES["smollm2"]).encoders)
    assert f"<b>{best:.1f}</b>" in large and "No interval is stored for Causal, mean;" in large
    assert "No interval" not in small
    told, chart, _ = view.show_measured(AppContext(PRESETS["qwen3-0.6b"]), Session(), "sts").values()
    assert chart["visible"] is False and "--preset qwen3-0.6b" in told
    # Without an interval a difference is told without one.
    lines = charts.measured_notice(model.stored_ladder(SMOLLM2.key), SMOLLM2, "sts").split("\n")
    assert lines[0].count("4.2 points less") == 1 and "21.0 points less" in lines[1]
    assert "+18.0 points [" in lines[3]
    # The encoder-only rival is no stage, and not among the encoders without bidirectional attention: the last line is its.
    assert lines[-1] == f"{MINILM.label} was never a decoder and has no causal view; it is above LLM2Vec " + (
        "(+ MNTP + SimCSE) (+15.0 points [+14.2, +15.8])."
    )
    whole = model.stored_ladder(SMOLLM2.key)
    for key, summary in (("mini", model.stored_ladder("mini")), ("smollm2", whole)):
        assert all(MINILM.label not in line for kind in summary.kinds
                   for line in charts.measured_notice(summary, PRESETS[key], kind).split("\n")[:-1])  # fmt: skip
        assert summary.encoder(MINILM.label).direction == "bidirectional"
    assert MINILM.label in large and f"{whole.encoder(MINILM.label).means['sts'].score:.1f}" in large
    # A model of which one kind of task was measured.
    part = [replace(row, means={kind: row.means[kind] for kind in ("sts", MEAN)}) for row in whole.encoders]
    monkeypatch.setattr(model, "stored_ladder", lambda _: replace(whole, encoders=tuple(part)))
    for kind in ("retrieval", MEAN):
        told, chart, _ = view.show_measured(AppContext(SMOLLM2), Session(), kind).values()
        assert chart["visible"] is False and "l2v-ladder-missing" in told and "--preset smollm2" in told


@pytest.mark.parametrize("preset", [BUNDLED, SMOLLM2], ids=lambda preset: preset.key)
def test_the_stairs_are_as_high_as_their_scores(preset):
    rows = {
        row["label"]: row["means"]["sts"][0]
        for row in json.loads(model.LADDER_FILES[preset.key].read_text())["encoders"]
    }
    labels = {stage.key: f"{stage.label}, mean" for stage in preset.stages}
    labels |= {"echo": "Causal, echo", "static": "Static token embeddings"}
    context = AppContext(preset)
    card = view.show_rung(context, Session(preset.key), preset.default.key, "", "")["card"]
    stairs = {
        key: (float(height), int(score))
        for key, height, score in re.findall(
            r'value="([\w-]+)"\]\) { --stair: ([\d.]+)px !important; --score: "(\d+)"', card
        )
    }
    assert set(stairs) == set(labels)
    for key, (height, score) in stairs.items():
        assert height == pytest.approx(rows[labels[key]], abs=0.051), "a pixel a point"
        assert score == pytest.approx(rows[labels[key]], abs=0.51)
    assert sorted(stairs, key=stairs.get) == sorted(stairs, key=lambda key: rows[labels[key]])


def test_what_opening_does_is_told_kind_by_kind_with_its_sign():
    """Held against the stored scores: on the small model retrieval falls and sentence similarity rises."""
    found = {each.kind: each for each in model.changes_by_opening(BUNDLED, model.stored_ladder(BUNDLED.key))}
    rows = {row["label"]: row["means"] for row in json.loads(model.LADDER_FILES["mini"].read_text())["encoders"]}
    for kind, each in found.items():
        gap = rows["Bidirectional, untrained, mean"][kind][0] - rows["Causal, mean"][kind][0]
        assert each.found.score == pytest.approx(gap, abs=0.01)
        assert each.sign == ("up" if each.found.low > 0 else "down" if each.found.high < 0 else "level")
    assert (found["sts"].sign, found["retrieval"].sign) == ("up", "down")
    told = view.show_measured(AppContext(BUNDLED), Session(), "sts")["note"]
    assert f"lower in retrieval ({model.points(found['retrieval'].found)})" in told
    [alone, *_] = model.changes_by_opening(SMOLLM2, model.stored_ladder(SMOLLM2.key))
    assert alone.sign == "down"
    none = replace(BUNDLED, key="none", stages=BUNDLED.stages[:1])
    assert model.changes_by_opening(none, model.stored_ladder(BUNDLED.key)) == []


def test_a_rungs_card_tells_what_the_whole_evaluation_says_of_it(context):
    summary = model.stored_ladder(BUNDLED.key)
    for key in (*KEYS, "echo", "static"):
        found = model.rung(context, Session(), key)
        card = view.rung_card(found, [1, 1])
        row = summary.encoder(model.rows_of_rungs(BUNDLED, summary)[key])
        assert [each.score for each in found.measured] == [row.means["sts"], row.means[MEAN]]
        assert f"<b>{row.means[MEAN].score:.1f}</b>" in card
        for each in found.measured[: 2 if found.before else 0]:
            assert each.above.score == pytest.approx(each.score.score - each.before.score, abs=0.01)
            assert f"{each.before.score:.1f} → <b>{each.score.score:.1f}</b> ({model.points(each.above)}" in card
    first = view.rung_card(model.rung(context, Session(), KEYS[0]), [1])
    assert "→" not in first
    # Said only where the live pairs show nothing and the whole evaluation does.
    simcse = model.rung(context, Session(), "simcse")
    assert simcse.too_easy
    assert not model.rung(context, Session(), "bidirectional").too_easy
    assert 'id="ladder-public"' in view.rung_card(simcse, [1, 1])
    assert 'id="ladder-public"' not in view.rung_card(replace(simcse, measured=()), [1, 1])
    assert model.measured(BUNDLED, summary, model.USER_ADAPTER, "simcse") == ()


def test_each_model_shows_its_own_sample_efficiency_and_says_how_often_it_was_run(context):
    seeds = {BUNDLED.key: 3, SMOLLM2.key: 1}
    for key, runs in seeds.items():
        found = model.stored_efficiency(key)
        assert len(found.curves) == 4 and all(len(each.scores) == runs for each in found.curves)
        alone = "One run a start" in charts.efficiency_notice(found)
        assert alone == (runs == 1)
    shown = view.show_efficiency(context, Session())
    assert "LLM2Vec-mini" in shown["efficiency_note"] and "3 times each" in shown["efficiency_note"]
    larger = view.show_efficiency(SimpleNamespace(preset=SMOLLM2), Session())
    assert SMOLLM2.label in larger["efficiency_note"] and "times each" not in larger["efficiency_note"]
    other = SimpleNamespace(preset=replace(BUNDLED, key="other", label="Other"))
    assert view.show_efficiency(other, Session()) == shown


def test_a_broken_file_of_scores_is_logged_and_counts_as_none(tmp_path, monkeypatch, caplog):
    file = tmp_path / "ladder.json"
    file.write_text("{")
    monkeypatch.setattr(model, "LADDER_FILES", {"broken": file})
    assert model.stored_ladder("broken") is None
    assert "holds no ladder" in caplog.text


def test_the_settings_of_an_encoder_do_not_enter_the_blanks():
    plain = LLM2Vec.from_preset("mini:mntp")
    told = plain.with_settings(template="prompt", pooling_mode="last_token")
    assert filling.fill_blanks(plain, "A _ .") == filling.fill_blanks(told, "A _ .")


def test_every_kind_of_task_is_explained():
    assert set(copy.KINDS) == {*all_tasks(), MEAN}
