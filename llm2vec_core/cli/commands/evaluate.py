"""``evaluate``: every stage of a model, and its rivals, on every set of a folder."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm2vec_core.cli.base import Command, say
from llm2vec_core.cli.options import add_model_options, choose_model, hide_loading
from llm2vec_core.cli.progress import Meter
from llm2vec_core.config_numbers import no_json
from llm2vec_core.errors import AdapterError, InputError
from llm2vec_core.extras import require
from llm2vec_core.presets import BIDIRECTIONAL, CAUSAL, MINILM, PRESETS, ModelPreset, Stage
from llm2vec_core.provision import how_to_get, installed_folder

if TYPE_CHECKING:
    from llm2vec_core.encoder import Progress

    require("evaluate", "sklearn", "plotly", what="this command")
    from llm2vec_core.evaluation.ladder import LadderRow
    from llm2vec_core.evaluation.results import Cell
    from llm2vec_core.protocol import Encoder


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of sets as parquet files")
    parser.add_argument("--preset", default="mini", help="model whose stages are measured")
    parser.add_argument(
        "--stage",
        action="append",
        default=[],
        metavar="NAME=ADAPTER,...",
        help="your own stage: adapters merged into the model in this order; repeatable, one row each",
    )
    parser.add_argument(
        "--stages",
        nargs="+",
        default=[],
        metavar="STAGE",
        help=f"only these, for example causal simcse; {MINILM.key} is the encoder-only model beside them",
    )
    parser.add_argument(
        "--tasks",
        nargs="+",
        default=[],
        metavar="TASK",
        help="only these: sts, pair_classification, classification, clustering, retrieval, or names of sets",
    )
    parser.add_argument(
        "--centred", action="store_true", help="repeat each row with the mean vector of bundled sentences subtracted"
    )
    parser.add_argument("--limit", type=int, help="maximum number of examples per set, for a quick look")
    parser.add_argument(
        "--out", type=Path, help="output folder for tables, figures and results; an interrupted run resumes"
    )
    parser.add_argument(
        "--instructions", type=Path, help='JSON: {"sts": "Retrieve similar text:"}, by kind of task or set'
    )
    add_model_options(parser)


def _run(arguments: argparse.Namespace) -> None:
    if arguments.limit is not None and arguments.limit < 2:
        raise InputError(f"--limit {arguments.limit}: an interval needs at least 2 examples")
    preset, options = _ladder_of(arguments)
    stages = [key for key in arguments.stages if key != MINILM.key] if arguments.stages else None
    if arguments.causal:
        stages = [stage.key for stage in preset.stages if not stage.bidirectional]
    pooling = options.pop("pooling_mode", None)
    instructions = _read_instructions(arguments.instructions)

    from llm2vec_core.evaluation.bootstrap import RESAMPLES, SEED
    from llm2vec_core.evaluation.ladder import measure_ladder
    from llm2vec_core.evaluation.results import Results
    from llm2vec_core.evaluation.sets import find_sets
    from llm2vec_core.evaluation.tables import markdown

    hide_loading(arguments)
    rivals = _rivals(arguments, asked=MINILM.key in arguments.stages, all_rows=stages is None)
    found = find_sets(arguments.data, arguments.tasks, arguments.limit)
    if found.missing:
        say(arguments, f"missing: {', '.join(found.missing)}")
    say(arguments, *(f"skipped: {reason}" for reason in found.left_out))
    say(arguments, *(f"note: {note}" for note in found.notes))
    for stage in _named_stages(arguments.stage):
        # Before hours of other rows are measured.
        if stages is None or stage.key in stages:
            _check_adapters(stage)
    settings = {"model": preset.key, "limit": arguments.limit, "seed": SEED, "resamples": RESAMPLES}
    settings |= {"instructions": instructions, "options": options}
    results = Results(arguments.out, settings)

    def report(cell: Cell) -> None:
        main = cell.main
        score = f"{main.score:.1f} [{main.low:.1f}, {main.high:.1f}]"
        say(arguments, f"{cell.encoder}: {cell.data} {score} ({cell.task}, {cell.examples:,} examples)")

    rows = measure_ladder(
        preset,
        found.sets,
        stages=stages,
        poolings=[pooling] if pooling else None,
        options=options,
        instructions=instructions,
        results=results,
        report=report,
        progress=lambda stage, name: _meter(arguments, stage, name),
        centred=arguments.centred,
        rivals=rivals,
    )
    if arguments.out:
        _write(arguments.out, rows, preset.key, arguments.limit)
    print(markdown(rows, arguments.limit))


def _rivals(arguments: argparse.Namespace, *, asked: bool, all_rows: bool) -> dict[str, Encoder]:
    """The encoder-only model, where it is asked for or at hand."""
    if not asked and not all_rows:
        return {}
    if not asked and installed_folder(MINILM) is None:
        say(arguments, f"missing: {MINILM.label}; {how_to_get(MINILM)}")
        return {}
    from llm2vec_core.baselines import encoder_only

    return {MINILM.label: encoder_only(MINILM, arguments.device)}


def _ladder_of(arguments: argparse.Namespace) -> tuple[ModelPreset, dict[str, Any]]:
    """The stages to measure, and how their models are loaded."""
    named = _named_stages(arguments.stage)
    if arguments.model is None:
        if arguments.preset not in PRESETS:
            raise InputError(f"unknown preset {arguments.preset!r}; choose one of {', '.join(PRESETS)}")
        arguments.model = arguments.preset
    choice = choose_model(arguments)
    options = {name: value for name, value in choice.options.items() if name != "bidirectional"}
    if choice.preset:
        stages = choice.preset.stages
        _, _, key = arguments.model.partition(":")
        below = choice.preset.stage(key) if key else choice.preset.default
        own = (_adapted(f"{below.label} + {_names(arguments)}", choice.adapters),) if arguments.adapter else ()
        stages = _distinct((*stages, *own, *named))
        preset = ModelPreset(**{**_fields(choice.preset), "stages": stages})
        return preset, {name: value for name, value in options.items() if preset.settings.get(name) != value}
    own = (_adapted(f"+ {_names(arguments)}", choice.adapters),) if choice.adapters else ()
    name = choice.as_settings()["model"]
    return ModelPreset(name, name, choice.source, "", 0, _distinct((CAUSAL, BIDIRECTIONAL, *own, *named))), options


def _named_stages(given: Sequence[str]) -> tuple[Stage, ...]:
    """``name=adapter,adapter`` as stages.

    Example:
        >>> [(stage.key, stage.adapters) for stage in _named_stages(["simcse=a/mntp,a/simcse"])]
        [('simcse', ('a/mntp', 'a/simcse'))]
    """
    stages = []
    for text in given:
        name, equals, adapters = text.partition("=")
        parts = tuple(_places(adapters))
        if not equals or not name.strip() or not all(parts):
            raise InputError(f"--stage {text!r}: write NAME=ADAPTER or NAME=ADAPTER,ADAPTER, folders or Hub ids")
        meaning = "With the adapters of the command line."
        stages.append(Stage(name.strip(), name.strip(), True, parts, meaning))
    return tuple(stages)


def _places(text: str) -> Iterator[str]:
    """Names between commas; a folder in whose own name is one stays whole."""
    pieces = text.split(",")
    while pieces:
        runs = (",".join(pieces[:count]).strip() for count in range(1, len(pieces) + 1))
        found = next((run for run in runs if run and Path(run).is_dir()), pieces[0].strip())
        yield found
        del pieces[: found.count(",") + 1]


def _check_adapters(stage: Stage) -> None:
    from llm2vec_core.adapters import adapter_folder

    for adapter in stage.adapters:
        try:
            adapter_folder(adapter)
        except AdapterError as error:
            raise AdapterError(f"stage {stage.key!r}: {error}") from error


def _distinct(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    for label in ("key", "label"):
        names = [getattr(stage, label) for stage in stages]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"--stage: stage {twice!r} already exists; choose another name")
    return stages


def _adapted(label: str, adapters: tuple[str, ...]) -> Stage:
    return Stage("adapted", label, True, adapters, "With the adapters of the command line.")


def _names(arguments: argparse.Namespace) -> str:
    return " + ".join(Path(name).name for name in arguments.adapter)


def _fields(preset: ModelPreset) -> dict[str, Any]:
    return {name: getattr(preset, name) for name in preset.__dataclass_fields__}


def _read_instructions(file: Path | None) -> dict[str, str]:
    if file is None:
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        why = f"is not JSON: {error}" if isinstance(error, json.JSONDecodeError) else no_json(error)
        raise InputError(f"{file.name} {why}") from error
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise InputError(f"{file.name} must map kinds of tasks or names of sets to instructions")
    return found


def _meter(arguments: argparse.Namespace, stage: str, name: str) -> Progress:
    meter: list[Meter] = []

    def progress(done: int, total: int) -> None:
        if not meter:
            say(arguments, f"{stage}: encoding {name}")
            meter.append(Meter(total, quiet=arguments.quiet))
        meter[0].update(done)

    return progress


def _write(folder: Path, rows: Sequence[LadderRow], model: str, limit: int | None) -> None:
    from llm2vec_core.evaluation.summary import MEAN, kind_label, summarise
    from llm2vec_core.evaluation.tables import differences_csv, markdown, scores_csv
    from llm2vec_core.figures import ladder_svg, score_ladder
    from llm2vec_core.writing import write_whole

    panels = {kind_label(kind): [astuple(row.only(kind).mean) for row in rows] for kind in rows[0].kinds}
    if len(panels) > 1:
        panels[kind_label(MEAN)] = [astuple(row.mean) for row in rows]
    shown = ([row.label for row in rows], [row.direction for row in rows], panels)
    title = "Scores x 100 with 95% bootstrap intervals; further right is better"
    figure = score_ladder(*shown, title)
    for name, text in (
        ("ladder.md", markdown(rows, limit)),
        ("ladder.csv", scores_csv(rows)),
        ("differences.csv", differences_csv(rows)),
        ("ladder.json", json.dumps(summarise(rows, model, limit), ensure_ascii=False, separators=(",", ":"))),
        ("figure.json", figure.to_json()),
        ("ladder.html", figure.to_html()),
        ("ladder.svg", ladder_svg(*shown, title)),
    ):
        write_whole(folder / name, text.rstrip("\n") + "\n")


COMMAND = Command(
    name="evaluate",
    usage="--data FOLDER",
    summary="measure every stage of a model and its baselines on a folder of test sets",
    lesson="How good are the embeddings? Sentence pairs, classification, clustering and retrieval, with intervals.\n"
    "The causal model is tried with every pooling mode and training-free baseline: beating a weak one proves nothing.",
    examples=(
        "evaluate --data sts",
        "evaluate --data sts --limit 100 --out ladder",
        "evaluate --data sts --stage mine=assets/adapters/llm2vec-mini/mntp --stages mine",
    ),
    add_arguments=_add_arguments,
    run=_run,
)
