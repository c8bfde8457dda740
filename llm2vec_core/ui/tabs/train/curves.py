"""The figure of a run: its curves, and what a long training of the same kind reached."""

from __future__ import annotations

from llm2vec_core.figures import training_curves
from llm2vec_core.presets import ModelPreset, Stage
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.plot import plot_value
from llm2vec_core.ui.tabs.train import copy
from llm2vec_core.ui.tabs.train.run import Progress, starting_point
from llm2vec_core.ui.tabs.train.settings import Settings, recipe_settings

# A smaller change of the held-out loss is called none.
SMALLEST_SHARE = 0.01


def trained_alike(preset: ModelPreset, objective: str, start: str) -> Stage | None:
    """The stage that the same objective made of this one in a long training, if the model has one."""
    beneath = preset.stage(start).adapters
    found = [stage for stage in preset.stages if stage.adapters and stage.adapters[:-1] == beneath]
    return next((stage for stage in found if stage.key.rpartition("-")[2] == objective), None)


def compared_with(context: AppContext, settings: Settings) -> Progress | None:
    """Where such a long training ended, if it can be measured alike: on the same examples, cut and batched as these."""
    stage = trained_alike(context.preset, settings.objective, settings.start)
    usual = recipe_settings(settings.objective, settings.start, context.preset)
    alike = all(getattr(settings, name) == getattr(usual, name) for name in ("source", "batch_size", "max_length"))
    if stage is None or not alike or context.stored_pair_cosines(stage.key) is None:
        return None
    return starting_point(context, settings.objective, stage.key)


def curves(context: AppContext, progress: Progress, notice: str) -> str:
    """The figure of a run so far.

    Args:
        context: of the model.
        progress: its first step may still be to come.
        notice: what to look at.
    """
    name = copy.OBJECTIVE_NAMES[progress.settings.objective]
    separations = {copy.MEASURES[other]: points for other, points in progress.separations.items()}
    title, goal = f"{name}: loss and separation", None
    if (longer := compared_with(context, progress.settings)) and longer.held_out:
        label = context.preset.stage(longer.settings.start).label
        goal = (f"{label}, held-out texts", longer.held_out[0][1])
    figure = training_curves(progress.losses, progress.held_out, separations, title, progress.settings.steps, goal)
    at = {step: {} for step in range(len(progress.losses) + 1)}
    for step, loss in enumerate(progress.losses, start=1):
        at[step]["loss"] = round(loss, 4)
    for column, points in (("held-out loss", progress.held_out), *separations.items()):
        for step, value in points:
            at.setdefault(step, {})[column] = round(value, 4)
    columns = ["loss", "held-out loss", *separations]
    rows = [[step, *(found.get(column) for column in columns)] for step, found in sorted(at.items())]
    return plot_value(figure, name="training", notice=notice, columns=["step", *columns], rows=rows)


def held_out_sentence(progress: Progress) -> str:
    """What became of the loss on examples that were not trained on; empty before there is anything to compare."""
    if len(progress.held_out) < 2:
        return ""
    (_, before), (_, after) = progress.held_out[0], progress.held_out[-1]
    numbers = f"Held-out loss: {before:.3f} before, {after:.3f} after"
    if abs(after - before) < SMALLEST_SHARE * before:
        return f"{numbers}: it hardly changed. More steps or a higher learning rate teach more."
    if after < before:
        return f"{numbers}: what was learned holds for examples that were not trained on."
    return (
        f"{numbers}: it rose, so what was learned does not hold for other examples. Try a lower learning "
        "rate or more varied examples."
    )
