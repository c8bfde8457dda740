"""Retrieval: are the relevant documents of a query among its nearest ones?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.bootstrap import Statistic
from llm2vec_core.evaluation.files import read_table, spread
from llm2vec_core.evaluation.tasks.base import Measurement, Task, Texts, measurement

NDCG_AT = 10
RECALL_AT = (10, 100)


@dataclass(frozen=True)
class Collection:
    """Documents, queries and what is relevant to them.

    Attributes:
        name: of the set.
        document_ids: of the documents.
        documents: title and text.
        queries: the questions.
        relevant: for each query the grade of each relevant document, by its row.
    """

    name: str
    document_ids: tuple[str, ...]
    documents: tuple[str, ...]
    queries: tuple[str, ...]
    relevant: tuple[dict[int, int], ...]


def read(folder: Path, name: str, limit: int | None = None) -> Collection:
    """Read NAME_corpus, NAME_queries and NAME_qrels.

    Args:
        folder: where they lie.
        name: of the set.
        limit: at most this many queries, with their relevant documents and this many others.

    Raises:
        InputError: if a file cannot be used, an id is there twice or unknown, or a query has no relevant document.
    """
    corpus = read_table(folder / f"{name}_corpus.parquet", ("id", "text"))
    queries = read_table(folder / f"{name}_queries.parquet", ("id", "text"))
    qrels = read_table(folder / f"{name}_qrels.parquet", ("query_id", "doc_id", "score"))
    document_ids, query_ids = (_unique(table["id"].to_pylist(), name) for table in (corpus, queries))
    relevant = _judgements(qrels.to_pylist(), document_ids, query_ids, name)
    chosen = [query_ids[row] for row in spread(len(query_ids), limit)]
    if len(chosen) < 2:
        raise InputError(f"{name} has {len(chosen)} query; an interval needs at least 2")
    kept = set(range(len(document_ids)))
    if limit is not None:
        kept = set(spread(len(document_ids), limit).tolist()).union(*(relevant[query] for query in chosen))
    rows = sorted(kept)
    place = {row: i for i, row in enumerate(rows)}
    titles = corpus["title"].to_pylist() if "title" in corpus.column_names else [""] * len(document_ids)
    texts = corpus["text"].to_pylist()
    text_of = dict(zip(query_ids, queries["text"].to_pylist(), strict=True))
    return Collection(
        name,
        tuple(document_ids[row] for row in rows),
        # The title in front, as mteb joins them.
        tuple(f"{titles[row] or ''} {texts[row]}".strip() for row in rows),
        tuple(text_of[query] for query in chosen),
        tuple({place[row]: grade for row, grade in relevant[query].items()} for query in chosen),
    )


def ranked(cosines: np.ndarray, document_ids: Sequence[str]) -> np.ndarray:
    """Rows of the documents, nearest first; equal cosines by falling id, as trec_eval and so mteb has it.

    Args:
        cosines: shape (queries, documents).
        document_ids: of the documents.

    Returns:
        int64 of shape (queries, documents).

    Example:
        >>> ranked(np.array([[0.5, 0.9, 0.5]]), ["a", "b", "c"]).tolist()
        [[1, 2, 0]]
    """
    by_id = np.argsort(np.argsort(np.array(document_ids)))
    return np.stack([np.lexsort((-by_id, -row)) for row in cosines])


def ndcg(order: np.ndarray, relevant: dict[int, int], k: int = NDCG_AT) -> float:
    """Normalised discounted cumulative gain of one query (Järvelin and Kekäläinen, 2002), gains as trec_eval has them.

    Args:
        order: rows of the documents, nearest first.
        relevant: grade of each relevant document; at least one is above 0.
        k: only the first k count.

    Example:
        >>> round(ndcg(np.array([3, 0, 1]), {0: 1}), 4)  # in the second place: 1 / log2(3)
        0.6309
    """
    discounts = 1 / np.log2(np.arange(2, k + 2))
    gains = np.array([relevant.get(int(row), 0) for row in order[:k]], dtype=np.float64)
    best = np.sort(np.array(list(relevant.values()), dtype=np.float64))[::-1][:k]
    return float(gains @ discounts[: len(gains)] / (best @ discounts[: len(best)]))


def recall(order: np.ndarray, relevant: dict[int, int], k: int) -> float:
    """Share of a query's relevant documents among the first k.

    Example:
        >>> recall(np.array([3, 0, 1]), {0: 1, 1: 1}, k=2)
        0.5
    """
    return len(set(order[:k].tolist()) & set(relevant)) / len(relevant)


def reciprocal_rank(order: np.ndarray, relevant: dict[int, int]) -> float:
    """1 / the rank of a query's first relevant document; its mean over queries is MRR (Voorhees, 1999).

    Args:
        order: rows of the documents, nearest first.
        relevant: grade of each relevant document, above 0.

    Returns:
        From 0 (none is in ``order``) to 1 (the first one is relevant).

    Example:
        >>> reciprocal_rank(np.array([3, 0, 1]), {0: 1, 1: 1})
        0.5
    """
    places = np.flatnonzero(np.isin(order, list(relevant)))
    return 1 / (1 + int(places[0])) if len(places) else 0.0


def measure(data: Collection, queries: np.ndarray, documents: np.ndarray) -> Measurement:
    """Mean nDCG@10 and recall of the queries (MTEB's ``ndcg_at_10`` and ``recall_at_k``).

    Args:
        data: the collection.
        queries: embeddings of shape (queries, hidden).
        documents: embeddings of shape (documents, hidden).

    Returns:
        ``ndcg_at_10``, ``recall_at_10`` and ``recall_at_100``; intervals resample queries.
    """
    orders = ranked(_unit(queries) @ _unit(documents).T, data.document_ids)
    judged = list(zip(orders, data.relevant, strict=True))
    values = {f"ndcg_at_{NDCG_AT}": np.array([ndcg(order, relevant) for order, relevant in judged])}
    for k in RECALL_AT:
        values[f"recall_at_{k}"] = np.array([recall(order, relevant, k) for order, relevant in judged])
    return measurement(data.name, len(judged), {key: (found.mean(), _mean_of(found)) for key, found in values.items()})


def _mean_of(values: np.ndarray) -> Statistic:
    return lambda index: values[index].mean(axis=-1)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _unique(ids: list, name: str) -> list[str]:
    ids = [str(value) for value in ids]
    most = Counter(ids).most_common(1)
    if most and most[0][1] > 1:
        raise InputError(f"{name}: the id {most[0][0]!r} is there twice")
    return ids


def _judgements(
    qrels: list[dict], document_ids: Sequence[str], query_ids: Sequence[str], name: str
) -> dict[str, dict[int, int]]:
    row_of = {value: row for row, value in enumerate(document_ids)}
    relevant: dict[str, dict[int, int]] = {query: {} for query in query_ids}
    for judgement in qrels:
        query, document = str(judgement["query_id"]), str(judgement["doc_id"])
        if query not in relevant:
            raise InputError(f"{name}: qrels judge the query {query!r}, which is not among the queries")
        if document not in row_of:
            raise InputError(f"{name}: qrels judge the document {document!r}, which is not in the corpus")
        if judgement["score"] > 0:
            relevant[query][row_of[document]] = judgement["score"]
    for query, found in relevant.items():
        if not found:
            raise InputError(f"{name}: the query {query!r} has no relevant document; take it out or judge one")
    return relevant


def _texts(data: Collection) -> Texts:
    return Texts(data.queries, data.documents)


TASK = Task(
    kind="retrieval",
    label="Retrieval",
    metric="nDCG@10 x 100 by cosine; intervals over queries",
    place=5,
    sets=("Cranfield", "CISI"),
    columns=frozenset(("id", "text")),
    read=read,
    texts=_texts,
    measure=measure,
    suffix="_corpus",
)
