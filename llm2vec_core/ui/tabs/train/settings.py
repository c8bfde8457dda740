"""What the fields say, checked before anything is loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from llm2vec_core.errors import InputError
from llm2vec_core.presets import ModelPreset, Stage
from llm2vec_core.ui.limits import Limits
from llm2vec_core.ui.user_texts import BUNDLED_TEXTS

MAX_LEARNING_RATE = 0.1
# What every objective starts with: the published rank, texts that a short run can afford, any seed.
RANK, LONGEST, SEED = 16, 64, 0
SHORT = "20"
BOUNDS = {"rank": (1, 64), "batch_size": (2, 64), "max_length": (8, 256), "seed": (0, 2**31 - 1)}
NAMES = {
    "steps": "number of steps", "rank": "LoRA rank", "batch_size": "batch size", "max_length": "maximum length",
    "seed": "seed",
}  # fmt: skip


def held_out_every(steps: int, times: int = 8) -> int:
    """Steps between two measurements on held-out examples: so many in a run at most, as they cost time too.

    Example:
        >>> held_out_every(3), held_out_every(14), held_out_every(80), held_out_every(24, times=2)
        (1, 2, 10, 12)
    """
    return -(-steps // times)


@dataclass(frozen=True)
class Recipe:
    """What an objective starts with in the page.

    Attributes:
        steps: by length of a run; :data:`llm2vec_core.ui.tabs.train.copy.SECONDS` has what they take.
        batch_size: texts a step.
        learning_rate: of :class:`llm2vec_core.training.config.TrainingConfig`.
        options: arguments of the objective. Dropouts are those that trained the bundled adapters; without the
            supervised one, 120 steps over some 300 pairs learn them by heart.
        rung: among the bidirectional stages, the one to start from (the last if there are fewer).
        longest: texts are cut to so many tokens.
        measurements: of the held-out pairs in a run, the last step included.
        held_out_times: measurements of the held-out loss in a run, likewise.
    """

    steps: dict[str, int]
    batch_size: int
    learning_rate: float
    options: dict[str, Any]
    rung: int
    longest: int = LONGEST
    measurements: int = 5
    held_out_times: int = 8


RECIPES = {
    "mntp": Recipe({"20": 18, "60": 55}, 16, 0.001, {}, 0),
    "simcse": Recipe({"20": 7, "60": 22}, 32, 0.001, {"hidden_dropout": 0.15, "token_dropout": 0.5}, 1),
    "supervised": Recipe({"20": 13, "60": 36}, 16, 0.001, {"scale": 20.0, "token_dropout": 0.2}, 1),
}


# For models with more parameters than this, whose steps take seconds. Measured on SmolLM2 135M: from the opened model
# 16 steps of MNTP took the held-out loss from 8.43 to 5.29; SimCSE straight from there hardly moved the separation.
LARGE = 50_000_000
LARGE_RECIPES = {
    "mntp": Recipe({"20": 8, "60": 24}, 8, 0.003, {}, 0, 64, 1, 2),
    "simcse": Recipe({"20": 8, "60": 24}, 8, 0.0003, {"attention_dropout": 0.3}, 1, 32, 1, 2),
    "supervised": Recipe({"20": 8, "60": 24}, 8, 0.0003, {"scale": 20.0, "token_dropout": 0.1}, 1, 32, 1, 2),
}


def recipe_of(objective: str, preset: ModelPreset) -> Recipe:
    """What an objective starts with, for a model of this size.

    Args:
        objective: a key of :data:`RECIPES`.
        preset: the model.

    Example:
        >>> from llm2vec_core.presets import PRESETS
        >>> recipe_of("mntp", PRESETS["mini"]).batch_size, recipe_of("mntp", PRESETS["smollm2"]).batch_size
        (16, 8)
    """
    return (LARGE_RECIPES if preset.parameters > LARGE else RECIPES)[objective]


def default_start(objective: str, preset: ModelPreset) -> str:
    """The stage that an objective starts from unless told otherwise: MNTP's is the opened model, the others' MNTP."""
    stages = [stage.key for stage in preset.stages if stage.bidirectional]
    return stages[min(recipe_of(objective, preset).rung, len(stages) - 1)]


@dataclass(frozen=True)
class Settings:
    """The fields of this tab.

    Attributes:
        objective: a key of :data:`RECIPES`.
        source: "ours" or "own" texts; of supervised training, pairs.
        start: key of the stage to start from.
        steps: as in :class:`llm2vec_core.training.config.TrainingConfig`, like the following.
        learning_rate: likewise.
        rank: likewise.
        batch_size: likewise.
        max_length: likewise.
        seed: likewise.
    """

    objective: str
    source: str
    start: str
    steps: int
    learning_rate: float
    rank: int
    batch_size: int
    max_length: int
    seed: int


def recipe_settings(objective: str, start: str, preset: ModelPreset, length: str = SHORT) -> Settings:
    """The fields as an objective sets them, on our own data.

    Args:
        objective: a key of :data:`RECIPES`.
        start: key of the stage to start from.
        preset: the model.
        length: a key of its steps.
    """
    recipe = recipe_of(objective, preset)
    return Settings(
        objective,
        BUNDLED_TEXTS,
        start,
        recipe.steps[length],
        recipe.learning_rate,
        RANK,
        recipe.batch_size,
        recipe.longest,
        SEED,
    )


def checked_settings(
    objective: str,
    source: str,
    start: str,
    steps: Any,
    rate: Any,
    rank: Any,
    batch: Any,
    longest: Any,
    seed: Any,
    *,
    preset: ModelPreset,
    limits: Limits,
) -> Settings:
    """The fields as settings.

    Raises:
        InputError: naming the first field whose value cannot be used, and what could.
    """
    if objective not in RECIPES:
        raise InputError(f"The objective is {objective!r:.40}; choose one of {', '.join(RECIPES)}.")
    checked_start(start, preset)
    learning_rate = _number(rate)
    if learning_rate is None or not 0 < learning_rate <= MAX_LEARNING_RATE:
        raise InputError(
            f"The learning rate is {_shown(rate)}; choose a number above 0 and at most {MAX_LEARNING_RATE}, "
            f"such as {RECIPES[objective].learning_rate}."
        )
    given = {"steps": steps, "rank": rank, "batch_size": batch, "max_length": longest, "seed": seed}
    bounds = {"steps": (1, limits.training_steps), **BOUNDS}
    whole = {name: _whole(NAMES[name], value, *bounds[name]) for name, value in given.items()}
    return Settings(objective, source, start, learning_rate=learning_rate, **whole)


def checked_start(start: str, preset: ModelPreset) -> Stage:
    """The stage to start from.

    Raises:
        InputError: naming those that there are.
    """
    stages = {stage.key: stage for stage in preset.stages if stage.bidirectional}
    if start not in stages:
        raise InputError(f"“Start from” is {start!r:.40}; {preset.label} has {', '.join(stages)}. Choose one of them.")
    return stages[start]


def _whole(name: str, value: Any, low: int, high: int) -> int:
    number = _number(value)
    if number is None or number != int(number) or not low <= number <= high:
        raise InputError(f"The {name} is {_shown(value)}; choose a whole number from {low} to {high:,}.")
    return int(number)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _shown(value: Any) -> str:
    return "empty" if value is None or value == "" else f"{value!s:.40}"
