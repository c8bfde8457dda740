"""``efficiency``: how many labelled pairs does each stage need?"""

from __future__ import annotations

import argparse
import shlex
from itertools import islice
from pathlib import Path
from typing import Any

from llm2vec_core.cli.base import PROGRAM, Command, say
from llm2vec_core.errors import InputError
from llm2vec_core.extras import require
from llm2vec_core.presets import BUNDLED, PRESETS

EVERY, STEPS, SEEDS = 25, 200, 3


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", default="mini", help="model whose stages are the starts")
    parser.add_argument("--stages", nargs="+", default=[], metavar="STAGE", help="default: all unsupervised stages")
    parser.add_argument("--pairs", type=Path, required=True, help="labelled pairs to train on (E5 layout)")
    parser.add_argument("--data", type=Path, required=True, help="folder of STS sets to measure on")
    parser.add_argument("--sets", nargs="+", default=[], metavar="SET", help="only these, for example STS12 SICK-R")
    parser.add_argument(
        "--out", type=Path, required=True, help="JSON file, with a figure (.svg) beside it; an interrupted run resumes"
    )
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"runs per start (default {SEEDS})")
    parser.add_argument("--every", type=int, default=EVERY, help=f"steps between measurements (default {EVERY})")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"steps per run (default {STEPS})")
    parser.add_argument("--limit", type=int, help="maximum number of pairs per set")
    parser.add_argument("--pair-limit", type=int, help="train only on the first N pairs")
    parser.add_argument("--task-limit", type=int, help="maximum number of pairs per task (default: the config's)")
    parser.add_argument("--config", help="settings of supervised training (see train); default: the model's own")
    for name, kind in (("batch-size", int), ("max-length", int), ("learning-rate", float), ("warmup-steps", int)):
        parser.add_argument(f"--{name}", type=kind, help="as for train; default: the config's")
    parser.add_argument("--mixed-precision", choices=("no", "bf16", "fp16"), help="as for train")


def _run(arguments: argparse.Namespace) -> None:
    for name, least in (("seeds", 1), ("every", 1), ("steps", 1)):
        if getattr(arguments, name) < least:
            raise InputError(f"--{name} is {getattr(arguments, name)}; it must be at least {least}")
    if arguments.preset not in PRESETS:
        raise InputError(f"unknown preset {arguments.preset!r}; choose one of {', '.join(PRESETS)}")

    require("evaluate", "sklearn", "plotly", what="this command")
    from llm2vec_core.evaluation.sets import find_sets
    from llm2vec_core.experiments.sample_efficiency import run_experiment, starts_of
    from llm2vec_core.training.pairs import clean_pairs, first_of_each_task, read_pairs
    from llm2vec_core.training.recipe import config_names, read_recipe
    from llm2vec_core.writing import write_whole

    preset = PRESETS[arguments.preset]
    config = arguments.config or (preset.key if preset.key in config_names() else BUNDLED.key)
    recipe = read_recipe(config, "supervised", {"training": _training(arguments)})
    starts = starts_of(preset, arguments.stages)
    found = find_sets(arguments.data, arguments.sets or ["sts"], arguments.limit)
    for each in found.sets:
        if each.task.kind != "sts":
            raise InputError(f"--sets {each.name}: this command measures sentence similarity; name sets of that kind")
    limit = arguments.task_limit or recipe.data.task_limit
    usable = first_of_each_task(clean_pairs(read_pairs(arguments.pairs)), limit, recipe.data.task_limits)
    pairs = list(islice(usable, arguments.pair_limit))
    say(arguments, f"{len(pairs):,} pairs; sets: {', '.join(each.name for each in found.sets)}")
    result = run_experiment(
        preset,
        starts,
        pairs,
        recipe.training,
        [each.data for each in found.sets],
        seeds=range(arguments.seeds),
        every=arguments.every,
        objective=dict(recipe.options),
        file=arguments.out,
        command=_command(arguments),
        report=lambda line: say(arguments, line),
    )
    write_whole(arguments.out.with_suffix(".svg"), _figure(result))
    for row in result["starts"]:
        means = [sum(scores) / len(scores) for scores in zip(*row["scores"], strict=True)]
        print(f"{row['label']}: " + ", ".join(f"{s}: {m:.1f}" for s, m in zip(row["steps"], means, strict=True)))


def _figure(result: dict[str, Any]) -> str:
    from llm2vec_core.figures import sample_efficiency_svg

    labels, directions, steps, scores = (
        [row[name] for row in result["starts"]] for name in ("label", "direction", "steps", "scores")
    )
    return sample_efficiency_svg(labels, directions, steps, scores, result["title"], result["metric"])


def _training(arguments: argparse.Namespace) -> dict[str, Any]:
    names = ("steps", "batch_size", "max_length", "learning_rate", "warmup_steps", "mixed_precision")
    return {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}


def _command(arguments: argparse.Namespace) -> str:
    """The command line that repeats this run, with names instead of this machine's paths."""
    places = {"pairs": "PAIRS", "data": "DATA", "out": "FILE"}
    words = [PROGRAM, "efficiency"]
    for name, value in vars(arguments).items():
        if name in ("command", "run", "quiet", "debug") or value in (None, []):
            continue
        flag = f"--{name.replace('_', '-')}"
        values = value if isinstance(value, list) else [places.get(name, value)]
        words += [flag, *(shlex.quote(str(each)) for each in values)]
    return " ".join(words)


COMMAND = Command(
    name="efficiency",
    usage="--pairs FILE --data FOLDER --out FILE",
    summary="supervised training from each stage, measured along the way",
    lesson="Does a better start need fewer labelled pairs? Trains from the causal model, the opened one, after MNTP\n"
    "and after SimCSE, with several seeds, and measures sentence similarity every few steps.",
    examples=(
        "efficiency --pairs training.jsonl --data sts --out all.json --steps 2 --every 2 --seeds 1",
        "efficiency --pairs training.jsonl --data sts --out two.json --steps 1 --seeds 1 --stages causal",
    ),
    add_arguments=_add_arguments,
    run=_run,
)
