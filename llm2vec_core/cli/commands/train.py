"""``train``: a LoRA adapter from your own texts."""

from __future__ import annotations

import argparse
import json
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm2vec_core.cli.base import Command
from llm2vec_core.cli.options import given

if TYPE_CHECKING:
    from llm2vec_core.training.loop import AdapterTraining

_CONFIG = {
    "steps": int,
    "batch-size": int,
    "max-length": int,
    "learning-rate": float,
    "warmup-steps": int,
    "lora-rank": int,
    "lora-alpha": int,
    "lora-dropout": float,
    "held-out-every": int,
    "seed": int,
}
_OBJECTIVE = {
    "mask-probability": "mntp",
    "attention-dropout": "simcse",
    "hidden-dropout": "simcse",
    "token-dropout": "simcse",
    "scale": "simcse",
}
_RECENT = 25


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("objective", choices=("mntp", "simcse"))
    parser.add_argument("--base", required=True, help="folder or Hub id of a causal language model, or a preset's key")
    parser.add_argument("--merge", action="append", default=[], metavar="ADAPTER", help="merged first; may be repeated")
    parser.add_argument("--texts", type=Path, required=True, help=".txt, .jsonl or .parquet, or a folder of them")
    parser.add_argument("--unit", choices=("document", "paragraph", "sentence"), default="document")
    parser.add_argument("--min-characters", type=int, default=1)
    parser.add_argument("--max-characters", type=int)
    parser.add_argument("--limit", type=int, default=50_000, help="texts read at most")
    parser.add_argument("--held-out", type=int, default=128, help="of them, texts kept back to measure on")
    parser.add_argument("--out", type=Path, required=True, help="folder for the adapter, in PEFT's format")
    for name, kind in _CONFIG.items():
        parser.add_argument(f"--{name}", type=kind)
    for name, owner in _OBJECTIVE.items():
        parser.add_argument(f"--{name}", type=float, help=f"for {owner}")


def _run(arguments: argparse.Namespace) -> None:
    texts, held_out = _texts(arguments)
    training = _training(arguments, texts, held_out)
    print(f"{len(texts):,} texts, {len(held_out)} held out", flush=True)
    report = _follow(training)
    training.save(arguments.out)
    file = arguments.out / "training.json"
    report = {"texts": len(texts), **report}
    file.write_text(json.dumps({**json.loads(file.read_text()), **report}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report))


def _texts(arguments: argparse.Namespace) -> tuple[list[str], list[str]]:
    from llm2vec_core.training.data import cut_texts, read_texts

    pieces = cut_texts(
        read_texts(arguments.texts),
        arguments.unit,
        min_characters=arguments.min_characters,
        max_characters=arguments.max_characters,
    )
    texts = list(dict.fromkeys(islice(pieces, arguments.limit)))
    return texts[arguments.held_out :], texts[: arguments.held_out]


def _training(arguments: argparse.Namespace, texts: list[str], held_out: list[str]) -> AdapterTraining:
    from llm2vec_core.encoder import LLM2Vec
    from llm2vec_core.presets import PRESETS
    from llm2vec_core.training.config import TrainingConfig
    from llm2vec_core.training.head import load_head, tied_head
    from llm2vec_core.training.loop import AdapterTraining
    from llm2vec_core.training.objectives import OBJECTIVES

    base = PRESETS[arguments.base].base if arguments.base in PRESETS else arguments.base
    encoder = LLM2Vec.from_pretrained(base, arguments.merge)
    options = given(arguments, tuple(name.replace("-", "_") for name in _OBJECTIVE))
    if arguments.objective == "mntp":
        tied = encoder.causal_model.config.get_text_config().tie_word_embeddings
        options["head"] = tied_head(encoder.causal_model) if tied else load_head(base)
    config = TrainingConfig(**given(arguments, tuple(TrainingConfig.__dataclass_fields__)))
    return AdapterTraining(encoder, OBJECTIVES[arguments.objective](**options), texts, config, held_out)


def _follow(training: AdapterTraining) -> dict[str, Any]:
    started, losses, held_out = time.time(), [], None
    every = training.config.held_out_every
    try:
        for event in training.run():
            losses.append(event.loss)
            if event.held_out_loss is not None:
                held_out, recent = event.held_out_loss, losses[-every:]
                print(
                    f"step {event.step}/{event.steps}  loss {sum(recent) / len(recent):.4f}  "
                    f"held out {held_out:.4f}  {event.seconds:.0f} s",
                    flush=True,
                )
    except KeyboardInterrupt:
        print(f"stopped after step {training.steps_done}; the adapter keeps that step", flush=True)
    recent = losses[-_RECENT:]
    return {
        "hours": round((time.time() - started) / 3600, 3),
        "final_loss": round(sum(recent) / max(1, len(recent)), 4),
        "final_held_out_loss": None if held_out is None else round(held_out, 4),
    }


COMMAND = Command(
    name="train",
    usage="{mntp,simcse} --base MODEL --texts FILE --out FOLDER",
    summary="train a LoRA adapter (MNTP or SimCSE)",
    lesson="An opened mask is new to a language model: MNTP lets it practise by filling in masked words,\n"
    "SimCSE then pulls two readings of one text together and pushes other texts away.",
    examples=(
        "train mntp --base mini --texts texts.txt --steps 2 --held-out 4 --out mntp",
        "train simcse --base mini --merge mntp --texts texts.txt --steps 2 --held-out 4 --out simcse",
    ),
    add_arguments=_add_arguments,
    run=_run,
)
