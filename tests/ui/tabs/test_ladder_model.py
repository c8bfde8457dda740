from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from llm2vec_core import filling
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.summary import MEAN, summarise
from llm2vec_core.evaluation.tasks import all_tasks
from llm2vec_core.experiments.curves import Curve, SampleEfficiency
from llm2vec_core.presets import BUNDLED, PRESETS, Stage
from llm2vec_core.separation import PairCosines
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.ladder import blanks, charts, copy, model, paint, pictures
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
    with pytest.raises(InputError, match="no encoder"):
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
    assert "<b>better</b>" in paint.change(shifted(found, 0.1)) and "it gains" in paint.change(shifted(found, 0.1))
    assert "<b>worse</b>" in paint.change(shifted(found, -0.1)) and "was reported" in paint.change(shifted(found, -0.1))
    assert "no clear difference" in paint.change(shifted(found, 0.0))
    assert "no loss can be seen" in paint.change(shifted(found, 0.0))
    # This model, as it is:
    assert found.opened and ("<b>better</b>" in paint.change(found)) is (found.change.low > 0)


def test_echo_costs_what_its_tokens_say(context):
    causal, twice, none = model.token_counts(context, Session(), ["causal", "echo", "static"])
    assert none == 0 and twice > 2 * causal
    card = paint.stage_card(model.rung(context, Session(), "echo"), [twice, causal])
    assert f"{twice:,} tokens instead of {causal:,}" in card


def test_histograms_hold_each_pair_once(context):
    rows = model.all_cosines(context, Session())
    assert [choice.key for choice, _ in rows] == [*KEYS, "echo", "static"]
    html = pictures.histograms(rows, "mntp")
    counted = [int(part.split(" from ")[0]) for part in html.split("similar pairs: ")[1:]]
    assert sum(counted) == 80 * len(rows)
    assert html.count("▸") == 1


def test_filled_blanks_are_the_cores_and_what_is_typed_is_escaped(context):
    text = "<img src=x onerror=alert(1)> The war _ in 1945."
    found = model.fill(context, Session(), text, " ended ")
    assert [choice.key for choice, _ in found.rows] == KEYS
    assert found.rows[2][1][0] == filling.fill_blanks(context.encoder("mntp"), text, expected=["ended"])[0]
    assert (found.opened, found.practised) == ("bidirectional", "mntp")
    assert "<img" not in blanks.filled_card(found)
    assert "<img" not in blanks.filled_card(model.fill(context, Session(), text, ""))
    for wrong, words, message in (
        ("", "", "empty"),
        ("no blank", "", "no blank"),
        ("A _", "x" * 300, "300 characters"),
    ):
        with pytest.raises(InputError, match=message):
            model.fill(context, Session(), wrong, words)


def test_hidden_words_are_counted_for_every_rung_and_the_notice_names_the_best(context):
    rows = model.hidden_words(context, Session())
    best = max(rows, key=lambda row: row[1].log_probabilities.mean())[0].label
    card = blanks.cloze_card(rows, {})
    assert f"{best} finds hidden words best" in card and "better than the one it was made from" in card
    # Held against the best, every other one has unlearned something.
    lower = {
        choice.key: best_key for choice, _ in rows for best_key in [next(c.key for c, _ in rows if c.label == best)]
    }
    told = blanks.cloze_card(rows, lower)
    assert "A step can unlearn it: " in told and all(
        c.label in told.split("unlearn it: ")[1] for c, _ in rows if c.label != best
    )


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
    assert "Bidirectional, untrained is below Causal (-5.0 points" in told
    assert "+ MNTP is above Bidirectional, untrained (+25.0 points" in told
    assert "is not clearly apart from Causal" in charts.measured_notice(summary, BUNDLED, "clustering")
    table = paint.measured_table(summary, "clustering")
    assert "V-measure" in table and "V-measure" not in paint.measured_table(summary, "mean")
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
        ((4.0, 8.0, 10.0), "50 of 100 steps: 50 steps saved"),
        ((4.0, 5.0, 6.0), "saves nothing"),
        ((4.0, 5.0, 8.0), "no step is saved"),
        ((9.0, 9.0, 9.5), "before any training"),
    ],
)
def test_the_sample_efficiency_sentence_follows_the_numbers(better, said):
    found = SampleEfficiency("T", "points", "again", 64, (curve("low", 1.0, 6.0, 8.0), curve("high", *better)))
    told = charts.efficiency_notice(found)
    assert "Before any label, HIGH is ahead (" in told and said in told and "A step reads 64 pairs." in told
    # Seeds lie half a point to either side: from one point on they are apart.
    ends = {6.0: "LOW is ahead (8.0)", 8.0: "it is level with LOW (8.0 to 8.0): their seeds lie among each other"}
    assert ends.get(better[-1], f"it still is ahead ({better[-1]})") in told
    assert len(json.loads(charts.efficiency_value(found))["meta"]["rows"]) == 6


def test_the_published_figure_says_that_it_is_published():
    value = json.loads(charts.published_value())
    assert value["layout"]["title"]["text"].startswith("Published") and "BehnamGhader" in value["meta"]["notice"]
    assert "10.8 to 14.4 points" in value["meta"]["notice"]


@pytest.mark.parametrize("key", [*KEYS, "echo", "static"])
def test_the_code_on_the_page_gives_the_numbers_on_the_page(context, key, capsys):
    code = snippet("mini", KEYS, key, 'The war _ in "1945".', "ended")
    names = {}
    exec(compile(code, "snippet", "exec"), names)
    expected = context.pair_cosines(key).separation()
    assert names["separation"].score == pytest.approx(expected.score, abs=2e-3)
    filled = model.fill(context, Session(), 'The war _ in "1945".', "ended")
    assert names["blanks"][0].rank == filled.rows[-1][1][0].rank
    assert capsys.readouterr().out.count("Prediction(") == 5 * len(KEYS)


def test_the_code_for_an_own_adapter_and_hostile_text_compiles():
    code = snippet("mini", KEYS, "own", "a '\"\n\\ _", "x")
    compile(code, "snippet", "exec")
    assert "a '\"\n" not in code


def test_stages_of_hub_models_are_found_too():
    assert model.practice_of(PRESETS["sheared-llama-1.3b"]) == ("bidirectional", "mntp")
    assert model.practice_of(PRESETS["qwen3-0.6b"]) == ("bidirectional", None)
    assert model.training_record("McGill-NLP/none") == {}


def test_the_evaluation_is_there_and_belongs_to_the_bundled_model():
    assert model.LADDER_FILE.is_file(), f"no measured ladder: {model.LADDER_COMMAND}"
    found = model.stored_ladder()
    assert found.model == BUNDLED.key and found.limit is None
    assert set(model.rows_of_rungs(BUNDLED, found)) == {*KEYS, "echo", "static"}
    assert "sts" in found.kinds
    for each in found.encoders:
        assert each.means["mean"].score == pytest.approx(
            np.mean([each.means[kind].score for kind in found.kinds]), abs=0.01
        )


def test_a_rungs_card_tells_what_the_whole_evaluation_says_of_it(context):
    summary = model.stored_ladder()
    for key in (*KEYS, "echo", "static"):
        found = model.rung(context, Session(), key)
        card = paint.on_public_sets(found)
        row = summary.encoder(model.rows_of_rungs(BUNDLED, summary)[key])
        assert [each.score for each in found.measured] == [row.means["sts"], row.means[MEAN]]
        assert f"<b>{row.means[MEAN].score:.1f}</b>" in card
        for each in found.measured[: 2 if found.before else 0]:
            assert each.above.score == pytest.approx(each.score.score - each.before.score, abs=0.01)
            assert f"{each.before.score:.1f} → <b>{each.score.score:.1f}</b> ({each.above.score:+.1f} points" in card
    first = paint.on_public_sets(model.rung(context, Session(), KEYS[0]))
    assert "→" not in first
    # Said only where the live pairs show nothing and the whole evaluation does.
    simcse = model.rung(context, Session(), "simcse")
    assert copy.TOO_EASY in paint.on_public_sets(simcse)
    assert copy.TOO_EASY not in paint.on_public_sets(model.rung(context, Session(), "bidirectional"))
    assert paint.on_public_sets(replace(simcse, measured=())) == ""
    assert model.measured(BUNDLED, summary, model.USER_ADAPTER, "simcse") == ()


def test_the_sample_efficiency_experiment_has_several_seeds_or_the_page_names_its_command():
    found = model.stored_efficiency()
    if found is None:
        told = paint.missing("Sample efficiency", model.EFFICIENCY_COMMAND)
        assert "has not been measured yet" in told and model.EFFICIENCY_COMMAND in told
    else:
        assert len(found.curves) >= 2 and all(len(each.scores) >= 3 for each in found.curves)


def test_the_settings_of_an_encoder_do_not_enter_the_blanks():
    plain = LLM2Vec.from_preset("mini:mntp")
    told = plain.with_settings(template="prompt", pooling_mode="last_token")
    assert filling.fill_blanks(plain, "A _ .") == filling.fill_blanks(told, "A _ .")


def test_every_kind_of_task_is_explained():
    assert set(copy.KINDS) == {*all_tasks(), MEAN}
