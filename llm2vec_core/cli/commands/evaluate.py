"""``evaluate``: every stage of a preset on sentence similarity."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from llm2vec_core.cli.base import Command
from llm2vec_core.errors import InputError


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder with STS12.parquet ... SICK-R.parquet")
    parser.add_argument("--preset", default="mini")


def _run(arguments: argparse.Namespace) -> None:
    from llm2vec_core.evaluation.ladder import markdown_table, measure_ladder, read_ladder_data
    from llm2vec_core.presets import PRESETS

    if arguments.preset not in PRESETS:
        raise InputError(f"unknown preset {arguments.preset!r}; choose one of {', '.join(PRESETS)}")
    data = read_ladder_data(arguments.data)
    rows = measure_ladder(
        PRESETS[arguments.preset], data, lambda row: print(f"{row.label}: {row.mean:.1f}", file=sys.stderr, flush=True)
    )
    print(markdown_table(rows))


COMMAND = Command(
    name="evaluate",
    usage="--data FOLDER",
    summary="measure every stage of a preset on STS sets",
    lesson="Do cosines rank pairs of sentences as people do? Spearman's correlation, times 100.\n"
    "The causal model gets every pooling that could suit it: beating a weak baseline proves nothing.",
    examples=("evaluate --data sts", "evaluate --data sts --preset mini"),
    add_arguments=_add_arguments,
    run=_run,
)
