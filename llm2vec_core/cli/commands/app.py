"""``app``: serve the page."""

from __future__ import annotations

import argparse
import os

from llm2vec_core.cli.base import Command
from llm2vec_core.errors import InputError

# A Space's container is reached from outside; a visitor's own machine should not be.
EVERYWHERE = "0.0.0.0"  # noqa: S104


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    default = EVERYWHERE if "SPACE_ID" in os.environ else "127.0.0.1"
    parser.add_argument("--host", default=os.environ.get("HOST", default), help="default: HOST, or 127.0.0.1")
    parser.add_argument("--port", type=int, default=os.environ.get("PORT", "7860"), help="default: PORT, or 7860")
    parser.add_argument(
        "--model",
        default=os.environ.get("LLM2VEC_MODEL"),
        help="mini or smollm2; default: LLM2VEC_MODEL, or the largest on this machine",
    )


def _run(arguments: argparse.Namespace) -> None:
    # Read when torch is imported. Threads that spin while they wait cost more than they give where several visitors
    # share two cores: two encoders side by side run 1.6 times as fast without.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

    if not 0 <= arguments.port <= 65_535:
        raise InputError(f"--port {arguments.port} is none: a port is a number from 0 to 65535")

    from llm2vec_core.ui.memory import without_collections

    with without_collections():  # until the page is there
        from llm2vec_core.ui.app import serve

        serve(arguments.host, arguments.port, arguments.model)


COMMAND = Command(
    name="app",
    usage="",
    summary="serve the page on this machine",
    lesson="The page shows each step of the method on live models: attention, search, maps, training an adapter.\n"
    "It listens on 127.0.0.1 unless --host is given, and has no login.",
    examples=("app", "app --host 0.0.0.0 --port 8000"),
    add_arguments=_add_arguments,
    run=_run,
)
