"""Semantic textual similarity: do cosines rank pairs of sentences as people do?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.files import read_table, rows_of_split, spread

Encode = Callable[[Sequence[str]], np.ndarray]
COLUMNS = ("sentence1", "sentence2", "score")


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


def read_sts(file: Path, limit: int | None = None) -> STSSet:
    """Read a parquet file with the columns sentence1, sentence2 and score.

    Args:
        file: the file; of one with a column ``split`` the test rows are read.
        limit: at most this many pairs, evenly spread.

    Raises:
        InputError: if the file or a column is missing, if there are fewer than two pairs, or if the scores are
            no numbers or all the same.
    """
    table = rows_of_split(read_table(file, COLUMNS), "test", file.stem)
    table = table.take(spread(table.num_rows, limit))
    if table.num_rows < 2:
        raise InputError(f"{file.name} holds {table.num_rows} pairs; a rank correlation needs at least 2")
    first, second = (tuple(table[name].to_pylist()) for name in ("sentence1", "sentence2"))
    try:
        scores = table["score"].to_numpy().astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{file.name}: column score holds {table['score'].type} and no numbers") from error
    if not np.isfinite(scores).all():
        row = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise InputError(f"{file.name}: the score of row {row} is {scores[row]}")
    if np.ptp(scores) == 0:
        raise InputError(f"{file.name}: every score is {scores[0]:g}; a rank correlation needs different ones")
    return STSSet(file.stem, first, second, scores)


def cosine_of_pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of row i of ``a`` with row i of ``b``; (pairs, hidden) twice -> (pairs,).

    A row of zeros has cosine 0 with anything.

    Example:
        >>> cosine_of_pairs(np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]])).round(3)
        array([0.707])
    """
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.einsum("ij,ij->i", a, b) / np.maximum(lengths, 1e-12)


def spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation along the last axis; equal values share the mean of their ranks.

    The same as ``scipy.stats.spearmanr``, for many resamples at once.

    Args:
        a: shape (..., pairs).
        b: the same shape.

    Returns:
        Shape (...); NaN where all values of a row are the same.

    Example:
        >>> float(spearman(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])))
        0.5
    """
    from scipy.stats import rankdata

    x, y = (rankdata(values, axis=-1) for values in (a, b))
    x, y = (ranks - ranks.mean(axis=-1, keepdims=True) for ranks in (x, y))
    lengths = np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
    return np.where(lengths > 0, (x * y).sum(axis=-1) / np.where(lengths > 0, lengths, 1.0), np.nan)


def evaluate_sts(encode: Encode, data: STSSet) -> float:
    """Spearman correlation, times 100, of cosine similarity with the scores.

    Args:
        encode: texts -> embeddings of shape (texts, hidden).
        data: the pairs. Each different sentence is encoded once.

    Returns:
        From -100 to 100, as MTEB reports it; NaN if every cosine is the same.
    """
    unique = list(dict.fromkeys((*data.sentence1, *data.sentence2)))
    row = {text: i for i, text in enumerate(unique)}
    embeddings = encode(unique)
    first, second = (embeddings[[row[text] for text in side]] for side in (data.sentence1, data.sentence2))
    return 100.0 * float(spearman(cosine_of_pairs(first, second), data.scores))
