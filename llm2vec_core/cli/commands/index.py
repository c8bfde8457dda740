"""``index``: make a Lance dataset quick to search."""

from __future__ import annotations

import argparse
from pathlib import Path

from llm2vec_core.cli.base import Command, say


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("build",), help="join shards and small files, then build the index")
    parser.add_argument("corpus", metavar="CORPUS", help="a .lance made by encode, or the folder of its shards")


def _run(arguments: argparse.Namespace) -> None:
    from llm2vec_core.corpus.lance_search import EXACT_BELOW, TOP, build_index

    path = Path(arguments.corpus)
    report = build_index(path, exact_below=EXACT_BELOW)
    print(f"{report.rows:,} rows in {path.name}")
    if not report.cells:
        say(arguments, f"no index below {EXACT_BELOW:,} rows: a search compares every row and is exact")
        return
    print(
        f"recall@{TOP} {report.recall:.3f} against exact search ({report.queries} rows of the corpus as queries), "
        f"reading {report.cells_read} of {report.cells} cells of an IVF-PQ index and comparing {report.refine} "
        "candidates a hit"
    )


COMMAND = Command(
    name="index",
    usage="build CORPUS",
    summary="join the shards of a .lance dataset and build its search index",
    lesson="Comparing a query with every text takes longer the more texts there are. An index reads only the cells\n"
    "of texts around the query, and here says how many of the true nearest ones it finds (recall).",
    examples=("index build corpus.lance", "index build shards.lance --quiet"),
    add_arguments=_add_arguments,
    run=_run,
)
