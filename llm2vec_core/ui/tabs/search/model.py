"""What the tab computes: two rankings of the same texts, how they differ, and how good they are."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from llm2vec_core.bundled_data import queries, relevant_rows
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.bootstrap import Estimate
from llm2vec_core.evaluation.query_scores import (
    LabelledQueries,
    QueryScores,
    queries_from_labels,
    score_difference,
    score_queries,
)
from llm2vec_core.search import Ranking, SearchIndex, build_index
from llm2vec_core.threads import reported
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.cores import CORES
from llm2vec_core.ui.encoders import EncoderHandle
from llm2vec_core.ui.limits import Limits
from llm2vec_core.ui.tabs.search.copy import MEASURES
from llm2vec_core.ui.user_texts import Texts, shortened
from llm2vec_core.ui.zero_gpu import loan_seconds, on_lent_gpu

# Texts encoded between two looks at whether the visitor pressed Stop.
CHUNK = 64
LARGEST_CHUNK = 512
REPORT_SECONDS = 0.5  # what is there sooner needs no progress
# Of a visitor's text where it is a query.
QUERY_CHARACTERS = 120


@dataclass(frozen=True)
class Side:
    """One encoder's answer.

    Attributes:
        encoder: which one.
        ranking: of all texts.
        scores: over all labelled queries, if there are any.
    """

    encoder: EncoderHandle
    ranking: Ranking
    scores: QueryScores | None


@dataclass(frozen=True)
class HitRow:
    """One line of a list.

    Attributes:
        row: of the text.
        rank: in this list, from 1.
        elsewhere: rank in the other list.
        cosine: with the question.
        text: whole.
        label: "" for none.
        mark: number of the label among all labels, for its marker; None without a label.
        relevant: whether it is known to answer the question.
    """

    row: int
    rank: int
    elsewhere: int
    cosine: float
    text: str
    label: str
    mark: int | None
    relevant: bool

    @property
    def moved(self) -> int:
        """Places higher than in the other list; negative for lower."""
        return self.elsewhere - self.rank


@dataclass(frozen=True)
class SearchResult:
    """What the tab shows.

    Attributes:
        query: what was asked.
        texts: where it was searched.
        left: the left encoder's answer.
        right: the right encoder's.
        relevant: rows that are known to answer this query; empty if that is not known.
        asked: the labelled queries behind the scores, if there are any.
    """

    query: str
    texts: Texts
    left: Side
    right: Side
    relevant: frozenset[int]
    asked: LabelledQueries | None

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both answers."""
        return self.left, self.right

    @property
    def instruction(self) -> str:
        """What stood before the question; "" for none."""
        return self.left.encoder.instruction

    @property
    def names(self) -> tuple[str, str]:
        """Both encoders' names, different even if the encoder is the same."""
        left, right = self.left.encoder.label, self.right.encoder.label
        return (left, right) if left != right else (f"{left} (left)", f"{right} (right)")

    def hits(self, side: Side, top: int) -> list[HitRow]:
        """The first lines of one list."""
        other = self.right if side is self.left else self.left
        ranks, labels = other.ranking.ranks(), self.texts.labels
        marks = {label: number for number, label in enumerate(sorted(set(labels or ())))}
        rows = []
        for hit in side.ranking.hits(top):
            label = labels[hit.index] if labels else ""
            rows.append(
                HitRow(
                    hit.index,
                    hit.rank,
                    int(ranks[hit.index]),
                    hit.cosine,
                    self.texts.texts[hit.index],
                    label,
                    marks[label] if label else None,
                    hit.index in self.relevant,
                )
            )
        return rows

    def columns(self) -> list[str]:
        """Headings of :meth:`table`; answers are known of our collection alone."""
        answer = ["known answer"] if self.texts.is_bundled else []
        return ["encoder", "rank", "rank in the other list", "cosine", "row", "label", *answer, "text"]

    def table(self, top: int) -> list[tuple[str | int, ...]]:
        """Both lists as rows of :meth:`columns`."""
        return [
            (
                side.encoder.label,
                hit.rank,
                hit.elsewhere,
                f"{hit.cosine:.6f}",
                hit.row + 1,
                hit.label,
                *(["yes" if hit.relevant else ""] if self.texts.is_bundled else []),
                hit.text,
            )
            for side in self.sides
            for hit in self.hits(side, top)
        ]

    def first_rank(self, side: Side) -> int | None:
        """Where this side has the first text that is known to answer the query."""
        return int(side.ranking.ranks()[list(self.relevant)].min()) if self.relevant else None

    def in_both(self, top: int) -> int:
        """How many texts are among the first ``top`` of both lists."""
        return len(np.intersect1d(self.left.ranking.order[:top], self.right.ranking.order[:top]))

    def scores(self) -> Scores | None:
        """Both encoders over all labelled queries; None where nothing is labelled."""
        if self.left.scores is None or self.right.scores is None or self.asked is None:
            return None
        return Scores(self.names, self.left, self.right, self.asked.texts, self.texts.is_bundled)


@dataclass(frozen=True)
class Scores:
    """Both encoders over all labelled queries.

    Attributes:
        names: of the encoders, different.
        left: the left encoder.
        right: the right encoder.
        queries: their texts.
        bundled: whether the queries are ours; else they are labelled texts of the visitor.
    """

    names: tuple[str, str]
    left: Side
    right: Side
    queries: tuple[str, ...]
    bundled: bool

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both encoders."""
        return self.left, self.right

    @property
    def first_ranks(self) -> tuple[np.ndarray, np.ndarray]:
        """Rank of each query's first relevant text, left and right; each of shape (queries,)."""
        return self.left.scores.first_ranks, self.right.scores.first_ranks

    @property
    def wins(self) -> tuple[int, int, int]:
        """For how many queries the left one is first, the right one is, and neither."""
        left, right = self.first_ranks
        return int((left < right).sum()), int((right < left).sum()), int((left == right).sum())

    def estimates(self, measure: str) -> tuple[Estimate, Estimate]:
        """The mean of a measure with its interval, left and right."""
        return self.left.scores.estimate(measure), self.right.scores.estimate(measure)

    def difference(self, measure: str) -> Estimate:
        """Right minus left."""
        return score_difference(self.right.scores, self.left.scores, measure)

    def in_first(self, top: int) -> tuple[int, int]:
        """For how many queries the first relevant text is among the first ``top``, left and right."""
        left, right = self.first_ranks
        return int((left <= top).sum()), int((right <= top).sum())

    def gains(self) -> list[Gain]:
        """Where each encoder gains most, the right one first."""
        left, right = self.first_ranks
        gain = np.log(left) - np.log(right)
        rows = ((self.names[1], int(gain.argmax()), 1), (self.names[0], int(gain.argmin()), -1))
        return [
            Gain(name, self.queries[i], int(left[i]), int(right[i])) for name, i, sign in rows if sign * gain[i] > 0
        ]

    def columns(self) -> list[str]:
        """Headings of :meth:`rows`."""
        parts = [f"{name} {part}" for name in self.names for part in ("score", "low", "high")]
        return ["measure", *parts, f"{self.names[1]} minus {self.names[0]}", "low", "high"]

    def rows(self, measures: Sequence[str]) -> list[list[str | float | None]]:
        """Each measure: of both encoders and of their difference the mean and the ends of its interval."""
        found = {measure: (*self.estimates(measure), self.difference(measure)) for measure in measures}
        return [
            [MEASURES[measure], *(number for estimate in estimates for number in estimate.numbers())]
            for measure, estimates in found.items()
        ]

    def rank_rows(self) -> list[tuple[str, int, int]]:
        """Each query with its ranks left and right; first what the right one raises most."""
        left, right = self.first_ranks
        # Questions whole, a visitor's texts in short.
        limit = max(map(len, self.queries)) if self.bundled else QUERY_CHARACTERS
        order = np.argsort(right - left, kind="stable")
        return [(shortened(self.queries[i], limit), int(left[i]), int(right[i])) for i in order]


@dataclass(frozen=True)
class Gain:
    """The query on which an encoder is most ahead of the other.

    Attributes:
        name: of the encoder.
        query: its text.
        left: rank of the first relevant text on the left.
        right: and on the right.
    """

    name: str
    query: str
    left: int
    right: int


@dataclass(frozen=True)
class IndexProgress:
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


def search(
    context: AppContext,
    texts: Texts,
    encoders: tuple[EncoderHandle, EncoderHandle],
    query: str,
    report: Callable[[IndexProgress], None] = lambda progress: None,
) -> SearchResult:
    """Search texts with two encoders.

    Few texts are indexed on the way; many have to be indexed before.

    Args:
        context: the model in use.
        texts: to search.
        encoders: the left and the right one.
        query: what is asked.
        report: called with how far the indexing is, where that is done now.

    Raises:
        InputError: if the texts are not indexed.
    """
    relevant, asked = known_answers(texts, query), labelled_queries(texts, context.limits)
    sides = []
    for encoder in encoders:
        index = index_of(context, texts, encoder, report)
        # The texts have no instruction: it tells the encoder what is asked for, and only a question asks.
        ranking = index.rank(encoder.encode([query])[0])
        sides.append(Side(encoder, ranking, scores_of(context, texts, encoder, index, asked)))
    return SearchResult(query, texts, *sides, relevant, asked)


def searching(
    context: AppContext, texts: Texts, encoders: tuple[EncoderHandle, EncoderHandle], query: str
) -> Iterator[IndexProgress | SearchResult]:
    """As :func:`search`, which comes last; where texts are indexed on the way, how far that is comes before."""

    def work(report: Callable[[IndexProgress], None]) -> SearchResult:
        with CORES.answering():
            return search(context, texts, encoders, query, report)

    if missing(texts, encoders):
        yield (yield from reported(work, REPORT_SECONDS))
    else:
        yield work(lambda progress: None)


def known_answers(texts: Texts, query: str) -> frozenset[int]:
    """Rows that are known to answer a query; empty for one without labels."""
    if not texts.is_bundled:
        return frozenset()
    by_query = {q.query.lower(): rows for q, rows in zip(queries(), relevant_rows(), strict=True)}
    return frozenset(by_query.get(query.lower(), ()))


def labelled_queries(texts: Texts, limits: Limits) -> LabelledQueries | None:
    """The collection's queries; of a visitor's texts, those with a label, which ask for the others of their label."""
    if texts.is_bundled:
        return LabelledQueries(tuple(q.query for q in queries()), (), lambda: iter(relevant_rows()))
    return queries_from_labels(texts.texts, texts.labels, limits.scored_queries) if texts.labels else None


def index_key(texts: Texts, encoder: EncoderHandle) -> tuple[object, ...]:
    """Key of an index in the cache: whatever it depends on."""
    return "index", texts.key, *encoder.cache_key


def index_of(
    context: AppContext,
    texts: Texts,
    encoder: EncoderHandle,
    report: Callable[[IndexProgress], None] = lambda progress: None,
) -> SearchIndex:
    """The index of some texts: made now if they are few, with a report after each chunk.

    Raises:
        InputError: if they are many and have yet to be indexed, or the index is too large.
    """
    if encoder.shares(texts):
        return context.index(encoder.key, encoder.pooling)
    cache, key = encoder.cache(texts), index_key(texts, encoder)
    if len(texts) <= context.limits.index_at_once:
        return cache.get(key, lambda: _index_now(context, texts, encoder, report))
    if (found := cache.peek(key)) is None:
        raise InputError(
            f"{len(texts):,} texts are loaded, but not yet indexed with {encoder.label}. Press “Index my texts”; "
            "you can stop it at any time."
        )
    return found


def missing(texts: Texts, encoders: Sequence[EncoderHandle]) -> list[EncoderHandle]:
    """The encoders whose index of these texts has yet to be made."""
    different = {encoder.cache_key: encoder for encoder in encoders if not encoder.shares(texts)}
    return [e for e in different.values() if e.cache(texts).peek(index_key(texts, e)) is None]


def make_indexes(
    context: AppContext, texts: Texts, encoders: Sequence[EncoderHandle]
) -> Generator[IndexProgress, None, None]:
    """Index texts under each encoder that lacks it; the new indexes are cached when all are finished.

    Leaving early (Stop, a closed page) drops what was begun and leaves earlier indexes as they were.

    Raises:
        InputError: if an index would be larger than allowed.
    """
    todo = missing(texts, encoders)
    made = yield from _indexing_where_lent(context, texts, todo)
    for encoder, index in zip(todo, made, strict=True):
        encoder.cache(texts).put(index_key(texts, encoder), index)


def _index_now(
    context: AppContext, texts: Texts, encoder: EncoderHandle, report: Callable[[IndexProgress], None]
) -> SearchIndex:
    with closing(_indexing_where_lent(context, texts, [encoder])) as steps:
        while True:
            try:
                report(next(steps))
            except StopIteration as end:
                return end.value[0]


def _indexing_where_lent(
    context: AppContext, texts: Texts, todo: Sequence[EncoderHandle]
) -> Generator[IndexProgress, None, list[SearchIndex]]:
    used = [encoder.encoder for encoder in todo]
    return on_lent_gpu(lambda: _index_all(context, texts, todo), used, loan_seconds(used, texts.texts))


def _index_all(
    context: AppContext, texts: Texts, todo: Sequence[EncoderHandle]
) -> Generator[IndexProgress, None, list[SearchIndex]]:
    made = []
    started = time.monotonic()
    for number, encoder in enumerate(todo):
        steps = _indexing(context, texts, encoder)
        while True:
            try:
                done, different = next(steps)
            except StopIteration as end:
                made.append(end.value)
                break
            finished, total = number * different + done, different * len(todo)
            passed = time.monotonic() - started
            yield IndexProgress(encoder.label, finished, total, passed / finished * (total - finished))
    return made


def scores_of(
    context: AppContext, texts: Texts, encoder: EncoderHandle, index: SearchIndex, asked: LabelledQueries | None
) -> QueryScores | None:
    """Scores of one encoder over all labelled queries; None where nothing is labelled."""
    if asked is None:
        return None
    if encoder.shares(texts) and not encoder.instruction:
        return context.query_scores(encoder.key, encoder.pooling)

    def measure() -> QueryScores:
        own = asked.rows and not encoder.instruction
        vectors = index.vectors(asked.rows) if own else encoder.encode(asked.texts)
        return score_queries(index.cosines(vectors), asked.relevant(), asked.rows)

    key = ("query scores", texts.key, *encoder.cache_key, encoder.instruction)
    return encoder.cache(texts).get(key, measure)


def end(estimate: Estimate) -> float:
    """The upper end of an interval; the score itself where there is none."""
    return estimate.score if math.isnan(estimate.high) else estimate.high


def _indexing(
    context: AppContext, texts: Texts, encoder: EncoderHandle
) -> Generator[tuple[int, int], None, SearchIndex]:
    return build_index(
        lambda chunk: encoder.encode(chunk, instructed=False),
        texts.texts,
        chunk=CHUNK,
        largest_chunk=LARGEST_CHUNK,
        max_bytes=context.limits.index_megabytes * 2**20,
    )
