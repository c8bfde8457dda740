"""``search``: the texts of a corpus that are nearest to a query."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm2vec_core.cli.base import Command, say
from llm2vec_core.cli.commands.encode import add_input_options, source_options, tell_mended
from llm2vec_core.cli.commands.similarity import one_line
from llm2vec_core.cli.options import (
    LOADING,
    ModelChoice,
    add_batch_options,
    add_model_options,
    choose_model,
    given,
    load_encoder,
)
from llm2vec_core.cli.progress import Meter
from llm2vec_core.cli.terminal import tell
from llm2vec_core.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from llm2vec_core.corpus.lance_search import CorpusHit
    from llm2vec_core.corpus.source import Mended
    from llm2vec_core.encoder import LLM2Vec

BATCHES = ("batch_size", "max_tokens_per_batch")
# Queries have prompts of their own, and the length of a vector does not change its cosine.
DECIDE_VECTORS = sorted(
    {"model", "adapters", *LOADING, "bidirectional"} - {"prompts", "default_prompt_name", "normalize"}
)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "corpus", metavar="CORPUS", help="texts as for encode, or encode's output: .lance, .parquet, .npy, shards"
    )
    parser.add_argument("--query", action="append", default=[], metavar="Q", help="repeatable")
    parser.add_argument("--queries", metavar="FILE", help="more queries: a text file as for encode, or -")
    parser.add_argument("--top-k", type=int, default=5, help="hits per query (default 5)")
    parser.add_argument(
        "--filter", metavar="SQL", help="for a .lance: only matching rows, for example topic = 'water' AND row < 1000"
    )
    parser.add_argument("--texts", metavar="FILE", help="texts for a .npy, or for a .parquet without texts")
    add_input_options(parser)
    parser.add_argument("--strict", action="store_true", help="stop at the first line that is not valid UTF-8")
    parser.add_argument("--json", action="store_true", help="one JSON object per hit")
    add_model_options(parser)
    group = parser.add_argument_group("encoding")
    group.add_argument("--instruction", help="prepended to each query; the corpus gets none, as published")
    add_batch_options(group)


def _run(arguments: argparse.Namespace) -> None:
    from llm2vec_core.corpus.lance_search import CorpusHit
    from llm2vec_core.corpus.source import Mended
    from llm2vec_core.search import SearchIndex

    if arguments.top_k < 1:
        raise InputError(f"--top-k is {arguments.top_k}; it must be at least 1")
    mended = Mended(strict=arguments.strict)
    queries = [*arguments.query, *(_texts(arguments, arguments.queries, mended) if arguments.queries else ())]
    if not queries:
        raise InputError("no query: use --query TEXT or --queries FILE")
    path = Path(arguments.corpus)
    if path.suffix == ".lance":
        _search_dataset(path, queries, arguments)
        tell_mended(mended)
        return
    if arguments.filter:
        raise InputError(f"--filter needs a dataset with columns: {path.name!r} is not a .lance")
    stored, texts = _corpus(arguments, mended)
    choice = choose_model(arguments)
    encoder = load_encoder(arguments, choice)
    if stored is None and not texts:
        raise InputError(f"{Path(arguments.corpus).name!r} holds no text to search in")
    if stored is None:
        stored = _encoded(encoder, texts or [], arguments)
    elif stored.shape[1] != encoder.hidden_size:
        raise InputError(
            f"the corpus has vectors of {stored.shape[1]} numbers, but {encoder.name} makes {encoder.hidden_size}; "
            "name the model that it was encoded with (--model)"
        )
    else:
        _warn_of_another_model(Path(arguments.corpus), choice)
    index = SearchIndex(stored)
    vectors = encoder.encode_query(queries, arguments.instruction, **given(arguments, BATCHES))
    for query, vector in zip(queries, vectors, strict=True):
        hits = [
            CorpusHit(hit.index, hit.rank, hit.cosine, None if texts is None else texts[hit.index])
            for hit in index.search(vector, arguments.top_k)
        ]
        _print_hits(query, hits, arguments.json, heading=len(queries) > 1)
    tell_mended(mended)


def _search_dataset(path: Path, queries: list[str], arguments: argparse.Namespace) -> None:
    from llm2vec_core.corpus.lance_search import LanceCorpus
    from llm2vec_core.corpus.outputs import stored_settings

    if arguments.texts:
        raise InputError(f"--texts is for a .npy or a .parquet; {path.name!r} holds its own")
    corpus = LanceCorpus(path)
    choice, batches = choose_model(arguments), given(arguments, BATCHES)
    encoder = load_encoder(arguments, choice)
    then, now = stored_settings(path), choice.as_settings()
    corpus.refuse_other_encoder(
        lambda texts: encoder.encode(texts, **_as_corpus(encoder, then)),
        {name: now.get(name) for name in DECIDE_VECTORS},
    )
    if corpus.unindexed:
        say(arguments, f"{corpus.unindexed:,} rows are newer than the index: index build {path.name} adds them")
    vectors = encoder.encode_query(queries, arguments.instruction, **batches)
    for query, vector in zip(queries, vectors, strict=True):
        hits = corpus.search(vector, arguments.top_k, arguments.filter)
        _print_hits(query, hits, arguments.json, heading=len(queries) > 1)


def _as_corpus(encoder: LLM2Vec, settings: dict[str, Any]) -> dict[str, Any]:
    """What stood in front of the corpus's texts, as arguments of ``encode``."""
    if settings.get("instruction") is not None:
        return {"instruction": settings["instruction"]}
    name = settings.get("prompt_name") or settings.get("default_prompt_name")
    prompts = {**encoder.prompts, **settings.get("prompts", {})}
    return {"prompt": prompts[name]} if name in prompts else {}


def _corpus(arguments: argparse.Namespace, mended: Mended) -> tuple[np.ndarray | None, list[str] | None]:
    """Stored embeddings, if there are any, and the texts, if they are known."""
    from llm2vec_core.corpus.outputs import has_embeddings, load_embeddings

    path = Path(arguments.corpus)
    if not has_embeddings(path):
        return None, _texts(arguments, arguments.corpus, mended)
    embeddings, texts = load_embeddings(path)
    if arguments.texts:
        texts = _texts(arguments, arguments.texts, mended)
    if texts is not None and len(texts) != len(embeddings):
        raise InputError(
            f"{len(texts):,} texts do not match {len(embeddings):,} embeddings; name the file that was encoded"
        )
    return embeddings, texts


def _texts(arguments: argparse.Namespace, name: str, mended: Mended) -> list[str]:
    from llm2vec_core.corpus.sources import open_source, read_texts

    return list(read_texts([open_source(name, (arguments.column,), **source_options(arguments))], mended))


def _warn_of_another_model(path: Path, choice: ModelChoice) -> None:
    from llm2vec_core.corpus.outputs import stored_settings

    # Vectors of different models fit in shape and mean nothing to each other.
    then, now = stored_settings(path), choice.as_settings()
    differing = [name for name in DECIDE_VECTORS if then.get(name) != now.get(name)]
    if then and differing:
        name = differing[0]
        tell(
            f"warning: the corpus was encoded with another model or in another way than the query: {name} was "
            f"{then.get(name)!r} and is {now.get(name)!r}; the cosines then mean nothing",
        )


def _encoded(encoder: LLM2Vec, texts: list[str], arguments: argparse.Namespace) -> np.ndarray:
    with Meter(len(texts), quiet=arguments.quiet) as meter:
        return encoder.encode_document(texts, progress=lambda done, _: meter.update(done), **given(arguments, BATCHES))


def _print_hits(query: str, hits: list[CorpusHit], as_json: bool, *, heading: bool) -> None:
    if heading and not as_json:
        print(f"query: {one_line(query)}")
    for hit in hits:
        if as_json:
            fields = {
                "query": query,
                "rank": hit.rank,
                "cosine": round(hit.cosine, 6),
                "row": hit.row,
                "text": hit.text,
            }
            print(json.dumps({**fields, **hit.kept}, ensure_ascii=False))
        else:
            print(f"{hit.rank:>4}  {hit.cosine:7.4f}  {f'row {hit.row}' if hit.text is None else one_line(hit.text)}")


COMMAND = Command(
    name="search",
    usage="CORPUS --query Q",
    summary="the texts of a corpus nearest to a query",
    lesson="Search by meaning: query and texts need not share a word, only have vectors that point the same way.\n"
    "Try it with --model mini:causal too, and see which hits a causal model prefers.",
    examples=(
        'search texts.txt --query "Why do rivers flood?" --top-k 3',
        'search corpus.lance --query "Why do rivers flood?" --filter "row < 1000" --json',
        "search vectors.npy --texts texts.txt --queries queries.txt --top-k 1",
    ),
    add_arguments=_add_arguments,
    run=_run,
)
