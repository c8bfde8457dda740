"""Semantic textual similarity: do cosines rank pairs of sentences as people do?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy.stats import spearmanr

from llm2vec_core.errors import InputError

Encode = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class STSSet:
    """Pairs of sentences with a similarity given by people.

    Attributes:
        name: of the set.
        sentence1: first sentences.
        sentence2: second sentences.
        scores: float64 of shape (pairs,); higher is more alike.
    """

    name: str
    sentence1: tuple[str, ...]
    sentence2: tuple[str, ...]
    scores: np.ndarray


def read_sts(file: Path) -> STSSet:
    """Read a parquet file with the columns sentence1, sentence2 and score.

    Raises:
        InputError: if the file or a column is missing, or if there are fewer than two pairs.
    """
    if not file.is_file():
        raise InputError(f"there is no STS file {file.name!r}")
    table = pq.read_table(file)
    missing = {"sentence1", "sentence2", "score"} - set(table.column_names)
    if missing:
        raise InputError(f"{file.name} has no column {', '.join(sorted(missing))}")
    if table.num_rows < 2:
        raise InputError(f"{file.name} holds {table.num_rows} pairs; a rank correlation needs at least 2")
    first, second = (tuple(table[name].to_pylist()) for name in ("sentence1", "sentence2"))
    return STSSet(file.stem, first, second, table["score"].to_numpy().astype(np.float64))


def cosine_of_pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of row i of ``a`` with row i of ``b``; (pairs, hidden) twice -> (pairs,).

    A row of zeros has cosine 0 with anything.

    Example:
        >>> cosine_of_pairs(np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]])).round(3)
        array([0.707])
    """
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.einsum("ij,ij->i", a, b) / np.maximum(lengths, 1e-12)


def evaluate_sts(encode: Encode, data: STSSet) -> float:
    """Spearman correlation, times 100, of cosine similarity with the scores.

    Args:
        encode: texts -> embeddings of shape (texts, hidden).
        data: the pairs. Each different sentence is encoded once.

    Returns:
        From -100 to 100, as MTEB reports it.
    """
    unique = list(dict.fromkeys((*data.sentence1, *data.sentence2)))
    row = {text: i for i, text in enumerate(unique)}
    embeddings = encode(unique)
    first, second = (embeddings[[row[text] for text in side]] for side in (data.sentence1, data.sentence2))
    return 100.0 * float(spearmanr(cosine_of_pairs(first, second), data.scores).statistic)
