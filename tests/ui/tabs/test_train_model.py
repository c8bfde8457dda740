from __future__ import annotations

import io
import json
import re
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from llm2vec_core import InputError, ModelError, TrainingError
from llm2vec_core.constants import bundled_yardsticks
from llm2vec_core.presets import ASSETS, BUNDLED, PRESETS, SMOLLM2
from llm2vec_core.separation import PairCosines, labelled_pairs, measure_pairs
from llm2vec_core.training import bundled
from llm2vec_core.training.bundled import measured_pairs
from llm2vec_core.ui import turns as ui_turns
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import USER_ADAPTER
from llm2vec_core.ui.limits import Limits
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.train import charts, copy, model, run, uploads, view
from llm2vec_core.ui.tabs.train.data import pairs_preview, training_data
from llm2vec_core.ui.tabs.train.files import adapter_archive
from llm2vec_core.ui.tabs.train.measured import MeasuredPairs
from llm2vec_core.ui.tabs.train.run import QueuedJob, check_memory, starting_point, train
from llm2vec_core.ui.tabs.train.settings import RECIPES, checked_settings, default_start, recipe_settings
from llm2vec_core.ui.templates import render
from llm2vec_core.ui.turns import Turns
from llm2vec_core.ui.user_texts import Texts
from tests.close import assert_close

TEXTS = ["The river rose after the rain.", "It rained."]
LIMITS = Limits()


@pytest.fixture(autouse=True)
def runs_here(monkeypatch):
    """``test_train_run`` has the runs in a process of their own; what one test looks at is measured for that one."""
    monkeypatch.setattr("llm2vec_core.ui.tabs.train.run.runs_apart", lambda *_: False)
    monkeypatch.setattr("llm2vec_core.ui.tabs.train.run.bundled_yardsticks", lambda encoder: {})


@pytest.fixture(scope="module", params=["few"])
def measured(request, context):
    """``few``: a run measures a fifth of the pairs, which is enough where a test is not about what is measured."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "few":
            for module in (bundled, run):
                patch.setattr(module, "MEASURED_ROWS", slice(1, None, 10))
        yield
    context.cache.discard("starting point")


every_pair = pytest.mark.parametrize("measured", ["all"], indirect=True)
pytestmark = pytest.mark.usefixtures("measured")


def turns() -> Turns:
    return Turns(*copy.QUEUE, 180)


def fields(
    objective="mntp", source="ours", start="bidirectional", steps=2, rate=0.001, rank=4, batch=4, longest=16, seed=0
):
    return dict(locals())


def trained(context, session, queue=None, pairs=("ours", None), **values):
    queue = queue or turns()
    model.ask(queue, session)
    return list(model.run(queue, context, session, *pairs, **values))


@pytest.mark.parametrize("objective", list(RECIPES))
def test_download_and_code_give_the_embeddings_of_the_page(context, objective, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    session = Session()
    start = default_start(objective, BUNDLED)
    views = trained(context, session, **fields(objective, start=start))
    last = views[-1]
    # What comes after the last step takes seconds on a larger model, and is told.
    assert ["Step 2 of 2" in v.status and "Measuring what was learned …" in v.status for v in views[-2:]] == [
        True,
        False,
    ]
    assert last.changed
    assert session.description == f"{objective_name(objective)}, 2 steps from {BUNDLED.stage(start).label}"
    page = session.encoder.encode(TEXTS)
    assert np.abs(page - context.encoder(start).encode(TEXTS)).max() > 1e-5
    # It stands beside the stage's own weights.
    assert session.encoder.model.embed_tokens.weight is context.encoder(start).model.embed_tokens.weight

    with zipfile.ZipFile(last.download) as archive:
        names = {Path(name).name for name in archive.namelist()}
        archive.extractall(tmp_path)
    assert names == {"adapter_config.json", "adapter_model.safetensors", "training.json", "README.md"}
    config = json.loads((tmp_path / "my-adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "llm2vec-mini"
    everything = b"".join(file.read_bytes() for file in (tmp_path / "my-adapter").iterdir())
    assert str(ASSETS).encode() not in everything
    readme = (tmp_path / "my-adapter" / "README.md").read_text()
    assert BUNDLED.license in readme
    blocks = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        space: dict = {}
        exec(block, space)
        assert np.abs(np.asarray(space["embeddings"]) - page).max() < 1e-4

    space = {}
    exec(next(view.code for view in views if view.code), space)
    assert np.abs(space["encoder"].encode(TEXTS) - page).max() < 1e-4

    # And back again: the downloaded files are an adapter to upload.
    other = Session()
    files = [str(tmp_path / "my-adapter" / name) for name in sorted(names - {"README.md"})]
    assert uploads.load(context, other, files, "bidirectional").changed
    assert np.abs(other.encoder.encode(TEXTS) - page).max() < 1e-4
    assert BUNDLED.stage(start).label in other.description


def test_what_an_adapters_cosines_are_held_against_comes_with_its_run(context, monkeypatch):
    monkeypatch.setattr("llm2vec_core.ui.tabs.train.run.bundled_yardsticks", bundled_yardsticks)
    session = Session()
    trained(context, session, **fields(rate=0.01))
    assert list(session.cache) == [("yardsticks", USER_ADAPTER)]
    measured = bundled_yardsticks(session.encoder)
    for pooling in ("mean", "last_token"):
        kept = session.yardstick_for(USER_ADAPTER, pooling, context)
        assert_close(kept.similar, measured[pooling].similar)
        assert_close(kept.unrelated, measured[pooling].unrelated)


def objective_name(objective: str) -> str:
    return {"mntp": "MNTP", "simcse": "SimCSE", "supervised": "Supervised"}[objective]


@every_pair
def test_the_card_shows_the_cosines_that_were_measured(context):
    session = Session()
    *_, last = told = trained(context, session, **fields(steps=3, rate=0.01))
    assert ["before-training" in shown.result for shown in told if shown.result] == [True, False]
    cells = re.findall(
        r"<td>(same meaning|unrelated|look-alike)</td>.*?<td>([-\d.e]+)</td><td>([-\d.e]+)</td>", last.result
    )
    assert len(cells) == 120
    (a, b), *_ = measured_pairs()["similar"]
    for encoder, shown in ((context.encoder("bidirectional"), cells[0][1]), (session.encoder, cells[0][2])):
        x, y = encoder.encode([a, b], normalize=True)
        assert float(shown) == pytest.approx(float(x @ y), abs=1e-3)
    assert last.result.count("<circle") == 2 * 40 + 1


def test_a_status_names_its_model_and_says_where_the_adapter_will_be(context, monkeypatch):
    """The visitor looks at another model meanwhile."""
    monkeypatch.setattr(ui_turns, "WAIT_SECONDS", 0)
    session, queue = Session(), turns()
    other = running(queue)
    model.ask(queue, session)
    stream = model.run(queue, context, session, "ours", None, **fields(steps=2))
    assert f"{BUNDLED.label} · Waiting: another visitor is training." in next(stream).status
    queue.leave(other)
    home = copy.ELSEWHERE.format(label=BUNDLED.label)
    begun = next(shown.status for shown in stream if shown.status and "Setting up" in shown.status)
    assert home not in begun
    session.model_key = SMOLLM2.key
    shown = [view for view in stream if view.status]
    assert [f"{BUNDLED.label} · " in view.status and home in view.status for view in shown] == [True] * len(shown)
    assert "Step 2 of 2" in shown[-2].status and "Done. Step 2 of 2" in shown[-1].status
    last = shown[-1]
    assert f"in every tab while {BUNDLED.label} is in use, for this visit only" in last.own
    assert Path(last.download).name == "llm2vec-adapter-mini-mntp.zip"
    assert (session.own_model_key, session.model_key) == (BUNDLED.key, SMOLLM2.key)
    # What a later run leaves standing when it fails is about the model that was trained.
    assert session.by_tab[model.TAB_ID].standing.startswith(f"{BUNDLED.label} · Done.")


def test_the_length_of_a_run_is_told_in_seconds_that_were_measured_with_the_model():
    assert copy.length_info(BUNDLED).startswith(
        f"With {BUNDLED.label} on two idle processor cores, short: 10 to 25 seconds; longer: 22 to 46 seconds."
    )
    assert copy.length_info(SMOLLM2).startswith(
        f"With {SMOLLM2.label} on two idle processor cores, short: 27 to 43 seconds; longer: 56 to 87 seconds."
    )
    hub = replace(BUNDLED, key="hub:o/n", label="o/n")
    assert copy.length_info(hub).startswith("How long this takes with o/n was not measured.")


def test_stop_keeps_the_last_step(context):
    session, queue = Session(), turns()
    model.ask(queue, session)
    stream = model.run(queue, context, session, "ours", None, **fields(steps=50))
    shown = [next(stream) for _ in range(3)]
    waits = Session()
    assert "Waiting" in model.ask(queue, waits)
    model.stop(waits)
    assert "Stopping after this step" in model.stop(session)
    shown += list(stream)
    steps = int(re.search(r"after step (\d+) of 50 \(you stopped it\)", shown[-1].status).group(1))
    assert 1 <= steps < 50
    assert session.description.startswith(f"MNTP, {steps} step")
    assert "Setting up" in model.ask(queue, Session())
    assert "No run to stop" in model.stop(session)


def test_stop_before_the_first_step_stays_told(context):
    session, queue = Session(), turns()
    model.ask(queue, session)
    stream = model.run(queue, context, session, "ours", None, **fields(steps=50))
    while "Setting up" not in next(stream).status:
        pass
    model.stop(session)
    shown = [view.status for view in stream]
    assert "Stopping after the first step" in shown[0] and "after step 1 of 50 (you stopped it)" in shown[-1]


def test_time_is_bounded(context):
    short = AppContext(limits=replace(LIMITS, training_seconds=0.0))
    short.cache = context.cache
    last = trained(short, Session(), **fields(steps=50))[-1]
    assert "after step 1 of 50 (the limit is 0 s)" in last.status


def test_a_diverging_run_keeps_the_last_good_step_and_says_what_to_lower(context, monkeypatch):
    from llm2vec_core.training.loop import AdapterTraining

    good, plain = [], AdapterTraining.loss

    def loss(self, rows, number):
        if number == 3:
            return plain(self, rows, number) * float("nan")
        good.append([p.detach().clone() for p in self.parameters])
        return plain(self, rows, number)

    monkeypatch.setattr(AdapterTraining, "loss", loss)
    session = Session()
    shown = []
    with pytest.raises(TrainingError, match="lower learning_rate"):
        shown.extend(run_of(context, session, **fields(steps=9)))
    assert "after step 2 of 9 (the loss diverged)" in shown[-1].status
    assert session.description.startswith("MNTP, 2 steps")
    assert np.isfinite(session.encoder.encode(TEXTS)).all()


def run_of(context, session, **values):
    queue = turns()
    model.ask(queue, session)
    return model.run(queue, context, session, "ours", None, **values)


def test_a_failing_later_run_leaves_the_earlier_adapter(context):
    session = Session()
    trained(context, session, **fields())
    before, description = session.encoder, session.description
    for wrong in (fields(rate=1e9), fields(source="own"), fields(start="causal")):
        model.ask(queue := turns(), session)
        shown = []
        with pytest.raises(InputError):
            shown.extend(model.run(queue, context, session, "ours", None, **wrong))
        last = shown[-1]
        assert "Done. Step 2 of 2" in last.status
    assert (session.encoder, session.description) == (before, description)


def running(queue, seconds_left=None):
    job = QueuedJob()
    queue.join(job)
    assert queue.take(job)
    queue.tell(job, seconds_left)
    return job


def test_a_call_off_in_the_queue_trains_nothing(context):
    session, queue = Session(), turns()
    other = running(queue)
    assert "about 180 s" in model.ask(queue, session)
    assert "You left the queue" in model.stop(session)
    assert list(model.run(queue, context, session, "ours", None, **fields())) == [model.Shown()]
    # Pressed again: of the two that now wait, one runs.
    queue.leave(other)
    model.ask(queue, session)
    assert list(model.run(queue, context, session, "ours", None, **fields()))[-1].changed
    assert list(model.run(queue, context, session, "ours", None, **fields())) == [model.Shown()]


def test_who_waits_is_told_the_place_and_the_time(context):
    queue, visitors = turns(), [Session() for _ in range(3)]
    other = running(queue, seconds_left=20)
    first, second, third = (model.ask(queue, session) for session in visitors)
    assert "You are number 1 in the queue: about 20 s" in first
    assert "1 more waits before you. You are number 2 in the queue: about 200 s" in second
    assert "2 more wait before you. You are number 3 in the queue: about 380 s" in third
    model.stop(visitors[0])  # who leaves the queue is not waited for, and a second press is one place
    assert "number 3" in model.ask(queue, visitors[0])
    assert "number 3" in model.ask(queue, visitors[0])
    job = visitors[1].by_tab[model.TAB_ID]
    assert "number 1" in queue.told(job, queue.join(job))
    queue.leave(other)  # it took no time, so the next are expected to take none
    assert "number 2 in the queue: about 0 s" in model.ask(queue, visitors[0])


def test_who_waits_is_told_again_and_starts_by_itself(context, monkeypatch):
    monkeypatch.setattr(ui_turns, "WAIT_SECONDS", 0)
    session, queue = Session(), turns()
    other = running(queue, seconds_left=20)
    model.ask(queue, session)
    stream = model.run(queue, context, session, "ours", None, **fields())
    assert "about 20 s" in next(stream).status
    queue.tell(other, 10)
    assert "about 10 s" in next(stream).status
    assert next(stream) == model.Shown()  # the same
    model.stop(session)
    assert "You left the queue" in list(stream)[-1].status
    model.ask(queue, session)
    stream = model.run(queue, context, session, "ours", None, **fields())
    assert "number 1" in next(stream).status
    queue.leave(other)
    assert "Done. Step 2 of 2" in list(stream)[-1].status


@pytest.mark.parametrize("steps_seen", [1, 4])
def test_a_page_that_is_closed_frees_its_place_at_once(context, steps_seen, monkeypatch):
    """In the queue, and in the middle of a run: gradio closes the generator."""
    monkeypatch.setattr(ui_turns, "WAIT_SECONDS", 0)
    session, queue = Session(), turns()
    other = running(queue) if steps_seen == 1 else None
    model.ask(queue, session)
    stream = model.run(queue, context, session, "ours", None, **fields(steps=50))
    for _ in range(steps_seen):
        next(stream)
    begun = time.monotonic()
    stream.close()
    assert time.monotonic() - begun < 10
    if other is not None:
        queue.leave(other)
    assert "Setting up" in model.ask(queue, Session())


def test_a_page_that_is_closed_before_its_run_came_keeps_no_place(monkeypatch):
    queue, gone = turns(), Session()
    model.ask(queue, gone)
    waits = Session()
    assert "number 1" in model.ask(queue, waits)
    later = time.monotonic() + 11
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert queue.join(waits.by_tab[model.TAB_ID]) == 0


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("rate", None, "learning rate is empty"), ("rate", "fast", "learning rate is fast"), ("rate", -1, "learning rate is -1"),
        ("rate", 1e9, "learning rate is 1000000000"), ("rate", float("nan"), "learning rate is nan"), ("steps", 0, "steps is 0"),
        ("steps", 401, "from 1 to 400"), ("steps", 2.5, "steps is 2.5"), ("rank", 65, "LoRA rank is 65"), ("batch", 1, "batch size is 1"),
        ("longest", 10**9, "maximum length is 1000000000"), ("seed", -1, "seed is -1"), ("start", "causal", "“Start from” is 'causal'"),
        ("objective", "<b>", "objective is '<b>'"),
    ],
)  # fmt: skip
def test_wrong_fields_are_named(field, value, message):
    with pytest.raises(InputError, match=message):
        checked_settings(**fields() | {field: value}, preset=BUNDLED, limits=LIMITS)


def own(texts) -> Texts:
    return Texts("mine.txt", tuple(texts))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (None, "not loaded any texts yet"), (["one"], "^1 different text is too few"),
        ([f"text {i}" for i in range(15)], "^15 different texts are too few"),
        (["same"] * 500, r"^1 different text \(500 with duplicates\)"),
        ([f"text {i}" for i in range(2001)], "2,001 texts are too many"),
    ],
)  # fmt: skip
def test_texts_that_teach_nothing(texts, message):
    with pytest.raises(InputError, match=message):
        training_data("mntp", "own", None if texts is None else own(texts), None, LIMITS)


def test_own_texts_are_learned_from_and_spelled_out(context):
    session = Session()
    session.texts = own([f"<b>Line {i}</b> about 'rivers' and banks" for i in range(20)] * 2)
    shown = trained(context, session, **fields(source="own"))
    assert "Not used for training: 20 duplicates" in shown[-1].status
    space: dict = {}
    exec(shown[0].code.split("start = ")[0], space)
    data = training_data("mntp", "own", session.texts, None, LIMITS)
    assert (space["train"], space["held_out"]) == (data.train, data.held_out)


def pairs_file(folder: Path, rows: list[dict]) -> str:
    file = folder / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def row(i: int, **other: str) -> dict:
    return {"query": f"question {i}", "positive": f"answer {i}", "negative": f"trap {i}"} | other


def test_own_pairs_are_cleaned_and_measured_apart(tmp_path):
    rows = [row(i) for i in range(120)] + [row(0), row(200, positive="question 200"), row(201, positive=" ")]
    data = training_data("supervised", "own", None, pairs_file(tmp_path, rows), LIMITS)
    assert data.left_out == "1 blank pairs, 1 pairs whose positive is the query, 1 duplicates"
    assert not {p.query for p in data.train} & {p.query for p in data.held_out}
    assert len(data.train) + len(data.held_out) == 120
    assert data.own_pairs
    assert {label: len(pairs) for label, pairs in data.measured.items()} == {
        "similar": 15,
        "unrelated": 15,
        "misleading": 15,
    }
    assert all(q[9:] == p[7:] for q, p in data.measured["similar"])
    assert all(q[9:] != p[7:] for q, p in data.measured["unrelated"])
    few = training_data("supervised", "own", None, pairs_file(tmp_path, rows[:16]), LIMITS)
    assert (few.own_pairs, few.measured) == (False, measured_pairs())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(i) for i in range(15)], "15 usable pairs are too few"),
        ([row(0)] * 3, r"^1 usable pair \(left out: 2 duplicates\) is too few"),
        (
            [row(i, positive=f"question {i}") for i in range(30)],
            r"0 usable pairs \(left out: 30 pairs whose positive is",
        ),
        ([row(i, positive="") for i in range(30)], "0 usable pairs"),
        ([row(i, positive="yes") for i in range(30)], "same positive"),
        ([row(i, query="why") for i in range(30)], "have the same query"),
        ([{"text": "a"}] * 20, "query"),
        ([row(i) for i in range(2001)], "more than 2,000 pairs"),
        ([row(i, positive="x" * 20_001) for i in range(20)], "Row 1 of pairs.jsonl has a text of 20,001"),
    ],
)
def test_pairs_that_cannot_be_used(tmp_path, rows, message):
    with pytest.raises(InputError, match=message):
        training_data("supervised", "own", None, pairs_file(tmp_path, rows), LIMITS)


def test_a_model_that_is_too_large_is_refused_before_anything_is_loaded(monkeypatch):
    monkeypatch.setattr("llm2vec_core.training.memory.available_memory", lambda: 8 * 10**9)
    large = AppContext(PRESETS["mistral-7b"])
    settings = checked_settings(**fields(), preset=large.preset, limits=LIMITS)
    with pytest.raises(ModelError, match=r"Training Mistral 7B Instruct v0\.2 takes about 29\.0 GB"):
        check_memory(large, settings)
    assert len(large.cache) == 0


def shares_told(card: str) -> list[float]:
    return [float(share) for share in re.findall(r'data-separation="\w+" data-before="([\d.]+)"', card)]


@every_pair
def test_before_a_run_the_stage_that_it_starts_from_is_measured(context):
    session = Session()
    shown = model.expected(context, session, "mntp", "bidirectional", 7)
    figure = json.loads(shown.plot)
    assert [len(trace["y"]) for trace in figure["data"]] == [0, 0, 1, 1, 1, 2]
    assert figure["layout"]["xaxis"]["range"] == pytest.approx([-0.14, 7.14])
    pairs = measure_pairs(context.encoder("bidirectional"), labelled_pairs(measured_pairs()))
    areas = [pairs.area(below=kind) for kind in ("unrelated", "misleading")]
    assert [trace["y"][0] for trace in figure["data"][3:5]] == pytest.approx(areas, abs=1e-4)
    assert shares_told(shown.result) == pytest.approx(areas, abs=1e-4)
    assert shown.result.count("<circle") == 40 + 1
    # A run measures the same, and what a long training reached is that stage's own beginning.
    data = training_data("mntp", "ours", None, None, LIMITS)
    running = train(context, recipe_settings("mntp", "bidirectional", BUNDLED), data, QueuedJob())
    first = next(progress for progress in running if progress.held_out)
    running.close()
    full = starting_point(context, "mntp", "mntp")
    notice = figure["meta"]["notice"]
    assert figure["data"][2]["y"] == pytest.approx([first.held_out[0][1]], abs=1e-4)
    assert f"the starting point, “Bidirectional, untrained”: held-out loss {first.held_out[0][1]:.3f}" in notice
    assert f"(1,000 steps, batch size 128) and has held-out loss {full.held_out[0][1]:.3f}" in notice
    assert figure["data"][5]["y"] == pytest.approx([full.held_out[0][1]] * 2, abs=1e-4)
    assert full.held_out[0][1] < first.held_out[0][1]


def test_a_run_of_this_visitor_stays_on_the_screen_until_another_model_is_looked_at(context):
    session = Session()
    trained(context, session, **fields())
    assert model.expected(context, session, "simcse", "mntp", 24) == model.Shown()
    session.by_tab[model.TAB_ID].drawn = "another model"
    assert model.expected(context, session, "mntp", "bidirectional", None).plot
    model.ask(turns(), session)  # and so does one that is about to begin
    assert model.expected(context, session, "mntp", "bidirectional", None) == model.Shown()
    for wrong in (("gan", "mntp"), ("mntp", "causal"), ("mntp", "own"), (None, None)):
        assert model.expected(context, Session(), *wrong, 9) == model.Shown()


def test_a_model_of_the_hub_is_not_measured_unasked_and_one_too_large_is_named(context, monkeypatch):
    monkeypatch.setattr("llm2vec_core.training.memory.available_memory", lambda: 8 * 10**9)
    hub = AppContext(replace(BUNDLED, key="hub:o/n", label="o/n"))
    monkeypatch.setattr("llm2vec_core.presets.ModelPreset.bundled", False)
    assert "it is measured when you press Train" in model.expected(hub, Session(), "mntp", "bidirectional", 60).status
    with pytest.raises(ModelError, match=r"Training Mistral 7B Instruct v0\.2 takes about 29\.0 GB"):
        model.expected(AppContext(PRESETS["mistral-7b"]), Session(), "mntp", "bidirectional", 60)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [([0.0, 0.4], [0.6, 0.8], "rose"), ([0.6, 0.8], [0.0, 0.4], "fell"), ([0.6, 0.8], [0.61, 0.79], "hardly changed")],
)
def test_the_card_tells_each_sign_of_a_change(before, after, told):
    stages = [PairCosines({"similar": np.array(c), "unrelated": np.array([0.1, 0.5])}) for c in (before, after)]
    pairs = {kind: [("a", "b")] * 2 for kind in ("similar", "unrelated")}
    card, own = (
        render("train/pairs.html", measured=MeasuredPairs(pairs, *stages, own), charts=charts, copy=copy)
        for own in (False, True)
    )
    areas = [float(np.mean([s > u for s in c for u in (0.1, 0.5)])) for c in (before, after)]
    assert f'data-separation="unrelated" data-before="{areas[0]:.4f}" data-after="{areas[1]:.4f}"' in card
    for whose, shown in (("our", card), ("your", own)):
        assert f"{whose.capitalize()} held-out pairs before and after" in shown
        assert (
            f"Separation from {whose} unrelated pairs {told}: {areas[0]:.3f} before, {areas[1]:.3f} after (2 pairs"
            in shown
        )


def test_marks_that_would_cover_each_other_are_moved_apart():
    places = charts.swarm([10.0] * 5 + [100.0])
    assert places[-1] == (100.0, 0.0)
    assert len({dy for x, dy in places if x == 10.0}) == 5
    # A chart is as wide as a telephone's card, its words at least 12 pixels high there.
    stage = PairCosines({kind: np.linspace(0.1, 0.9, 9) for kind in copy.KINDS})
    picture = charts.pair_chart(MeasuredPairs({}, stage, stage))
    assert float(re.search(r'viewBox="0 0 (\d+)', picture).group(1)) <= 338
    assert min(map(float, re.findall(r'font-size="([\d.]+)"', picture))) >= 12
    xs = [float(x) for x in re.findall(r'cx="([\d.]+)"', picture)]
    assert len(xs) == 18 and max(xs) + charts.DOT < charts.WIDTH


def test_hostile_texts_are_escaped_in_the_card(context, tmp_path):
    rows = [row(i, query=f"<img src=x onerror=alert({i})>") for i in range(120)]
    data = training_data("supervised", "own", None, pairs_file(tmp_path, rows), LIMITS)
    settings = checked_settings(**fields("supervised", "own", steps=1), preset=BUNDLED, limits=LIMITS)
    *_, progress = train(context, settings, data, QueuedJob())
    card = model.pairs_card(progress)
    assert "<img" not in card
    assert "&lt;img src=x onerror=alert(0)&gt;" in card


def test_archives_are_the_same_each_time(context):
    settings = checked_settings(**fields(), preset=BUNDLED, limits=LIMITS)
    *_, progress = train(context, settings, training_data("mntp", "ours", None, None, LIMITS), QueuedJob())
    first, second = (adapter_archive(progress, BUNDLED, "MNTP") for _ in range(2))
    assert first == second
    assert zipfile.ZipFile(io.BytesIO(first)).testzip() is None


@every_pair
def test_what_a_larger_model_begins_with_is_stored(monkeypatch):
    """No weights are loaded to show it, and its recipe is one that two cores can do."""
    large = AppContext(SMOLLM2)
    monkeypatch.setattr(large, "encoder", lambda key: pytest.fail(f"{key} was loaded"))
    for objective in RECIPES:
        start = default_start(objective, SMOLLM2)
        shown = model.expected(large, Session(SMOLLM2.key), objective, start, 5)
        areas = [
            PairCosines({label: rows[1::2] for label, rows in large.pair_cosines(start).by_label.items()}).area(
                below=kind
            )
            for kind in ("unrelated", "misleading")
        ]
        assert shares_told(shown.result) == pytest.approx(areas, abs=1e-4)
        found = recipe_settings(objective, start, SMOLLM2)
        assert found.steps * found.batch_size * found.max_length < 5_000
    assert default_start("mntp", SMOLLM2) == "bidirectional"
    figure = json.loads(model.expected(large, Session(SMOLLM2.key), "mntp", "bidirectional", 5).plot)
    assert "(1,200 steps, batch size 96) and has separation" in figure["meta"]["notice"]
    # The panel of the loss is empty until a run begins, and says what will be there.
    assert [note["text"] for note in figure["layout"]["annotations"]] == [copy.NO_LOSS_YET]
    assert figure["layout"]["yaxis"]["showticklabels"] is False


def test_another_model_sets_its_recipe_and_leaves_what_was_typed(context):
    session, large = Session(SMOLLM2.key), AppContext(SMOLLM2)
    drawn = BUNDLED.key, view.recipe_fields("mntp", "20", BUNDLED)
    typed = drawn[1] | {"rate": 0.002}
    fitted = view.fitted_fields(large, session, "mntp", "20", drawn, typed)
    assert fitted == {"steps": 8, "batch": 8, "longest": 64, "start": "bidirectional"}
    # Late, when the visitor has gone on typing: they are this model's already.
    assert view.fitted_fields(large, session, "mntp", "20", drawn, typed | {"steps": 2}) == {}
    session.model_key = BUNDLED.key
    back = view.fitted_fields(context, session, "mntp", "20", drawn, typed | fitted | {"steps": 2})
    assert back == {"batch": 16, "longest": 64, "start": "bidirectional"}


def test_a_model_chosen_after_a_link_was_followed_sets_its_recipe(context):
    """The link's number stays, as one that was typed does; what the link's model had set does not."""
    session, large = Session(BUNDLED.key), AppContext(SMOLLM2)
    recipe = view.recipe_fields("mntp", "20", BUNDLED)
    linked = recipe | {"steps": 3}
    assert view.fitted_fields(context, session, "mntp", "20", (BUNDLED.key, recipe), linked) == {}
    session.model_key = SMOLLM2.key
    of_the_page = SMOLLM2.key, view.recipe_fields("mntp", "20", SMOLLM2)  # as the page names it after the switch
    fitted = view.fitted_fields(large, session, "mntp", "20", of_the_page, linked)
    assert fitted["batch"] == 8 and fitted["start"] == "bidirectional" and "steps" not in fitted


def test_a_stage_whose_adapters_stand_beside_the_weights_is_trained_as_a_merged_one(context, monkeypatch, tmp_path):
    """A larger model keeps one set of weights for all stages; a new adapter needs the stage's own."""
    monkeypatch.setattr("llm2vec_core.ui.context.MERGED_BYTES", 0)
    staged = AppContext(BUNDLED)
    data = training_data("simcse", "ours", None, None, LIMITS)
    settings = replace(recipe_settings("simcse", "mntp", BUNDLED), steps=1, batch_size=4)
    before = staged.encoder("mntp").encode("The bank was steep.")
    assert staged.needs_copy("mntp") and not staged.needs_copy("bidirectional") and not context.needs_copy("mntp")
    *_, mine = train(staged, settings, data, QueuedJob())
    *_, merged = train(context, settings, data, QueuedJob())
    assert mine.losses == pytest.approx(merged.losses, rel=1e-4)
    np.testing.assert_array_equal(staged.encoder("mntp").encode("The bank was steep."), before)
    with zipfile.ZipFile(io.BytesIO(adapter_archive(mine, BUNDLED, "one step"))) as archive:
        archive.extractall(tmp_path)
    session = Session()
    files = [str(file) for file in tmp_path.rglob("*") if file.suffix in (".json", ".safetensors")]
    uploads.load(staged, session, files, "bidirectional")
    assert_close(session.encoder.encode("river"), mine.encoder.encode("river"))


def test_pairs_in_a_named_encoding(tmp_path):
    file = tmp_path / "pairs.csv"
    file.write_bytes(("query,positive\n" + "".join(f"вопрос {i},ответ {i}\n" for i in range(20))).encode("cp1251"))
    with pytest.raises(InputError, match="give its encoding, such as cp1251"):
        training_data("supervised", "own", None, str(file), LIMITS)
    with pytest.raises(InputError, match="choose its encoding below"):
        pairs_preview(str(file), LIMITS, "")
    data = training_data("supervised", "own", None, str(file), LIMITS, "cp1251")
    assert {pair.query for pair in (*data.train, *data.held_out)} == {f"вопрос {i}" for i in range(20)}
    shown = pairs_preview(str(file), LIMITS, "cp1251")
    assert "CP1251" in shown and "вопрос 0" in shown and "(embedded)" not in shown
