"""How well an encoder answers labelled queries, query by query, and how two encoders differ on the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.bootstrap import Estimate, difference, estimate, replicates
from llm2vec_core.evaluation.tasks.retrieval import ndcg, recall, reciprocal_rank

MEASURES = ("ndcg_at_10", "mrr", "recall_at_10")


@dataclass(frozen=True)
class QueryScores:
    """Scores of one encoder on labelled queries.

    Attributes:
        first_ranks: rank of the first relevant text of each query, from 1; int64 of shape (queries,).
        values: by measure (see :data:`MEASURES`) the score of each query, from 0 to 1; float64 of shape (queries,).
    """

    first_ranks: np.ndarray
    values: dict[str, np.ndarray]

    def estimate(self, measure: str) -> Estimate:
        """The mean over queries with its 95% interval (queries drawn again, 1,000 times)."""
        values = self.values[measure]
        return estimate(float(values.mean()), _resampled(values))


@dataclass(frozen=True)
class LabelledQueries:
    """Queries whose relevant texts are known.

    Attributes:
        texts: of the queries.
        rows: for texts that ask for texts, each query's own row; else empty.
        relevant: gives the rows of each query's relevant texts; made anew at each call, they may be many.
    """

    texts: tuple[str, ...]
    rows: tuple[int, ...]
    relevant: Callable[[], Iterator[set[int]]]


def queries_from_labels(texts: Sequence[str], labels: Sequence[str], most: int) -> LabelledQueries | None:
    """Texts that ask for the others of their label.

    Args:
        texts: to search.
        labels: one a text, "" for none.
        most: at most this many queries, spread evenly over the texts.

    Returns:
        None if no label is there twice.

    Example:
        >>> found = queries_from_labels(["a", "b", "c"], ["x", "x", ""], most=10)
        >>> found.texts, list(found.relevant())
        (('a', 'b'), [{1}, {0}])
    """
    groups: dict[str, set[int]] = {}
    for row, label in enumerate(labels):
        if label:
            groups.setdefault(label, set()).add(row)
    able = sorted(row for group in groups.values() if len(group) > 1 for row in group)
    if not able:
        return None
    rows = [able[i] for i in np.linspace(0, len(able) - 1, min(most, len(able))).astype(int)]
    return LabelledQueries(
        tuple(texts[row] for row in rows), tuple(rows), lambda: (groups[labels[row]] - {row} for row in rows)
    )


def score_queries(cosines: np.ndarray, relevant: Iterable[set[int]], left_out: Sequence[int] = ()) -> QueryScores:
    """nDCG@10, reciprocal rank and recall@10 of each query.

    Args:
        cosines: of each query with each text, shape (queries, texts); equal ones keep the order of the texts.
        relevant: for each query the rows of its relevant texts, at least one.
        left_out: for each query a row that is no candidate: the query itself, where texts ask for texts.

    Raises:
        InputError: if there are no queries, or one has no relevant text.

    Example:
        >>> scores = score_queries(np.array([[0.9, 0.5, 0.1], [0.9, 0.5, 0.1]]), [{0}, {1}])
        >>> scores.first_ranks.tolist(), float(scores.estimate("mrr").score)
        ([1, 2], 0.75)
    """
    if not len(cosines):
        raise InputError("there is no query; a score needs at least one")
    found: dict[str, list[float]] = {measure: [] for measure in MEASURES}
    for i, (row, answers) in enumerate(zip(cosines, relevant, strict=True)):
        if not answers:
            raise InputError(f"query {i + 1} has no relevant text; leave it out")
        order = np.argsort(-row, kind="stable")
        if len(left_out):
            order = order[order != left_out[i]]
        grades = dict.fromkeys(answers, 1.0)
        found["ndcg_at_10"].append(ndcg(order, grades, 10))
        found["mrr"].append(reciprocal_rank(order, grades))
        found["recall_at_10"].append(recall(order, grades, 10))
    values = {measure: np.array(scores) for measure, scores in found.items()}
    return QueryScores(np.rint(1 / values["mrr"]).astype(np.int64), values)


def score_difference(first: QueryScores, second: QueryScores, measure: str) -> Estimate:
    """How far the first encoder's mean is above the second's, on the same queries, with its 95% interval."""
    one, other = first.values[measure], second.values[measure]
    return difference((float(one.mean()), float(other.mean())), (_resampled(one), _resampled(other)))


def _resampled(values: np.ndarray) -> np.ndarray:
    if len(values) < 2:
        return np.array([np.nan])  # of one query nobody knows how others would come out
    return replicates(lambda index: values[index].mean(axis=-1), len(values), "queries")
