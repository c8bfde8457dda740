"""Retrieval: are the relevant documents of a query among its nearest ones?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.bootstrap import Statistic
from llm2vec_core.evaluation.files import spread
from llm2vec_core.evaluation.retrieval_files import RetrievalFiles, beir_names, read_retrieval_files
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
        own: for each query the row of the document that it is itself, which its ranking leaves out; None if it is none.
        notes: what was left out, in words.
    """

    name: str
    document_ids: tuple[str, ...]
    documents: tuple[str, ...]
    queries: tuple[str, ...]
    relevant: tuple[dict[int, float], ...]
    own: tuple[int | None, ...] = ()
    notes: tuple[str, ...] = ()


def read(folder: Path, name: str, limit: int | None = None) -> Collection:
    """Read NAME_corpus, NAME_queries and NAME_qrels, or a folder as BEIR has it.

    Args:
        folder: where they lie.
        name: of the set.
        limit: at most this many queries, with their relevant documents and this many others.

    Raises:
        InputError: if a file cannot be used, an id is there twice or unknown, or fewer than two queries have a
            relevant document.
    """
    found = read_retrieval_files(folder, name)
    document_ids = list(found.documents)
    relevant = _judged(found, name)
    judged = [query for query in found.queries if relevant[query]]
    chosen = [judged[row] for row in spread(len(judged), limit)]
    if len(chosen) < 2:
        nothing = next((query for query in found.queries if not relevant[query]), None)
        why = "" if nothing is None else f"; the query {nothing!r} has no relevant document"
        raise InputError(f"{name} has {len(chosen)} judged query; an interval needs at least 2{why}")
    kept = set(range(len(document_ids)))
    if limit is not None:
        kept = set(spread(len(document_ids), limit).tolist()).union(*(relevant[query] for query in chosen))
    rows = sorted(kept)
    place = {row: i for i, row in enumerate(rows)}
    # The title in front, as mteb joins them.
    documents = tuple(" ".join(found.documents[document_ids[row]]).strip() for row in rows)
    ids = tuple(document_ids[row] for row in rows)
    grades = tuple({place[row]: grade for row, grade in relevant[query].items()} for query in chosen)
    own, notes = _own_documents(chosen, found, ids, documents, grades)
    if unjudged := len(found.queries) - len(judged):
        notes.insert(0, f"{unjudged:,} of {len(found.queries):,} queries have no relevant document and are left out")
    notes = [*found.notes, *notes]
    if empty := sum(not "".join(texts).strip() for texts in found.documents.values()):
        notes.append(f"{empty:,} of {len(document_ids):,} documents have neither a title nor a text")
    return Collection(
        name,
        ids,
        documents,
        tuple(found.queries[query] for query in chosen),
        grades,
        own,
        tuple(f"{name}: {note}" for note in notes),
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


def without_own(orders: np.ndarray, own: Sequence[int | None]) -> list[np.ndarray]:
    """Rankings without the document that each query is itself.

    Args:
        orders: shape (queries, documents).
        own: for each query a row, or None; empty for none at all.

    Example:
        >>> [order.tolist() for order in without_own(np.array([[1, 0, 2], [1, 0, 2]]), [1, None])]
        [[0, 2], [1, 0, 2]]
    """
    return [
        order if row is None else order[order != row]
        for order, row in zip(orders, own or (None,) * len(orders), strict=True)
    ]


def ndcg(order: np.ndarray, relevant: dict[int, float], k: int = NDCG_AT) -> float:
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


def recall(order: np.ndarray, relevant: dict[int, float], k: int) -> float:
    """Share of a query's relevant documents among the first k.

    Example:
        >>> recall(np.array([3, 0, 1]), {0: 1, 1: 1}, k=2)
        0.5
    """
    return len(set(order[:k].tolist()) & set(relevant)) / len(relevant)


def reciprocal_rank(order: np.ndarray, relevant: dict[int, float]) -> float:
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
    orders = without_own(ranked(_unit(queries) @ _unit(documents).T, data.document_ids), data.own)
    judged = list(zip(orders, data.relevant, strict=True))
    values = {f"ndcg_at_{NDCG_AT}": np.array([ndcg(order, relevant) for order, relevant in judged])}
    for k in RECALL_AT:
        values[f"recall_at_{k}"] = np.array([recall(order, relevant, k) for order, relevant in judged])
    return measurement(data.name, len(judged), {key: (found.mean(), _mean_of(found)) for key, found in values.items()})


def _mean_of(values: np.ndarray) -> Statistic:
    return lambda index: values[index].mean(axis=-1)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _judged(found: RetrievalFiles, name: str) -> dict[str, dict[int, float]]:
    """For each query the grade of each relevant document, by its row."""
    row_of = {value: row for row, value in enumerate(found.documents)}
    relevant: dict[str, dict[int, float]] = {query: {} for query in found.queries}
    for query, document, grade in found.judgements:
        if query not in relevant:
            raise InputError(f"{name}: qrels judge the query {query!r}, which is not among the queries")
        if document not in row_of:
            raise InputError(f"{name}: qrels judge the document {document!r}, which is not in the corpus")
        # Of two judgements of one document the later one holds, as in BEIR's and mteb's dictionaries.
        relevant[query].pop(row_of[document], None)
        if grade > 0:
            relevant[query][row_of[document]] = grade
    return relevant


def _own_documents(
    queries: Sequence[str],
    found: RetrievalFiles,
    ids: Sequence[str],
    documents: Sequence[str],
    relevant: Sequence[dict[int, float]],
) -> tuple[tuple[int | None, ...], list[str]]:
    """For each query the row of the document that it is itself, and what is to be told about them.

    BEIR leaves out whatever document has the query's id. Ids that merely count from 1 on both sides are equal by
    chance, so the text has to be the same, too, and a document that was judged relevant stays.
    """
    row_of = {value: row for row, value in enumerate(ids)}
    own: list[int | None] = []
    others = 0
    for query, grades in zip(queries, relevant, strict=True):
        row = row_of.get(query)
        same = row is not None and _plain(found.queries[query]) in _plain(documents[row])
        own.append(row if same and row not in grades else None)
        others += row is not None and own[-1] is None
    notes = []
    if count := sum(row is not None for row in own):
        notes.append(f"{count:,} queries are documents too (same id, same text); each is left out of its own ranking")
    if others:
        notes.append(f"{others:,} queries have the same id as a document of another text, or judged relevant: it stays")
    return tuple(own), notes


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


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
    folders=beir_names,
    notes=lambda data: data.notes,
)
