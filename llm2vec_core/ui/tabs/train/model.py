"""What the fields of this tab set off: values in, rendered results out."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.presets import ModelPreset
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.downloads import offer
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.train import charts, copy
from llm2vec_core.ui.tabs.train.charts import curves
from llm2vec_core.ui.tabs.train.code import training_snippet
from llm2vec_core.ui.tabs.train.copy import held_out_sentence
from llm2vec_core.ui.tabs.train.data import TrainingData, training_data
from llm2vec_core.ui.tabs.train.files import adapter_archive
from llm2vec_core.ui.tabs.train.measured import MeasuredPairs
from llm2vec_core.ui.tabs.train.run import (
    Progress,
    QueuedJob,
    check_memory,
    long_training,
    starting_point,
    train,
)
from llm2vec_core.ui.tabs.train.settings import RECIPES, Settings, checked_settings, default_start, recipe_settings
from llm2vec_core.ui.templates import render
from llm2vec_core.ui.turns import LEFT, Turns
from llm2vec_core.ui.user_texts import BUNDLED_TEXTS, USER_TEXTS

REDRAW_SECONDS = 1.0
NOTHING = f"{LEFT} Nothing was trained."
TAB_ID = "train"


def training_status(message: str, *, busy: bool = False, share: float | None = None) -> str:
    """One line under the training button, and how far the run is.

    Args:
        message: plain text.
        busy: whether a run goes on.
        share: of the steps done, from 0 to 1.
    """
    return render("train/status.html", message=message, busy=busy, share=share)


def about(context: AppContext, message: str) -> str:
    """A message about a model's run: the visitor may look at another model meanwhile."""
    return f"{context.preset.label} · {message}"


def run_status(
    context: AppContext, session: Session, message: str, share: float | None = None, *, busy: bool = True
) -> str:
    """The status of a run: which model it trains, and where its adapter is found by a visitor who looks at another.

    Args:
        context: of the model that is trained.
        session: of the visitor.
        message: plain text.
        share: of the steps done, from 0 to 1.
        busy: whether the run goes on.
    """
    label = context.preset.label
    elsewhere = "" if session.model_key == context.preset.key else copy.ELSEWHERE.format(label=label)
    return training_status(about(context, message) + elsewhere, busy=busy, share=share)


def own_adapter(context: AppContext, description: str, note: str = "") -> str:
    """The line that says that an adapter is in use.

    Args:
        context: of the model that it stands on.
        description: how it was made, in a few words.
        note: what else is to be known of it.
    """
    return render("train/own_adapter.html", model=context.preset.label, description=description, note=note)


def pairs_card(progress: Progress) -> str:
    """The card of the held-out pairs, before a run or after it."""
    data = progress.data
    measured = MeasuredPairs(data.measured, progress.before, progress.after, data.own_pairs)
    return render("train/pairs.html", measured=measured, charts=charts, copy=copy)


class Shown(NamedTuple):
    """What the tab shows; None where it stays as it is.

    Attributes:
        status: HTML.
        plot: value of the curves.
        own: HTML, the confirmation that an adapter is in use.
        result: HTML, the card of before and after.
        download: path of the archive; "" where there is nothing to fetch any more.
        code: Python.
        changed: whether the visitor has another adapter.
    """

    status: str | None = None
    plot: str | None = None
    own: str | None = None
    result: str | None = None
    download: str | None = None
    code: str | None = None
    changed: bool = False


def expected(context: AppContext, session: Session, objective: str, start: str, steps: Any) -> Shown:
    """What the tab shows before anything is trained: the measures of the stage that a run would begin with.

    Args:
        context: of the visitor's model.
        session: whose run, if there was one, stays on the screen.
        objective: a key of :data:`~llm2vec_core.ui.tabs.train.settings.RECIPES`.
        start: key of the stage to start from.
        steps: of the run, for the axis; what is no number of steps is passed over.

    Raises:
        ModelError: if the model is too large to be trained here.
    """
    preset = context.preset
    known = objective in RECIPES and start in [stage.key for stage in preset.stages if stage.bidirectional]
    if not known or _has_run(session, preset):
        return Shown()
    check_memory(context, recipe_settings(objective, start, preset))
    if not preset.bundled and context.stored_pair_cosines(start) is None:
        return Shown(training_status(copy.NOT_MEASURED.format(label=preset.label)))
    point = starting_point(context, objective, start)
    is_number = isinstance(steps, int) and 1 <= steps <= context.limits.training_steps
    settings = replace(point.settings, steps=steps) if is_number else point.settings
    longer = long_training(context, settings)
    if _has_run(session, preset):  # begun while this was measured
        return Shown()
    notice = copy.expectation(preset.stage(start).label, point, longer)
    return Shown(
        plot=curves(context, replace(point, settings=settings), notice),
        result=pairs_card(point),
    )


def _has_run(session: Session, preset: ModelPreset) -> bool:
    job = session.by_tab.get(TAB_ID)
    return job is not None and (not job.stopped or job.drawn == preset.key)


def warm_up(context: AppContext) -> None:
    """Measure what the objective that the tab opens with begins with; the others are measured when they are chosen."""
    first = next(iter(RECIPES))
    expected(context, Session(context.preset.key), first, default_start(first, context.preset), None)


def ask(queue: Turns, session: Session) -> str:
    """The button was pressed: note it, and say whether there is a queue.

    Returns:
        The status, as HTML.
    """
    earlier = session.by_tab.get(TAB_ID) or QueuedJob()
    earlier.stopped = earlier.stopped or not earlier.taken
    session.by_tab[TAB_ID] = job = QueuedJob(standing=earlier.standing, drawn=earlier.drawn)
    before = queue.join(job)
    return training_status(queue.told(job, before) if before else "Setting up …", busy=True)


def stop(session: Session) -> str:
    """*Stop* was pressed.

    Returns:
        The status, as HTML.
    """
    job = session.by_tab.get(TAB_ID)
    if job is None or job.stopped:
        return training_status("No run to stop.")
    job.stopped = True
    if not job.taken:
        return training_status(NOTHING)
    return training_status("Stopping after this step …", busy=True)


def run(
    queue: Turns,
    context: AppContext,
    session: Session,
    pairs_source: str,
    pairs_file: str | None,
    pairs_encoding: str = "",
    **fields: Any,
) -> Iterator[Shown]:
    """Train for a visitor.

    Args:
        queue: of training runs.
        context: of the visitor's model.
        session: gets the adapter.
        pairs_source: "ours" or "own", for supervised training.
        pairs_file: the visitor's own pairs.
        pairs_encoding: of the pairs' file; "" to find it out.
        fields: of :func:`llm2vec_core.ui.tabs.train.settings.checked_settings`.

    Raises:
        LLM2VecError: if a field, the data or the model cannot be used, or the run diverged; what could be kept has been
            yielded before.
    """
    job = session.by_tab.get(TAB_ID)
    # Presses that were cancelled in the queue: one run a job, the newest.
    if job is None or job.taken or job.stopped:
        # A generator that yields nothing would empty what is shown.
        yield Shown()
        return
    mine = waited = False
    try:
        for told in queue.until(job):
            waited = True
            yield Shown(run_status(context, session, told)) if told else Shown()
        if not (mine := queue.take(job)):
            # Said again: a place that was told at the same moment may have covered it.
            left = waited and job.stopped and session.by_tab.get(TAB_ID) is job
            yield Shown(training_status(NOTHING)) if left else Shown()
            return
        session.hold_uploads(*map(Path, filter(None, [pairs_file])))
        yield from _run(queue, context, session, job, pairs_source, pairs_file, pairs_encoding, fields)
    except Exception:
        # The notice says what was wrong; the status is again what it was.
        yield Shown(training_status(job.standing))
        raise
    finally:
        # Also when the page was closed; not when another press has started the job meanwhile.
        if mine or not job.taken:
            queue.leave(job)
            job.stopped = True


def _run(
    queue: Turns,
    context: AppContext,
    session: Session,
    job: QueuedJob,
    pairs_source: str,
    pairs_file: str | None,
    pairs_encoding: str,
    fields: Mapping[str, Any],
) -> Iterator[Shown]:
    source = {"source": pairs_source} if fields["objective"] == "supervised" else {}
    settings = checked_settings(**{**fields, **source}, preset=context.preset, limits=context.limits)
    data = training_data(settings.objective, settings.source, session.texts, pairs_file, context.limits, pairs_encoding)
    yield Shown(
        run_status(context, session, f"Setting up: {len(data.train):,} examples from {data.name} …"),
        code=_code(context, session, settings, pairs_file),
    )
    drawn = 0.0
    progress: Progress | None = None
    for progress in train(context, settings, data, job):
        queue.tell(job, progress.seconds_left)
        # What follows the last step takes seconds, and is said at once.
        last = job.stopped or len(progress.losses) == settings.steps
        if progress.after is None and (last or time.monotonic() - drawn > REDRAW_SECONDS):
            drawn = time.monotonic()
            # An earlier run's card stays until this one has an end of its own.
            card = None if job.drawn else pairs_card(progress)
            job.drawn = context.preset.key
            told, share = going_on(progress, last)
            status = run_status(context, session, told, share)
            yield Shown(status, curves(context, progress, held_out_sentence(progress)), result=card)
    yield finished(context, session, progress, job)
    if progress.failure is not None:
        raise progress.failure


def going_on(progress: Progress, last: bool) -> tuple[str, float]:
    """How far a run is, in words and as a share of its steps; after its last step it is measured."""
    steps, done = progress.settings.steps, len(progress.losses)
    if not done:
        told = "Stopping after the first step …" if last else "Measured before training. First step …"
        return told, 0.0
    left = "" if last or progress.seconds_left is None else f", about {progress.seconds_left:.0f} s left"
    measuring = " Measuring what was learned …" if last else ""
    told = f"Step {done} of {steps}, loss {progress.losses[-1]:.3f}, {progress.seconds:.0f} s so far{left}.{measuring}"
    return told, done / steps


def finished(context: AppContext, session: Session, progress: Progress, job: QueuedJob) -> Shown:
    """Hand a run's adapter to the visitor, and show its end."""
    settings = progress.settings
    if progress.encoder is None:
        kept = " Your earlier adapter is still in use." if session.encoder is not None else ""
        job.standing = about(context, f"No step was completed: {progress.ended}.{kept}")
        return Shown(training_status(job.standing))
    name = copy.OBJECTIVE_NAMES[settings.objective]
    stage = context.preset.stage(settings.start)
    steps = f"{progress.steps_done} step{'s' if progress.steps_done > 1 else ''}"
    description = f"{name}, {steps} from {stage.label}"
    archive = adapter_archive(progress, context.preset, description)
    hand_over(session, context, beside(context.encoder(settings.start), progress), description)
    session.keep_yardsticks(progress.yardsticks)
    status = f"Done. Step {progress.steps_done} of {settings.steps} in {progress.seconds:.0f} s."
    if progress.ended:
        status = (
            f"Stopped after step {progress.steps_done} of {settings.steps} ({progress.ended}), "
            f"{progress.seconds:.0f} s. The adapter is kept as it was after that step."
        )
    left_out = f" Not used for training: {progress.data.left_out}." if progress.data.left_out else ""
    status = f"{status} {held_out_sentence(progress)}{left_out}"
    job.standing = about(context, status)
    job.drawn = context.preset.key
    return Shown(
        run_status(context, session, status, busy=False),
        curves(context, progress, held_out_sentence(progress)),
        own_adapter(context, description, _seen_note(progress.data, settings)),
        pairs_card(progress),
        offer(
            f"llm2vec-adapter-{context.preset.key.rpartition('/')[2]}-{settings.objective}.zip",
            archive,
        ),
        changed=True,
    )


def _seen_note(data: TrainingData, settings: Settings) -> str:
    if settings.source == BUNDLED_TEXTS and settings.objective == "supervised":
        return "It was trained on half of the labelled queries, so its scores on our collection in Search are too high."
    return (
        ""
        if settings.source != BUNDLED_TEXTS
        else "It was trained on the texts of our collection, but not on their labels."
    )


def beside(stage: LLM2Vec, progress: Progress) -> LLM2Vec:
    """A run's adapter beside the weights of the stage that it started from, which are at hand.

    The weights that it was trained on may be a copy, which goes with the run; and what trains computes more than what
    only reads.

    Args:
        stage: the encoder of that stage.
        progress: of the run, at its end.
    """
    with tempfile.TemporaryDirectory(prefix="training-") as folder:
        progress.training.save(folder)
        return stage.with_adapters([folder]).with_settings(pooling_mode=progress.encoder.pooling_mode)


def hand_over(session: Session, context: AppContext, encoder: LLM2Vec, description: str) -> None:
    """Make an encoder the visitor's own.

    Args:
        session: who gets it.
        context: of the model that it stands on.
        encoder: with the adapter.
        description: how it was made, in a few words.
    """
    session.encoder = encoder
    session.own_model_key = context.preset.key
    session.description = description
    session.forget_measurements()


def _code(context: AppContext, session: Session, settings: Settings, pairs_file: str | None) -> str:
    texts = session.texts if settings.source == USER_TEXTS else None
    return training_snippet(context.preset, settings, texts, Path(pairs_file).name if pairs_file else "")
