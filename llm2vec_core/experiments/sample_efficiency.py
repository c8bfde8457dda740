"""How many labelled pairs does it take? Supervised training from four starts, measured on the way.

The published experiment (BehnamGhader et al., 2024, section 4.2) starts supervised contrastive learning from the
causal model with weighted mean pooling, from the same model with open attention, after MNTP, and after MNTP and SimCSE,
and looks at the score every 25 steps: a better start needs fewer pairs. Here each start is trained with several seeds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.sts import STSSet, evaluate_sts
from llm2vec_core.presets import ModelPreset, Stage
from llm2vec_core.training.config import TrainingConfig
from llm2vec_core.training.loop import AdapterTraining
from llm2vec_core.training.objectives import Supervised
from llm2vec_core.training.pairs import Pair
from llm2vec_core.writing import write_whole

CAUSAL_POOLING = "weighted_mean"  # the causal model's best pooling
BIDIRECTIONAL_POOLING = "mean"


@dataclass(frozen=True)
class Start:
    """Where supervised training starts.

    Attributes:
        stage: of a model's ladder.
        pooling_mode: in training and when measured.
    """

    stage: Stage
    pooling_mode: str

    @property
    def direction(self) -> str:
        """Name of its attention: "causal" or "bidirectional"."""
        return "bidirectional" if self.stage.bidirectional else "causal"

    @property
    def label(self) -> str:
        """Shown to people."""
        return f"{self.stage.label}, {self.pooling_mode.replace('_', ' ')}"


def starts_of(preset: ModelPreset, stages: Sequence[str] = ()) -> list[Start]:
    """The starts that a model offers: its stages that no labelled pair has touched.

    Args:
        preset: the model.
        stages: keys of these alone.

    Raises:
        InputError: for a stage that the preset has not, or one that labelled pairs have touched.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> [start.label for start in starts_of(BUNDLED, ["causal", "mntp"])]
        ['Causal, weighted mean', '+ MNTP, mean']
    """
    known = {stage.key: stage for stage in preset.stages}
    for key in stages:
        if key not in known:
            raise InputError(f"preset {preset.key!r} has no stage {key!r}; choose of {', '.join(known)}")
        if _has_seen_labels(key):
            raise InputError(f"stage {key!r} was trained on labelled pairs: a start is one without; leave it out")
    chosen = stages or [key for key in known if not _has_seen_labels(key)]
    return [Start(known[key], BIDIRECTIONAL_POOLING if known[key].bidirectional else CAUSAL_POOLING) for key in chosen]


def _has_seen_labels(key: str) -> bool:
    return "supervised" in key


def learning_curve(
    encoder: LLM2Vec,
    start: Start,
    pairs: Sequence[Pair],
    config: TrainingConfig,
    sets: Sequence[STSSet],
    every: int,
    objective: dict[str, Any] | None = None,
) -> Iterator[tuple[int, float]]:
    """Train once from a start.

    Args:
        encoder: of the start's stage.
        start: decides direction and pooling.
        pairs: to train on.
        config: of the training; its direction is the start's.
        sets: to measure on.
        every: steps between measurements.
        objective: further settings of :class:`Supervised`.

    Yields:
        (steps done, mean Spearman correlation over the sets, times 100), before the first step too.
    """
    config = replace(config, bidirectional=start.stage.bidirectional)
    training = AdapterTraining(encoder, Supervised(pooling_mode=start.pooling_mode, **(objective or {})), pairs, config)
    yield 0, mean_sts(training.encoder(), sets)
    for event in training.run():
        if event.step % every == 0 or event.step == config.steps:
            yield event.step, mean_sts(training.encoder(), sets)


def mean_sts(encoder: LLM2Vec, sets: Sequence[STSSet]) -> float:
    """Mean over sets of the Spearman correlation, times 100."""
    return float(np.mean([evaluate_sts(encoder.encode, data) for data in sets]))


def run_experiment(
    preset: ModelPreset,
    starts: Sequence[Start],
    pairs: Sequence[Pair],
    config: TrainingConfig,
    sets: Sequence[STSSet],
    *,
    seeds: Sequence[int] = (0, 1, 2),
    every: int = 25,
    objective: dict[str, Any] | None = None,
    file: Path | None = None,
    command: str = "",
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Train from every start with every seed.

    Args:
        preset: the model.
        starts: of :func:`starts_of`.
        pairs: the same for all; their order is the seed's.
        config: of each training; the seed is replaced.
        sets: to measure on.
        seeds: one training each.
        every: steps between measurements.
        objective: further settings of :class:`Supervised`.
        file: finished trainings are kept there, and taken from there if their settings are the same.
        command: that repeats the experiment; noted in the result.
        report: told of each measurement.

    Returns:
        JSON values: ``starts`` with ``key``, ``label``, ``direction``, ``steps`` and ``scores`` (one list a seed), and
        what made them.

    Raises:
        InputError: if ``file`` holds another experiment.
    """
    settings = {
        "model": preset.key,
        "training": {name: value for name, value in asdict(config).items() if name not in ("seed", "bidirectional")},
        "objective": objective or {},
        "pairs": len(pairs),
        "every": every,
        "sets": {data.name: len(data.scores) for data in sets},
    }
    settings = json.loads(json.dumps(settings))
    done = _finished(file, settings)
    for start in starts:
        missing = [seed for seed in seeds if (start.stage.key, seed) not in done]
        if not missing:
            continue
        options = {**preset.settings, "bidirectional": start.stage.bidirectional}
        encoder = LLM2Vec.from_pretrained(preset.base, start.stage.adapters, **options)
        for seed in missing:
            curve = []
            seeded = replace(config, seed=seed)
            for step, score in learning_curve(encoder, start, pairs, seeded, sets, every, objective):
                curve.append((step, score))
                report(f"{start.label}, seed {seed}: step {step} {score:.2f}")
            done[start.stage.key, seed] = curve
            result = _result(starts, seeds, done, settings, command)
            if file:
                write_whole(file, json.dumps(result, indent=1) + "\n")
    return _result(starts, seeds, done, settings, command)


def _result(
    starts: Sequence[Start],
    seeds: Sequence[int],
    done: dict[tuple[str, int], list[tuple[int, float]]],
    settings: dict[str, Any],
    command: str,
) -> dict[str, Any]:
    rows = []
    for start in starts:
        own = [seed for seed in seeds if (start.stage.key, seed) in done]
        if not own:
            continue
        rows.append(
            {
                "key": start.stage.key,
                "label": start.label,
                "direction": start.direction,
                "seeds": own,
                "steps": [step for step, _ in done[start.stage.key, own[0]]],
                "scores": [[round(score, 3) for _, score in done[start.stage.key, seed]] for seed in own],
            }
        )
    names = ", ".join(f"{name} ({count:,} pairs)" for name, count in settings["sets"].items())
    return {
        "title": "Supervised training from four starts"
        if len(rows) == 4
        else "Supervised training from several starts",
        "metric": f"mean Spearman correlation x 100 over {names}",
        "batch_size": settings["training"]["batch_size"],
        "starts": rows,
        "settings": settings,
        "command": command,
    }


def _finished(file: Path | None, settings: dict[str, Any]) -> dict[tuple[str, int], list[tuple[int, float]]]:
    if file is None or not file.exists():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if found["settings"] != settings:
            raise InputError(f"{file.name} holds an experiment with other settings: choose another file")
        return {
            (row["key"], seed): list(zip(row["steps"], scores, strict=True))
            for row in found["starts"]
            for seed, scores in zip(row["seeds"], row["scores"], strict=True)
        }
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file.name} cannot be read ({error!r:.80}): move it away") from error
