"""The command line: ``python -m llm2vec_core train | evaluate``.

Each command answers ``--help``; an error that this package raises on purpose is printed in one line and
ends with exit code 2.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from itertools import islice
from pathlib import Path

from llm2vec_core.errors import LLM2VecError


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(prog="python -m llm2vec_core", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    train = commands.add_parser("train", help="train a LoRA adapter (MNTP or SimCSE)")
    train.set_defaults(run=_train)
    train.add_argument("objective", choices=("mntp", "simcse"))
    train.add_argument("--base", required=True, help="folder or Hub id of a causal language model")
    train.add_argument("--merge", action="append", default=[], metavar="ADAPTER", help="merged first; may be repeated")
    train.add_argument("--texts", type=Path, required=True, help=".txt, .jsonl or .parquet, or a folder of them")
    train.add_argument("--unit", choices=("document", "paragraph", "sentence"), default="document")
    train.add_argument("--min-characters", type=int, default=1)
    train.add_argument("--max-characters", type=int)
    train.add_argument("--limit", type=int, default=50_000, help="texts read at most")
    train.add_argument("--held-out", type=int, default=128, help="of them, texts kept back to measure on")
    train.add_argument("--out", type=Path, required=True, help="folder for the adapter, in PEFT's format")
    for name, kind in (
        ("steps", int),
        ("batch-size", int),
        ("max-length", int),
        ("learning-rate", float),
        ("warmup-steps", int),
        ("lora-rank", int),
        ("lora-alpha", int),
        ("lora-dropout", float),
        ("held-out-every", int),
        ("seed", int),
    ):
        train.add_argument(f"--{name}", type=kind)
    for name, owner in (
        ("mask-probability", "mntp"),
        ("attention-dropout", "simcse"),
        ("hidden-dropout", "simcse"),
        ("token-dropout", "simcse"),
        ("scale", "simcse"),
    ):
        train.add_argument(f"--{name}", type=float, help=f"for {owner}")

    evaluate = commands.add_parser("evaluate", help="measure every stage of a preset on STS sets")
    evaluate.set_defaults(run=_evaluate)
    evaluate.add_argument("--data", type=Path, required=True, help="folder with STS12.parquet ... SICK-R.parquet")
    evaluate.add_argument("--preset", default="mini")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    arguments = build_parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except LLM2VecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _train(arguments: argparse.Namespace) -> None:
    from llm2vec_core.encoder import LLM2Vec
    from llm2vec_core.training.config import TrainingConfig
    from llm2vec_core.training.data import cut_texts, read_texts
    from llm2vec_core.training.head import load_head, tied_head
    from llm2vec_core.training.loop import AdapterTraining
    from llm2vec_core.training.objectives import OBJECTIVES

    pieces = cut_texts(
        read_texts(arguments.texts),
        arguments.unit,
        min_characters=arguments.min_characters,
        max_characters=arguments.max_characters,
    )
    texts = list(dict.fromkeys(islice(pieces, arguments.limit)))
    held_out, texts = texts[: arguments.held_out], texts[arguments.held_out :]
    encoder = LLM2Vec.from_pretrained(arguments.base, arguments.merge)
    options = _given(arguments, ("mask_probability", "attention_dropout", "hidden_dropout", "token_dropout", "scale"))
    if arguments.objective == "mntp":
        tied = encoder.causal_model.config.get_text_config().tie_word_embeddings
        options["head"] = tied_head(encoder.causal_model) if tied else load_head(arguments.base)
    config = TrainingConfig(**_given(arguments, tuple(TrainingConfig.__dataclass_fields__)))
    training = AdapterTraining(encoder, OBJECTIVES[arguments.objective](**options), texts, config, held_out)
    print(f"{len(texts):,} texts, {len(held_out)} held out", flush=True)
    started, losses, measured = time.time(), [], []
    try:
        for event in training.run():
            losses.append(event.loss)
            if event.held_out_loss is not None:
                measured.append(event.held_out_loss)
                recent = losses[-config.held_out_every :]
                print(
                    f"step {event.step}/{event.steps}  loss {sum(recent) / len(recent):.4f}  "
                    f"held out {event.held_out_loss:.4f}  {event.seconds:.0f} s",
                    flush=True,
                )
    except KeyboardInterrupt:
        print(f"stopped after step {training.steps_done}; the adapter keeps that step", flush=True)
    training.save(arguments.out)
    recent = losses[-25:]
    report = {
        "texts": len(texts),
        "hours": round((time.time() - started) / 3600, 3),
        "final_loss": round(sum(recent) / max(1, len(recent)), 4),
        "final_held_out_loss": round(measured[-1], 4) if measured else None,
    }
    file = arguments.out / "training.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **report}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report))


def _given(arguments: argparse.Namespace, names: tuple[str, ...]) -> dict[str, object]:
    values = {name: getattr(arguments, name, None) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _evaluate(arguments: argparse.Namespace) -> None:
    from llm2vec_core.errors import InputError
    from llm2vec_core.evaluation.ladder import markdown_table, measure_ladder, read_ladder_data
    from llm2vec_core.presets import PRESETS

    if arguments.preset not in PRESETS:
        raise InputError(f"unknown preset {arguments.preset!r}; choose one of {', '.join(PRESETS)}")
    data = read_ladder_data(arguments.data)
    rows = measure_ladder(
        PRESETS[arguments.preset], data, lambda row: print(f"{row.label}: {row.mean:.1f}", file=sys.stderr, flush=True)
    )
    print(markdown_table(rows))
