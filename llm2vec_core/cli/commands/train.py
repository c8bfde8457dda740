"""``train``: a LoRA adapter from your own texts or pairs."""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import MISSING, fields
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm2vec_core.cli.base import Command, say
from llm2vec_core.cli.options import field_meanings, given, hide_loading
from llm2vec_core.cli.progress import SECONDS_BETWEEN_LINES, heartbeat
from llm2vec_core.errors import DivergenceError, InputError, ModelError
from llm2vec_core.training.config import TrainingConfig
from llm2vec_core.training.recipe import OBJECTIVE_NAMES, DataConfig, Recipe, config_names, read_recipe

if TYPE_CHECKING:
    from llm2vec_core.encoder import LLM2Vec
    from llm2vec_core.training.events import StepEvent
    from llm2vec_core.training.loop import AdapterTraining

# The objectives' own options, written down here because importing them would import torch.
_OBJECTIVE = {
    "mask-probability": (float, "for mntp: share of tokens to hide and predict, between 0 and 1"),
    "attention-dropout": (float, "for simcse: share of attention weights dropped in each view, from 0 to below 1"),
    "hidden-dropout": (float, "for simcse: share of hidden numbers dropped in each view; small models need it"),
    "token-dropout": (float, "for simcse and supervised: share of tokens left out of each view or text"),
    "scale": (float, "for simcse and supervised: factor on cosines; a higher one weights the nearest negatives more"),
    "chunk-size": (int, "for simcse and supervised: texts embedded at once; large batches on a small machine"),
    "pooling-mode": (str, "for simcse and supervised: mean, weighted_mean, last_token or first_token"),
}
_LOAD = {
    "dtype": "data type of the base's weights, such as bfloat16",
    "device": "such as cuda:0; default: a GPU if there is one",
    "attn-implementation": "such as sdpa; default: the best available",
}
# Fields that are no single value, or that have a flag of their own below.
_NO_FLAG = ("instructions", "symmetric_tasks", "task_limits", "path")
_RECENT = 25


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "objective",
        choices=OBJECTIVE_NAMES,
        help="mntp: fill in hidden words; simcse: two views of one text; supervised: labelled pairs",
    )
    parser.add_argument("--config", metavar="FILE", help=f"toml or json, or a bundled one: {', '.join(config_names())}")
    parser.add_argument("--base", help="folder or Hub id of a causal language model, a preset or a stage (mini:mntp)")
    parser.add_argument("--merge", action="append", metavar="ADAPTER", help="adapter to merge first; repeatable")
    parser.add_argument(
        "--data", "--texts", dest="path", metavar="FILE", help="texts or pairs: a file or a folder of files"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for adapter and checkpoints")
    parser.add_argument("--resume", action="store_true", help="continue from the last checkpoint in --out")
    parser.add_argument(
        "--no-memory-check",
        action="store_true",
        help="train even if a step may need more memory than is free",
    )
    for name, meaning in _LOAD.items():
        parser.add_argument(f"--{name}", help=meaning)
    _add_fields(parser.add_argument_group("data"), DataConfig)
    _add_fields(parser.add_argument_group("training"), TrainingConfig)
    objective = parser.add_argument_group("objective")
    for name, (kind, meaning) in _OBJECTIVE.items():
        objective.add_argument(f"--{name}", type=kind, help=meaning)
    objective.add_argument(
        "--always-mask",
        action="store_true",
        default=None,
        help="for mntp: replace every chosen token by the mask; by default 80%% of them, and 10%% by a random token",
    )


def _add_fields(group: Any, record: type) -> None:
    """One flag a field of a configuration record, without a default: what is not given stays the file's."""
    meanings = field_meanings(record)
    for field in fields(record):
        if field.name in _NO_FLAG:
            continue
        flag, default = f"--{field.name.replace('_', '-')}", field.default
        shown = meanings[field.name]
        if default not in (MISSING, None, ()):
            shown += f" (by default {str(default).lower()})"
        if isinstance(default, bool):
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=shown)
        elif isinstance(default, tuple):
            group.add_argument(flag, nargs="+", help=shown)
        else:
            kind = int if "int" in str(field.type) else float if field.type == "float" else str
            group.add_argument(flag, type=kind, help=shown)


def _run(arguments: argparse.Namespace) -> None:
    recipe = read_recipe(arguments.config, arguments.objective, _overrides(arguments))
    if arguments.out.exists() and not arguments.out.is_dir():
        raise InputError(f"{arguments.out.name!r} is a file; --out needs a folder")
    hide_loading(arguments)
    _refuse_unknown_options(recipe)
    encoder = _encoder(recipe)
    examples, held_out = _examples(recipe, encoder, arguments)
    training = _training(recipe, encoder, examples, held_out)
    if not arguments.no_memory_check:
        _check_memory(training, encoder)
    if _is_main():
        say(arguments, f"{len(examples):,} examples, {len(held_out)} held out")
    with _stop_signals() as stopped:
        try:
            report = _follow(training, arguments, stopped)
        except DivergenceError:
            if training.steps_done and _is_main():
                training.save(arguments.out, texts=len(examples))
            raise
    if not _is_main():
        return
    report = {"texts": len(examples), **report}
    import torch

    training.save(arguments.out, dtype=getattr(torch, recipe.training.adapter_dtype), **report)
    print(json.dumps(report))
    if stopped.is_set():
        say(arguments, f"stopped after step {training.steps_done}; the adapter keeps that step, --resume goes on")
        raise KeyboardInterrupt


def _refuse_unknown_options(recipe: Recipe) -> None:
    """Before minutes of loading: whatever the objective does not take."""
    from llm2vec_core.training.objectives import make_objective

    make_objective(recipe.objective, recipe.options)


def _overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    options = (*(name.replace("-", "_") for name in _OBJECTIVE), "always_mask")
    data = {"path": arguments.path} if arguments.path else {}
    if arguments.path and not arguments.dataset:
        data["dataset"] = None  # a path on the command line goes before a configuration's data set
    found = {
        "load": given(arguments, tuple(name.replace("-", "_") for name in _LOAD)),
        "data": given(arguments, _names(DataConfig)) | data,
        "training": given(arguments, _names(TrainingConfig)),
        "objective": given(arguments, options),
    }
    return {**given(arguments, ("base", "merge")), **found}


def _names(record: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(record))


def _encoder(recipe: Recipe) -> LLM2Vec:
    import torch

    from llm2vec_core.encoder import LLM2Vec

    base, adapters, options = recipe.source()
    if "LOCAL_RANK" in os.environ and torch.cuda.is_available():
        options.setdefault("device", f"cuda:{os.environ['LOCAL_RANK']}")
    return LLM2Vec.from_pretrained(base, adapters, **options)


def _examples(recipe: Recipe, encoder: LLM2Vec, arguments: argparse.Namespace) -> tuple[Sequence[Any], Sequence[Any]]:
    from llm2vec_core.cli.commands.encode import tell_mended
    from llm2vec_core.corpus.source import Mended
    from llm2vec_core.training.data import HubDataset, PackedTexts, cut_texts, read_texts
    from llm2vec_core.training.pairs import Cleaning, clean_pairs, first_of_each_task, read_pairs

    data = recipe.data
    if data.dataset:
        source: HubDataset | Path = HubDataset(data.dataset, data.subset, data.split)
    elif data.path:
        source = Path(data.path)
    else:
        raise InputError("no training data is named: give --data FILE, --dataset ID, or a configuration that has it")
    mended = Mended()
    if recipe.objective == "supervised":
        cleaning = Cleaning()
        pairs = read_pairs(
            source,
            instructions=data.instructions,
            symmetric_tasks=data.symmetric_tasks,
            mended=mended,
            encoding=data.encoding,
        )
        usable = first_of_each_task(clean_pairs(pairs, cleaning), data.task_limit, data.task_limits)
        found: Sequence[Any] = list(islice(usable, data.limit))
        if str(cleaning) and _is_main():
            say(arguments, f"left out: {cleaning}")
    else:
        whole = read_texts(source, data.column, mended, encoding=data.encoding)
        pieces = cut_texts(whole, data.unit, min_characters=data.min_characters, max_characters=data.max_characters)
        found = list(dict.fromkeys(islice(pieces, data.limit)))
        if data.packed:
            length = min(recipe.training.max_length, encoder.max_length)
            found = PackedTexts(encoder.tokenizer, found, length)
    if _is_main():
        tell_mended(mended, advice="")
    if 0 < len(found) <= data.held_out:
        raise InputError(
            f"there are {len(found):,} usable examples, and {data.held_out:,} would be held out to measure on: give "
            f"more, or --held-out {len(found) // 5}"
        )
    return found[data.held_out :], found[: data.held_out]


def _training(recipe: Recipe, encoder: LLM2Vec, examples: Sequence[Any], held_out: Sequence[Any]) -> AdapterTraining:
    from llm2vec_core.training.head import load_head, tied_head
    from llm2vec_core.training.loop import AdapterTraining
    from llm2vec_core.training.objectives import make_objective

    options = dict(recipe.options)
    if recipe.objective == "mntp":
        model = encoder.causal_model
        try:
            options["head"] = tied_head(model)
        except ModelError:  # the head has weights of its own
            options["head"] = load_head(recipe.source()[0], model.dtype)
    objective = make_objective(recipe.objective, options)
    return AdapterTraining(encoder, objective, examples, recipe.training, held_out)


def _check_memory(training: AdapterTraining, encoder: LLM2Vec) -> None:
    """Refuse, before the first step, what would drive this machine into swapping.

    A GPU refuses by itself, at once and without harm to others.
    """
    from llm2vec_core.loading import available_memory
    from llm2vec_core.training.memory import refuse_untrainable, step_bytes

    if encoder.model.device.type != "cpu":
        return
    objective, config, free = training.objective, training.config, available_memory()
    shapes = objective.shapes(training.batch(0))
    needed = step_bytes(encoder.model.config, config, objective.name, shapes)
    texts = sum(count for count, _ in shapes)
    fewer = max(1, int(texts * free / max(1, needed)))
    smaller = max(2, config.batch_size * fewer // texts)
    what = f"--chunk-size {fewer} (the same loss, some slower)" if objective.name != "mntp" else ""
    less = f"--batch-size {smaller}" + (f" --accumulation-steps {-(-config.batch_size // smaller)}" if not what else "")
    refuse_untrainable(
        f"{encoder.name} on {texts:,} texts of up to {max(length for _, length in shapes):,} tokens at once",
        needed,
        free,
        f"{', '.join(filter(None, (what, less, '--gradient-checkpointing')))} or a smaller --max-length would help; "
        "--no-memory-check trains all the same",
    )


def _follow(training: AdapterTraining, arguments: argparse.Namespace, stopped: threading.Event) -> dict[str, Any]:
    started, losses, measured, every = time.time(), [], [], training.config.held_out_every
    last_line = time.monotonic()
    speaks = _is_main() and not arguments.quiet

    def working() -> str:
        done = training.steps_done
        what = f"step {done + 1}/{training.config.steps}" if done < training.config.steps else "the last measurement"
        return f"working on {what}, {time.time() - started:.0f} s"

    def listen(event: StepEvent) -> bool:
        nonlocal last_line
        losses.append(event.loss)
        if event.held_out_loss is not None:
            measured.append(event.held_out_loss)
        due = event.held_out_loss is not None or event.step % every == 0 or event.step == event.steps
        # A slow run speaks between its evaluations too: a log that stands still looks like a hang.
        if _is_main() and (due or time.monotonic() - last_line >= SECONDS_BETWEEN_LINES):
            last_line = time.monotonic()
            heard()
            say(arguments, _line(event, losses[-every:]))
        return not stopped.is_set()

    with heartbeat(lambda line: say(arguments, line), working) if speaks else nullcontext(lambda: None) as heard:
        training.fit(listen, folder=arguments.out, resume=arguments.resume)
    recent = losses[-_RECENT:]
    return {
        "hours": round((time.time() - started) / 3600, 3),
        "final_loss": round(sum(recent) / len(recent), 4) if recent else None,
        "final_held_out_loss": round(measured[-1], 4) if measured else None,
        "best_held_out_loss": round(min(measured), 4) if measured else None,
    }


def _line(event: StepEvent, recent: list[float]) -> str:
    held_out = "" if event.held_out_loss is None else f"held out {event.held_out_loss:.4f}  "
    loss = sum(recent) / len(recent)
    return f"step {event.step}/{event.steps}  loss {loss:.4f}  {held_out}{event.seconds:.0f} s"


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """The first Ctrl-C, or a scheduler's SIGTERM, ends the run after its step; the second one ends it at once."""
    stopped = threading.Event()
    before: dict[int, Any] = {}

    def stop(number: int, _frame: object) -> None:
        stopped.set()
        signal.signal(number, before[number])

    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_main() -> bool:
    return os.environ.get("RANK", "0") == "0"


COMMAND = Command(
    name="train",
    usage="{mntp,simcse,supervised} --base MODEL --data FILE --out FOLDER",
    summary="train a LoRA adapter (MNTP, SimCSE or supervised)",
    lesson="An opened mask is new to a language model: MNTP lets it practise by filling in masked words, SimCSE then\n"
    "pulls two readings of one text together and other texts apart, and labelled pairs say what belongs together.",
    examples=(
        "train mntp --base mini --data texts.txt --steps 2 --held-out 4 --out mntp",
        "train simcse --base mini --merge mntp --data texts.txt --steps 2 --held-out 4 --out simcse",
        "train supervised --config mini --data training.jsonl --steps 2 --held-out 2 --out supervised",
    ),
    add_arguments=_add_arguments,
    run=_run,
)
