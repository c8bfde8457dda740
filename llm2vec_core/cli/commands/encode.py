"""``encode``: a corpus of any size into a file of embeddings."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm2vec_core.cli.base import Command, say
from llm2vec_core.cli.options import (
    ENCODING,
    EncoderFactory,
    ModelChoice,
    add_encoding_options,
    add_model_options,
    choose_model,
    encoding_function,
    given,
    load_encoder,
)
from llm2vec_core.cli.progress import Meter
from llm2vec_core.cli.terminal import tell
from llm2vec_core.errors import InputError

if TYPE_CHECKING:
    from llm2vec_core.corpus.parts import Engine
    from llm2vec_core.corpus.shards import Corpus
    from llm2vec_core.corpus.source import Mended, TextSource
    from llm2vec_core.encoder import LLM2Vec
    from llm2vec_core.worker_pool import WorkerPool

COMPUTED_BY = ("device", "batch_size", "max_tokens_per_batch")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help=".txt, .csv, .tsv, .json, .jsonl, .parquet, or -")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="ends in .parquet, .lance, .npy, .jsonl, .csv"
    )
    add_input_options(parser)
    parser.add_argument(
        "--keep", action="append", default=[], metavar="COLUMN", help="column to store with each text; repeatable"
    )
    parser.add_argument("--no-text", action="store_true", help="leave the texts out of the output")
    parser.add_argument("--strict", action="store_true", help="stop at the first line that is not valid UTF-8")
    parser.add_argument(
        "--chunk-rows", type=int, default=4096, help="rows per write; a killed run loses at most these (default 4096)"
    )
    parser.add_argument("--shard", metavar="I/N", help="only the I-th of N equal shards; --out becomes a folder")
    parser.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="ray: on the actors of a Ray cluster"
    )
    parser.add_argument(
        "--actors", type=int, metavar="N", help="encoders with --engine ray; default: one per GPU or CPU"
    )
    parser.add_argument("--ray-address", help="address of a running cluster; default: RAY_ADDRESS, or this machine")
    parser.add_argument("--force", action="store_true", help="replace a finished output")
    parser.add_argument("--restart", action="store_true", help="discard what an interrupted run has done")
    parser.add_argument(
        "--devices", metavar="LIST", help="one process on each, such as cuda:0,cuda:1; cpu,cpu for two processes"
    )
    add_model_options(parser)
    add_encoding_options(parser)


def add_input_options(parser: argparse.ArgumentParser) -> None:
    """Add how texts are read from files."""
    parser.add_argument("--column", default="text", help="column with the texts (default text)")
    parser.add_argument("--input-format", help="txt, csv, tsv, json, jsonl or parquet; default: the file's suffix")
    parser.add_argument("--encoding", help="such as cp1252 or utf-16; detected by default")
    parser.add_argument(
        "--no-header", action="store_true", help="the first row is data, not names; --column is then a number from 1"
    )


def source_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """What :func:`add_input_options` read, as arguments of ``open_source``."""
    return {
        "kind": arguments.input_format,
        "encoding": arguments.encoding,
        "encoding_hint": "name it with --encoding,",
        "header": not arguments.no_header,
        "hint": "--column names another",
        "header_hint": "if that is a row and no header, --no-header",
    }


def _run(arguments: argparse.Namespace) -> None:
    from llm2vec_core.corpus.encoding import CorpusEncoding, ShardEncoding
    from llm2vec_core.corpus.shards import Shard
    from llm2vec_core.corpus.source import Mended
    from llm2vec_core.corpus.sources import read_labelled

    # Everything that can be wrong with the files shows before the model loads.
    sources = _sources(arguments)
    choice, options = choose_model(arguments), given(arguments, ENCODING)
    settings = {**choice.as_settings(), **options, "inputs": [_described(source) for source in sources]}
    how = {
        "chunk_rows": arguments.chunk_rows,
        "keep_texts": not arguments.no_text,
        "kept": arguments.keep,
        "overwrite": arguments.force,
        "restart": arguments.restart,
    }
    _refuse_engine(arguments)
    job: CorpusEncoding | ShardEncoding
    if arguments.shard is None:
        job = CorpusEncoding(arguments.out, settings, **how)
        corpus = _survey(arguments, sources)
        total, out = corpus.rows if corpus else None, arguments.out
    else:
        shard = Shard.parse(arguments.shard)
        corpus = _survey(arguments, sources)
        if corpus is None:
            raise InputError("--shard reads the corpus from files, not from standard input (-): it must know all rows")
        # Where and in which batches it is computed may differ from shard to shard.
        shared = {name: value for name, value in settings.items() if name not in COMPUTED_BY}
        job = ShardEncoding(arguments.out, shard, corpus, shared, **how)
        total, out = len(job.rows), shard.file(arguments.out)
        say(arguments, f"shard {shard}: rows {job.rows.start:,} to {job.rows.stop - 1:,}")
    mended = Mended(strict=arguments.strict)
    try:
        with _engine(arguments, choice, options) as engine, Meter(total, quiet=arguments.quiet) as meter:
            report = job.run_with(engine, read_labelled(sources, mended), meter.update)
    except KeyboardInterrupt:
        say(arguments, "what is done is kept: the same command goes on from there")
        raise
    resumed = f", {report.resumed_rows:,} of them by an earlier run" if report.resumed_rows else ""
    say(arguments, f"{report.rows:,} rows{resumed}: {out}")
    tell_mended(mended)


@contextmanager
def _processes(arguments: argparse.Namespace, encoder: LLM2Vec) -> Iterator[WorkerPool | None]:
    if arguments.devices is None:
        yield None
        return
    devices = [name.strip() for name in arguments.devices.split(",") if name.strip()]
    with encoder.start_pool(devices) as pool:
        say(arguments, f"{len(pool)} processes: {', '.join(devices)}")
        if encoder.model.device.type != "cpu":
            encoder.to("cpu")  # its place belongs to the processes now
        yield pool


@contextmanager
def _engine(arguments: argparse.Namespace, choice: ModelChoice, options: dict[str, Any]) -> Iterator[Engine]:
    from llm2vec_core.corpus.parts import InProcess

    if arguments.engine == "local":
        encoder = load_encoder(arguments, choice)
        with _processes(arguments, encoder) as pool:
            yield InProcess(encoding_function(encoder, {**options, "pool": pool}))
        return
    from llm2vec_core.corpus.ray_engine import RayEngine

    use_gpu = None if choice.options.get("device") is None else choice.options["device"] != "cpu"
    engine = RayEngine(
        EncoderFactory(choice, options).anywhere(),
        actors=arguments.actors,
        address=arguments.ray_address,
        use_gpu=use_gpu,
    )
    with engine.cluster():
        yield engine


def _sources(arguments: argparse.Namespace) -> list[TextSource]:
    from llm2vec_core.corpus.source import STDIN
    from llm2vec_core.corpus.sources import open_source

    if arguments.inputs.count(STDIN) > 1:
        raise InputError("standard input (-) can be read only once")
    if arguments.column in arguments.keep:
        raise InputError(f"--keep {arguments.column} is the text itself; it stands in the output as 'text'")
    columns = (arguments.column, *arguments.keep)
    sources = [
        open_source(name, columns, labels=arguments.keep, **source_options(arguments)) for name in arguments.inputs
    ]
    if any(source.path and source.path.resolve() == arguments.out.resolve() for source in sources):
        raise InputError(f"{arguments.out.name!r} is input and output; choose another name for the output")
    return sources


def _refuse_engine(arguments: argparse.Namespace) -> None:
    if arguments.engine == "ray":
        from llm2vec_core.corpus.ray_engine import require_ray

        require_ray()
        if arguments.devices:
            raise InputError("--devices is for --engine local; --actors says how many encoders Ray starts")
        return
    for name in ("actors", "ray_address"):
        if getattr(arguments, name) is not None:
            raise InputError(f"--{name.replace('_', '-')} is for --engine ray")


def _survey(arguments: argparse.Namespace, sources: list[TextSource]) -> Corpus | None:
    """Read the files once before the model loads: a bad line shows now, not after hours."""
    from llm2vec_core.corpus.shards import Corpus
    from llm2vec_core.corpus.source import Mended
    from llm2vec_core.corpus.sources import read_labelled

    if any(source.path is None for source in sources):
        return None
    corpus = Corpus.survey(read_labelled(sources, Mended(strict=arguments.strict)))
    say(arguments, f"{corpus.rows:,} rows to encode")
    return corpus


def _described(source: TextSource) -> list[Any]:
    size = None if source.path is None else source.path.stat().st_size
    # A resumed run has to read the same rows; what is the default is not written down.
    read_as = [source.encoding] if source.encoding else []
    return [source.name, size, source.kind, *source.columns, *read_as, *([] if source.header else ["no header"])]


def tell_mended(mended: Mended, advice: str = " --strict stops at the first") -> None:
    """Say what was guessed or had to be replaced; a loss of data is told even to those who asked for quiet."""
    for note in mended.notes:
        tell(f"note: {note}")
    if mended.rows:
        more = ", ..." if mended.rows > len(mended.places) else ""
        tell(
            f"warning: {mended.rows:,} lines were no valid text and were mended (U+FFFD where bytes were wrong): "
            f"{'; '.join(mended.places)}{more}.{advice}",
        )


COMMAND = Command(
    name="encode",
    usage="INPUT [INPUT ...] --out FILE",
    summary="embed a corpus of any size into parquet, lance, npy, jsonl or csv",
    lesson="A text becomes one vector: the mean of its tokens', each of which has read the whole text.\n"
    "Interrupted? The same command resumes the run; no row is lost or repeated.",
    examples=(
        "encode texts.txt --out vectors.parquet",
        "encode records.jsonl --column body --keep topic --normalize --out corpus.lance --shard 1/4",
        "cat texts.txt | encode - --out vectors.jsonl --chunk-rows 1000",
    ),
    add_arguments=_add_arguments,
    run=_run,
)
