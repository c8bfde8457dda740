"""``similarity``: the cosine of two texts, or of many pairs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from llm2vec_core.cli.base import Command
from llm2vec_core.cli.commands.encode import tell_mended
from llm2vec_core.cli.options import ENCODING, add_encoding_options, add_model_options, given, load_encoder
from llm2vec_core.errors import InputError

if TYPE_CHECKING:
    from llm2vec_core.corpus.source import Mended, TextSource
    from llm2vec_core.encoder import LLM2Vec

Pair = tuple[str, str]
PAIRS_AT_ONCE = 1024
NAMES = ("sentence1", "sentence2")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "texts",
        nargs="+",
        metavar="TEXT",
        help="two texts; or one file of pairs (.tsv, .csv, .jsonl, .parquet); or - for tab-separated pairs",
    )
    parser.add_argument(
        "--columns",
        nargs=2,
        metavar=("A", "B"),
        help="names of the two columns; default: no header in a .tsv or .csv, else sentence1 and sentence2",
    )
    parser.add_argument("--encoding", help="encoding of the file, for example cp1252 or utf-16; detected by default")
    parser.add_argument("--strict", action="store_true", help="stop at the first line that is not valid UTF-8")
    parser.add_argument("--both", action="store_true", help="the same weights read causally and bidirectionally")
    parser.add_argument("--json", action="store_true", help="one JSON object per pair")
    add_model_options(parser)
    add_encoding_options(parser)


def _run(arguments: argparse.Namespace) -> None:
    from llm2vec_core.corpus.source import Mended

    mended = Mended(strict=arguments.strict)
    pairs = _pairs(arguments, mended)
    encoder = load_encoder(arguments)
    views = {"cosine": encoder}
    if arguments.both:
        views = {name: encoder.view(bidirectional=name == "bidirectional") for name in ("causal", "bidirectional")}
        if not arguments.json:
            print(f"{'causal':>7}  {'bidirectional':>13}  texts")
    for batch in _batched(pairs, PAIRS_AT_ONCE):
        cosines = {name: _cosines(view, batch, arguments) for name, view in views.items()}
        for i, pair in enumerate(batch):
            print(_line(pair, {name: values[i] for name, values in cosines.items()}, arguments.json))
    tell_mended(mended)


def _pairs(arguments: argparse.Namespace, mended: Mended) -> Iterable[Pair]:
    from llm2vec_core.corpus.sources import read_records

    if len(arguments.texts) == 2:
        return [(arguments.texts[0], arguments.texts[1])]
    if len(arguments.texts) > 2:
        raise InputError(
            f"{len(arguments.texts)} texts are not a pair; give two, in quotation marks, or a file of pairs"
        )
    return ((a, b) for a, b in read_records(_source(arguments), mended))


def _source(arguments: argparse.Namespace) -> TextSource:
    from llm2vec_core.corpus.source import STDIN
    from llm2vec_core.corpus.sources import open_source

    (name,) = arguments.texts
    if name != STDIN and not Path(name).exists():
        raise InputError(f"there is no file {name!r} of pairs; for one pair give two texts")
    columns = tuple(arguments.columns or NAMES)
    source = open_source(
        name,
        columns,
        kind="tsv" if name == STDIN else None,
        header=bool(arguments.columns),
        encoding=arguments.encoding,
        hint="--columns names others",
        encoding_hint="name it with --encoding,",
    )
    if source.kind == "txt":
        raise InputError(f"{source.name!r} has one text per line; pairs come as .tsv, .csv, .jsonl or .parquet")
    return source


def _cosines(encoder: LLM2Vec, pairs: list[Pair], arguments: argparse.Namespace) -> list[float]:
    from llm2vec_core.evaluation.sts import cosine_of_pairs

    embeddings = encoder.encode([text for pair in pairs for text in pair], **given(arguments, ENCODING))
    return cosine_of_pairs(embeddings[0::2], embeddings[1::2]).tolist()


def _line(pair: Pair, cosines: dict[str, float], as_json: bool) -> str:
    if as_json:
        rounded = {name: round(value, 6) for name, value in cosines.items()}
        return json.dumps({"a": pair[0], "b": pair[1], **rounded}, ensure_ascii=False)
    if len(cosines) == 1:
        return f"{cosines['cosine']:.4f}"
    return f"{cosines['causal']:7.4f}  {cosines['bidirectional']:13.4f}  {one_line(' | '.join(pair))}"


def one_line(text: str) -> str:
    """A text without line ends and tabs, so that a result stays one line."""
    return " ".join(text.split())


def _batched(pairs: Iterable[Pair], size: int) -> Iterator[list[Pair]]:
    iterator = iter(pairs)
    while batch := list(islice(iterator, size)):
        yield batch


COMMAND = Command(
    name="similarity",
    usage="TEXT TEXT | FILE | -",
    summary="the cosine of two texts, or of a file of pairs",
    lesson="A raw cosine says little by itself: a causal model can give any two sentences 0.9.\n"
    "--both reads the same weights in both ways; see which pairs move apart.",
    examples=(
        'similarity "The bank was steep and muddy." "The bank was robbed at noon." --both',
        "similarity pairs.jsonl --columns sentence1 sentence2 --json",
        "cat pairs.tsv | similarity - --both",
    ),
    add_arguments=_add_arguments,
    run=_run,
)
