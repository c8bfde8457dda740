"""``adapt``: the whole recipe on one base model, stage after stage."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from llm2vec_core.cli.base import Command, say
from llm2vec_core.cli.commands import train
from llm2vec_core.errors import InputError
from llm2vec_core.training.recipe import config_names, read_recipe

# By stage: its objective, and the stages whose adapters are merged into the base before it.
STAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "mntp": ("mntp", ()),
    "simcse": ("simcse", ("mntp",)),
    "mntp-supervised": ("supervised", ("mntp",)),
    "supervised": ("supervised", ("mntp", "simcse")),
}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help=f"toml or json, or one of {', '.join(config_names())}")
    parser.add_argument("--base", help="folder, Hub id or preset, instead of the config's")
    parser.add_argument("--texts", required=True, metavar="FILE", help="plain texts for MNTP and SimCSE")
    parser.add_argument("--pairs", metavar="FILE", help="labelled pairs for the supervised stages")
    parser.add_argument(
        "--out", type=Path, required=True, help="output folder; each stage's adapter goes into a subfolder of its name"
    )
    parser.add_argument(
        "--stages",
        nargs="+",
        choices=tuple(STAGES),
        default=list(STAGES),
        metavar="STAGE",
        help=f"only these, of {', '.join(STAGES)}; default: all",
    )
    parser.add_argument("--device", help="such as cuda:0")
    parser.add_argument("--steps", type=int, help="steps per stage, instead of the config's")
    parser.add_argument("--held-out", type=int, help="held-out examples per stage")
    parser.add_argument("--mixed-precision", choices=("no", "bf16", "fp16"), help="as for train")
    parser.add_argument("--no-memory-check", action="store_true", help="as for train")


def _run(arguments: argparse.Namespace) -> None:
    wanted = [stage for stage in STAGES if stage in arguments.stages]
    if arguments.pairs is None and any(STAGES[stage][0] == "supervised" for stage in wanted):
        raise InputError("the supervised stages need --pairs FILE; --stages mntp simcse leaves them out")
    for stage in wanted:
        objective, below = STAGES[stage]
        missing = [name for name in below if not _adapter(arguments.out / name)]
        if missing:
            raise InputError(f"stage {stage!r} starts from {missing[0]!r}, which is not yet in {arguments.out.name!r}")
        if _is_finished(arguments.out / stage, _steps(arguments, objective)):
            say(arguments, f"{stage}: already finished")
            continue
        say(arguments, f"{stage}: {objective} on {' + '.join(('the base', *below))}")
        train.COMMAND.run(_train_arguments(arguments, stage))


def _steps(arguments: argparse.Namespace, objective: str) -> int:
    return arguments.steps or read_recipe(arguments.config, objective).training.steps


def _train_arguments(arguments: argparse.Namespace, stage: str) -> argparse.Namespace:
    """What ``train`` would be called with for this stage."""
    objective, below = STAGES[stage]
    recipe = read_recipe(arguments.config, objective)
    words = [objective, "--config", arguments.config, "--base", arguments.base or recipe.base.partition(":")[0]]
    words += [word for name in below for word in ("--merge", str(arguments.out / name))]
    words += ["--data", arguments.pairs if objective == "supervised" else arguments.texts]
    words += ["--out", str(arguments.out / stage), "--resume"]
    for name in ("device", "steps", "held_out", "mixed_precision"):
        if (value := getattr(arguments, name)) is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    words += ["--no-memory-check"] if arguments.no_memory_check else []
    parser = argparse.ArgumentParser()
    train.COMMAND.add_arguments(parser)
    parsed = parser.parse_args(words)
    return argparse.Namespace(**vars(parsed), quiet=arguments.quiet, debug=arguments.debug)


def _adapter(folder: Path) -> bool:
    return (folder / "adapter_model.safetensors").is_file()


def _is_finished(folder: Path, steps: int) -> bool:
    """Whether a stage's adapter is there and was trained to the end."""
    try:
        done = json.loads((folder / "training.json").read_text(encoding="utf-8"))["steps_done"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return _adapter(folder) and done >= steps


COMMAND = Command(
    name="adapt",
    usage="--config NAME --texts FILE --pairs FILE --out FOLDER",
    summary="the whole recipe on one model: MNTP, SimCSE, supervised",
    lesson="Each stage starts from the adapters of the stages below it. An interrupted run resumes:\n"
    "finished stages are skipped, an unfinished one continues from its last checkpoint.",
    examples=(
        "adapt --config mini --texts texts.txt --out two --stages mntp simcse --steps 2 --held-out 4",
        "adapt --config mini --texts texts.txt --pairs training.jsonl --out all --steps 1 --held-out 2",
    ),
    add_arguments=_add_arguments,
    run=_run,
)
