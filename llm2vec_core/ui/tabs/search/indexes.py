"""Search indexes and scores by encoder: the bundled texts' are shared, a visitor's stay in their visit. No gradio."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from llm2vec_core.bundled_data import queries
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.query_scores import QueryScores, score_queries
from llm2vec_core.search import SearchIndex
from llm2vec_core.ui.context import AppContext, relevant_rows
from llm2vec_core.ui.encoders import USER_ADAPTER
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.user_texts import Texts, our_collection

T = TypeVar("T")
# Texts encoded between two looks at whether the visitor pressed Stop.
CHUNK = 64
KEPT_SCORES = 8


@dataclass
class Kept:
    """What this tab keeps for one visitor.

    Attributes:
        indexes: finished ones alone, by what they depend on; those of the last search.
        scores: of encoders on labelled queries, the latest few.
    """

    indexes: dict[Any, SearchIndex] = field(default_factory=dict)
    scores: dict[Any, QueryScores] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """How far an indexing run is.

    Attributes:
        label: of the encoder at work.
        done: different texts encoded, over both encoders.
        total: how many there are to encode.
        seconds_left: at the speed so far.
    """

    label: str
    done: int
    total: int
    seconds_left: float


@dataclass(frozen=True)
class Asked:
    """Labelled queries.

    Attributes:
        names: each query's text.
        rows: for texts that ask for texts, each query's own row; else empty.
        relevant: gives the rows of each query's answers; made anew at each call, they may be many.
    """

    names: tuple[str, ...]
    rows: tuple[int, ...]
    relevant: Callable[[], Iterator[set[int]]]


def labelled_queries(texts: Texts, limit: int) -> Asked | None:
    """The collection's queries; of a visitor's texts, those with a label, which ask for the others of their label.

    Args:
        texts: where to search.
        limit: at most this many of the visitor's, spread evenly over them.

    Returns:
        None if nothing is labelled, or no label is there twice.
    """
    if texts.key == our_collection().key:
        return Asked(tuple(q.query for q in queries()), (), lambda: iter(relevant_rows()))
    groups: dict[str, set[int]] = {}
    for row, label in enumerate(texts.labels or ()):
        if label:
            groups.setdefault(label, set()).add(row)
    able = sorted(row for group in groups.values() if len(group) > 1 for row in group)
    if not able:
        return None
    chosen = [able[i] for i in np.linspace(0, len(able) - 1, min(limit, len(able))).astype(int)]
    labels = texts.labels or ()
    return Asked(
        tuple(texts.texts[row] for row in chosen),
        tuple(chosen),
        lambda: (groups[labels[row]] - {row} for row in chosen),
    )


def index_key(session: Session, context: AppContext, texts: Texts, key: str, pooling: str) -> tuple[Any, ...]:
    """Whatever an index depends on; another one of these, and the index is no longer right."""
    adapter = (session.encoder, session.adapter_version) if key == USER_ADAPTER else None
    return texts.key, context.preset.key, key, pooling, adapter


def kept_for(session: Session, texts: Texts) -> Kept:
    """The visitor's indexes, without those of texts or of an adapter that are gone."""
    kept: Kept = session.by_tab.setdefault("search", Kept())
    alive = {our_collection().key, session.texts.key if session.texts else texts.key}
    now = (session.encoder, session.adapter_version)
    for store in (kept.indexes, kept.scores):
        for key in [k for k in store if k[0] not in alive or k[4] not in (None, now)]:
            del store[key]
    return kept


def shared(texts: Texts, key: str) -> bool:
    """Whether an index belongs to everybody: our collection under an encoder that is nobody's own."""
    return texts.key == our_collection().key and key != USER_ADAPTER


def missing(session: Session, context: AppContext, texts: Texts, keys: Sequence[str], pooling: str) -> list[str]:
    """The encoders whose index of these texts has yet to be made for this visitor."""
    found = kept_for(session, texts).indexes
    return [
        key
        for key in dict.fromkeys(keys)
        if not shared(texts, key) and index_key(session, context, texts, key, pooling) not in found
    ]


def make_indexes(
    session: Session, context: AppContext, texts: Texts, keys: Sequence[str], pooling: str
) -> Iterator[Progress]:
    """Index texts under each encoder that lacks it. The new indexes take the old ones' place when all are finished.

    Leaving early (Stop, a closed page) discards what was begun and leaves the visitor's earlier indexes as they were.

    Raises:
        InputError: if an index would be larger than allowed.
    """
    kept = kept_for(session, texts)
    wanted = {key: index_key(session, context, texts, key, pooling) for key in keys if not shared(texts, key)}
    todo = missing(session, context, texts, keys, pooling)
    # A text that is there twice is encoded once: it saves time, and both get the very same vector.
    different = list(dict.fromkeys(texts.texts))
    total, started = len(different) * len(todo), time.monotonic()
    made: dict[Any, SearchIndex] = {}
    for number, key in enumerate(todo):
        label = session.choice(key, context).label
        encoder = session.encoder_for(key, context)
        vectors = None
        for done, part, rows in _encoded(encoder, different, pooling):
            if vectors is None:
                _check_size(len(texts), part.shape[1], context)
                vectors = np.empty((len(different), part.shape[1]), dtype=np.float32)
            vectors[rows] = part
            finished = number * len(different) + done
            passed = time.monotonic() - started
            yield Progress(label, finished, total, passed / finished * (total - finished))
        place = {text: i for i, text in enumerate(different)}
        made[wanted[key]] = SearchIndex(vectors[[place[text] for text in texts.texts]])
    if made:
        everything = kept.indexes | made
        kept.indexes = {key: everything[key] for key in wanted.values()}


def index_of(session: Session, context: AppContext, texts: Texts, key: str, pooling: str) -> SearchIndex:
    """A finished index.

    Raises:
        InputError: if it has yet to be made.
    """
    if shared(texts, key):
        return context.index(key, pooling)
    found = kept_for(session, texts).indexes.get(index_key(session, context, texts, key, pooling))
    if found is None:
        label = session.choice(key, context).label
        raise InputError(
            f"{len(texts):,} texts are loaded, but not yet indexed with {label}. Press “Index my texts”; "
            "it can be stopped."
        )
    return found


def scores_of(
    session: Session,
    context: AppContext,
    texts: Texts,
    key: str,
    pooling: str,
    instruction: str,
) -> QueryScores | None:
    """Scores of one encoder over all labelled queries; None where nothing is labelled."""
    if shared(texts, key) and not instruction:
        return context.query_scores(key, pooling)
    kept = kept_for(session, texts)
    name = (*index_key(session, context, texts, key, pooling), instruction)
    if name not in kept.scores:
        asked = labelled_queries(texts, context.limits.scored_queries)
        if asked is None:
            return None
        index = index_of(session, context, texts, key, pooling)
        if asked.rows and not instruction:
            vectors = index.vectors(asked.rows)
        else:
            encoder = session.encoder_for(key, context)
            vectors = encoder.encode(list(asked.names), instruction or None, pooling_mode=pooling)
        kept.scores[name] = score_queries(index.cosines(vectors), asked.relevant(), asked.rows)
        for oldest in list(kept.scores)[:-KEPT_SCORES]:
            del kept.scores[oldest]
    return kept.scores[name]


def _encoded(encoder: Any, texts: Sequence[str], pooling: str) -> Iterator[tuple[int, np.ndarray, list[int]]]:
    # Alike in length, so that little is padded.
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for start in range(0, len(order), CHUNK):
        rows = order[start : start + CHUNK]
        yield start + len(rows), encoder.encode([texts[i] for i in rows], pooling_mode=pooling), rows


def _check_size(rows: int, hidden: int, context: AppContext) -> None:
    size, limit = rows * hidden * 4 / 2**20, context.limits.index_megabytes
    if size > limit:
        raise InputError(
            f"An index of {rows:,} texts with vectors of {hidden:,} numbers takes {size:,.0f} MiB; at most {limit} "
            f"fit. Give at most {int(limit * 2**20 / hidden / 4):,} texts, or choose a smaller model."
        )
