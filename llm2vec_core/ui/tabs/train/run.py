"""One run of training, as the page follows it. Knows no gradio."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from llm2vec_core.comparison import Yardstick
from llm2vec_core.constants import bundled_yardsticks
from llm2vec_core.encoder import LLM2Vec, gpu_is_lent
from llm2vec_core.errors import TrainingError
from llm2vec_core.loading import available_memory
from llm2vec_core.presets import ModelPreset, Stage
from llm2vec_core.processes import prepare, steps_in_process
from llm2vec_core.separation import PairCosines, labelled_pairs, measure_pairs
from llm2vec_core.threads import iterate_in_thread
from llm2vec_core.training.bundled import MEASURED_ROWS
from llm2vec_core.training.config import TrainingConfig
from llm2vec_core.training.memory import BYTES, VIEWS, refuse_untrainable, training_bytes
from llm2vec_core.training.objectives import make_objective
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.cores import CORES
from llm2vec_core.ui.limits import Limits
from llm2vec_core.ui.tabs.train.copy import NOTHING_YET
from llm2vec_core.ui.tabs.train.data import TrainingData, training_data
from llm2vec_core.ui.tabs.train.settings import Settings, held_out_every, recipe_of, recipe_settings
from llm2vec_core.ui.turns import Job
from llm2vec_core.ui.zero_gpu import START_SECONDS, loan_for, on_lent_gpu, parameters

if TYPE_CHECKING:
    from llm2vec_core.training.events import StepEvent
    from llm2vec_core.training.loop import AdapterTraining

STEPS_TO_ESTIMATE = 3
# A training step reads forward and backward.
BACKWARD_TOO = 3
# Whoever looks at the page goes before a run's process; before its steps, where it has none of its own.
NICE = 19


@dataclass(eq=False)
class QueuedJob(Job):
    """One press of the Train button.

    Attributes:
        standing: status of the last finished run; a failed run leaves it unchanged.
        drawn: key of the model whose run the curves show; "" for none.
    """

    standing: str = NOTHING_YET
    drawn: str = ""


_STAYS = ("settings", "data", "training", "encoder")
# What comes back from another process.
Weights = Generator[dict[str, Any], None, list[np.ndarray]]


@dataclass
class Progress:
    """State of a run so far.

    Attributes:
        settings: of the run.
        data: of the run.
        losses: of each step, in nats.
        held_out: (step, loss) on held-out examples.
        separations: by the other kind of pair, (step, area under ROC).
        before: cosines of the measured pairs at the start.
        after: and at the end; None while it goes on.
        seconds: since the first step began.
        seconds_left: estimated from the steps so far; None before enough of them.
        steps_done: steps that the adapter was updated in.
        ended: "", or why the run ended early.
        training: what can be saved.
        yardsticks: of the adapter at the end, by pooling mode: the other tabs hold its cosines against them.
        encoder: with the adapter, once the run has ended with at least one step.
        failure: the error that ended it, if one did.
    """

    settings: Settings
    data: TrainingData
    losses: list[float] = field(default_factory=list)
    held_out: list[tuple[int, float]] = field(default_factory=list)
    separations: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    before: PairCosines | None = None
    after: PairCosines | None = None
    seconds: float = 0.0
    seconds_left: float | None = None
    steps_done: int = 0
    ended: str = ""
    training: AdapterTraining | None = None
    yardsticks: dict[str, Yardstick] | None = None
    encoder: LLM2Vec | None = None
    failure: TrainingError | None = None

    def measured(self, cosines: PairCosines, step: int) -> None:
        """Record a measurement of the pairs."""
        for other in cosines.by_label:
            if other != "similar":
                self.separations.setdefault(other, []).append((step, cosines.area(below=other)))

    def told(self) -> dict[str, Any]:
        """What has been measured so far; the rest stays in the process that trains."""
        return {name: value for name, value in vars(self).items() if name not in _STAYS}

    def report(self) -> dict[str, Any]:
        """What goes into ``training.json``."""
        found: dict[str, Any] = {"start": self.settings.start, "data": self.data.name}
        if len(self.held_out) > 1:
            found |= {"held_out_loss_before": self.held_out[0][1], "held_out_loss_after": self.held_out[-1][1]}
        for other, points in self.separations.items():
            found |= {f"separation_{other}_before": points[0][1], f"separation_{other}_after": points[-1][1]}
        return found


def check_memory(context: AppContext, settings: Settings) -> None:
    """Refuse what does not fit before anything is loaded.

    Raises:
        ModelError: saying how much is needed and how much there is.
    """
    preset = context.preset
    loaded = context.is_loaded(settings.start) and not context.needs_copy(settings.start)
    # The weights alone may be too many: then not even the configuration is fetched.
    refuse_untrainable(preset.label, 0 if loaded else preset.parameters * BYTES)
    needed = training_bytes(
        preset.parameters, context.config(), training_config(settings, preset), settings.objective, loaded=loaded
    )
    refuse_untrainable(preset.label, needed)


def training_config(settings: Settings, preset: ModelPreset) -> TrainingConfig:
    """The settings as the core takes them, for this model."""
    return TrainingConfig(
        steps=settings.steps,
        batch_size=settings.batch_size,
        max_length=settings.max_length,
        learning_rate=settings.learning_rate,
        lora_rank=settings.rank,
        lora_alpha=2 * settings.rank,
        held_out_every=held_out_every(settings.steps, recipe_of(settings.objective, preset).held_out_times),
        seed=settings.seed,
    )


def new_training(context: AppContext, settings: Settings, data: TrainingData, base: LLM2Vec) -> AdapterTraining:
    """A run whose adapter changes nothing yet."""
    # PEFT takes seconds to import; a visitor who never trains should not wait for it.
    from llm2vec_core.training.head import load_head
    from llm2vec_core.training.loop import AdapterTraining

    options = dict(recipe_of(settings.objective, context.preset).options)
    if settings.objective == "mntp" and not context.config().tie_word_embeddings:
        options["head"] = load_head(context.preset.base)
    return AdapterTraining(
        base,
        make_objective(settings.objective, options),
        data.train,
        training_config(settings, context.preset),
        data.held_out,
    )


def begin(context: AppContext, settings: Settings, data: TrainingData, base: LLM2Vec | None = None) -> Progress:
    """Everything up to the first step: an adapter that changes nothing yet, and what is measured of it.

    Args:
        context: of the model.
        settings: of the run.
        data: of the run.
        base: the encoder to start from; by default it is loaded.

    Raises:
        ModelError: if the model cannot be loaded or is too large.
        InputError: if there are too few examples.
    """
    if base is None:
        check_memory(context, settings)
        base = context.trainable(settings.start)
    progress = Progress(settings, data)
    progress.training = training = new_training(context, settings, data, base)
    progress.before = _stored_before(context, settings.start, data) or measure_pairs(
        training.encoder(), labelled_pairs(data.measured)
    )
    progress.measured(progress.before, 0)
    if (loss := training.held_out_loss()) is not None:
        progress.held_out.append((0, loss))
    return progress


def _stored_before(context: AppContext, start: str, data: TrainingData) -> PairCosines | None:
    """The cosines of our measured pairs under a stage, which a new adapter does not change; None if not stored."""
    stored = None if data.own_pairs else context.stored_pair_cosines(start)
    return stored and PairCosines({label: cosines[MEASURED_ROWS] for label, cosines in stored.by_label.items()})


def starting_point(context: AppContext, objective: str, start: str) -> Progress:
    """Where a run on our own data would begin; measured once for an objective and a stage.

    Args:
        context: of the model.
        objective: a key of :data:`~llm2vec_core.ui.tabs.train.settings.RECIPES`.
        start: key of the stage.
    """

    def measure() -> Progress:
        settings = recipe_settings(objective, start, context.preset)
        data = training_data(objective, settings.source, None, None, context.limits)
        before = _stored_before(context, start, data)
        if before and not context.preset.bundled:  # a larger model's held-out loss takes seconds: it comes with the run
            progress = Progress(settings, data, before=before)
            progress.measured(before, 0)
            return progress
        progress = begin(context, settings, data)
        progress.training = None  # it will learn nothing, and would hold an adapter in memory
        return progress

    return context.cache.get(("starting point", objective, start), measure)


def trained_alike(preset: ModelPreset, objective: str, start: str) -> Stage | None:
    """The stage that a long training with the same objective made of this one, if the model has one."""
    beneath = preset.stage(start).adapters
    found = [stage for stage in preset.stages if stage.adapters and stage.adapters[:-1] == beneath]
    return next((stage for stage in found if stage.key.rpartition("-")[2] == objective), None)


def compared_with(context: AppContext, settings: Settings) -> Progress | None:
    """Where that long training ended, if it can be measured on the same examples, truncated and batched alike."""
    stage = trained_alike(context.preset, settings.objective, settings.start)
    usual = recipe_settings(settings.objective, settings.start, context.preset)
    alike = all(getattr(settings, name) == getattr(usual, name) for name in ("source", "batch_size", "max_length"))
    if stage is None or not alike or context.stored_pair_cosines(stage.key) is None:
        return None
    return starting_point(context, settings.objective, stage.key)


@dataclass(frozen=True)
class LongTraining:
    """A long run with the same objective from the same stage, trained in advance.

    Attributes:
        label: of the stage that it made.
        steps: that it took.
        batch_size: of a step.
        point: what is measured of it; None if it cannot be measured alike.
    """

    label: str
    steps: int
    batch_size: int
    point: Progress | None


def long_training(context: AppContext, settings: Settings) -> LongTraining | None:
    """The bundled training to compare a run with; None where there is none."""
    stage = trained_alike(context.preset, settings.objective, settings.start)
    file = Path(stage.adapters[-1]) / "training.json" if stage else None
    if stage is None or not file.is_file():  # an adapter of the Hub
        return None
    report = json.loads(file.read_text(encoding="utf-8"))
    return LongTraining(stage.label, report["steps_done"], report["batch_size"], compared_with(context, settings))


def train(context: AppContext, settings: Settings, data: TrainingData, job: QueuedJob) -> Iterator[Progress]:
    """Train; yields the same :class:`Progress` at the start, after every step, and at the end.

    The end comes after the last step, when the job is stopped, when the time is over, or when the loss is no longer
    finite: each time the adapter is as the last good step left it.

    Raises:
        ModelError: as :func:`begin` does.
        InputError: likewise.
    """
    check_memory(context, settings)
    base, limit = context.trainable(settings.start), context.limits.training_seconds
    if seconds := _loan(settings, base):
        yield from _train_on_lent_gpu(context, settings, data, job, base, seconds)
    elif runs_apart(context, settings, base):
        get_ready()
        running = steps_in_process(
            _train_apart,
            *(context.preset, context.limits, settings, data, CORES.count),
            stopped=lambda: job.stopped,
        )
        with CORES.shared():
            yield from _brought_back(context, settings, data, base, running)
    else:
        yield from _train(context, settings, data, base, lambda: job.stopped, limit)


def get_ready() -> None:
    """A visitor may train soon: have what a process of its own needs imported."""
    prepare(__name__, "llm2vec_core.training.loop", nice=NICE)


def runs_apart(context: AppContext, settings: Settings, base: LLM2Vec) -> bool:
    """Whether a run has a process of its own: where it computes on the processor, and memory holds the weights twice.

    Python lets one thread of a process run at a time, so a run in this one would slow every visitor's answer down.
    """
    if base.model.device.type != "cpu" or gpu_is_lent():
        return False
    config = training_config(settings, context.preset)
    return training_bytes(parameters(base), context.config(), config, settings.objective) < available_memory()


def _train_apart(
    stopped: Callable[[], bool],
    preset: ModelPreset,
    limits: Limits,
    settings: Settings,
    data: TrainingData,
    threads: int,
) -> Weights:
    torch.set_num_threads(threads)
    context = AppContext(preset, limits)
    base = context.trainable(settings.start)
    return (yield from _told(_train(context, settings, data, base, stopped, limits.training_seconds)))


def _told(run: Iterator[Progress]) -> Weights:
    """Of a run in another process: what it measures, step by step, and in the end its adapter's numbers."""
    for progress in run:
        yield progress.told()
    return [parameter.detach().cpu().numpy() for parameter in progress.training.parameters]


def _brought_back(
    context: AppContext, settings: Settings, data: TrainingData, base: LLM2Vec, running: Weights
) -> Iterator[Progress]:
    """The same run here, with an adapter that stands here."""
    progress = Progress(settings, data)
    with closing(running):
        try:
            while True:
                vars(progress).update(next(running))
                # Only now: the other process need not wait for it.
                training = progress.training = progress.training or new_training(context, settings, data, base)
                yield progress
        except StopIteration as end:
            weights = end.value
    with torch.no_grad():
        for parameter, weight in zip(training.parameters, weights, strict=True):
            parameter.copy_(torch.from_numpy(weight))
    training.steps_done = progress.steps_done
    if progress.steps_done:
        progress.encoder = training.encoder()


def _loan(settings: Settings, base: LLM2Vec) -> int:
    """For how long to borrow a GPU to train; 0 for not at all."""
    tokens = settings.steps * settings.batch_size * settings.max_length * VIEWS[settings.objective]
    return loan_for(BACKWARD_TOO * parameters(base) * tokens)


def _train_on_lent_gpu(
    context: AppContext, settings: Settings, data: TrainingData, job: QueuedJob, base: LLM2Vec, seconds: int
) -> Iterator[Progress]:
    stop = multiprocessing.get_context("fork").Event()
    limit = min(context.limits.training_seconds, seconds - START_SECONDS / 2)

    def steps() -> Weights:
        return (yield from _told(_train(context, settings, data, base, stop.is_set, limit)))

    for progress in _brought_back(context, settings, data, base, on_lent_gpu(steps, [base], seconds)):
        if job.stopped:
            stop.set()
        yield progress


def _train(
    context: AppContext,
    settings: Settings,
    data: TrainingData,
    base: LLM2Vec,
    stopped: Callable[[], bool],
    limit: float,
) -> Iterator[Progress]:
    progress = begin(context, settings, data, base)
    training = progress.training
    encoder = training.encoder()  # shares the adapter's tensors: it learns along
    yield progress
    every = max(1, -(-settings.steps // recipe_of(settings.objective, context.preset).measurements))

    def learn(emit: Callable[[tuple[StepEvent, PairCosines | None]], bool]) -> None:
        def step(event: StepEvent) -> bool:
            due = event.step % every == 0 and event.step < event.steps
            return emit((event, measure_pairs(encoder, labelled_pairs(data.measured)) if due else None))

        training.fit(step)

    try:
        for event, cosines in iterate_in_thread(learn, nice=NICE):
            progress.losses.append(event.loss)
            progress.seconds, progress.steps_done = event.seconds, event.step
            if event.held_out_loss is not None:
                progress.held_out.append((event.step, event.held_out_loss))
            if event.step >= STEPS_TO_ESTIMATE:
                progress.seconds_left = event.seconds / event.step * (event.steps - event.step)
            if cosines:
                progress.measured(cosines, event.step)
            yield progress
            if stopped():
                progress.ended = "you stopped it"
                break
            if event.seconds > limit and event.step < event.steps:
                progress.ended = f"the limit is {limit:.0f} s"
                break
    except TrainingError as error:
        progress.failure, progress.ended = error, "the loss diverged"
    progress.steps_done = training.steps_done
    _finish(progress, encoder)
    yield progress


def _finish(progress: Progress, encoder: LLM2Vec) -> None:
    training, step = progress.training, progress.steps_done
    if not step:
        return
    progress.seconds_left = None
    # A diverged step was taken back, and what was measured of it with it.
    progress.losses = progress.losses[:step]
    progress.held_out = [point for point in progress.held_out if point[0] <= step]
    for points in progress.separations.values():
        points[:] = [point for point in points if point[0] < step]
    if progress.held_out and progress.held_out[-1][0] < step and (loss := training.held_out_loss()) is not None:
        progress.held_out.append((step, loss))
    progress.encoder = encoder
    progress.after = measure_pairs(encoder, labelled_pairs(progress.data.measured))
    progress.measured(progress.after, step)
    # Here, where the end is waited for and a process of its own measures, and not at the adapter's first use.
    progress.yardsticks = bundled_yardsticks(encoder)
