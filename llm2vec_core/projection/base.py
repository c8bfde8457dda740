"""What every layout and measure starts from: checked embeddings, made ready for a metric."""

from __future__ import annotations

import numpy as np

from llm2vec_core.errors import InputError

MIN_POINTS = 5
METRICS = ("cosine", "euclidean")


def prepared(embeddings: np.ndarray, metric: str = "cosine") -> np.ndarray:
    """Embeddings whose Euclidean distances order pairs as the metric does.

    For "cosine" each is scaled to length 1 (then the squared distance is 2 - 2 cosine); for "euclidean"
    they stay as they are.

    Args:
        embeddings: shape (points, hidden).
        metric: one of :data:`METRICS`.

    Returns:
        Shape (points, hidden).

    Raises:
        InputError: for fewer than :data:`MIN_POINTS` points, an unknown metric, or numbers that are not finite.

    Example:
        >>> prepared(np.array([[3.0, 4.0]] * 5))[0].tolist()
        [0.6, 0.8]
    """
    if metric not in METRICS:
        raise InputError(f"unknown metric {metric!r}; choose one of {', '.join(METRICS)}")
    if embeddings.ndim != 2 or len(embeddings) < MIN_POINTS:
        count = len(embeddings)
        raise InputError(
            f"{count} {'text is' if count == 1 else 'texts are'} too few for a map; give at least {MIN_POINTS}"
        )
    if not np.isfinite(embeddings).all():
        raise InputError("some embeddings hold NaN or infinity; a map needs finite numbers")
    if metric == "euclidean":
        return embeddings
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings / np.maximum(lengths, 1e-12)


def all_equal(rows: np.ndarray) -> bool:
    """Whether all points lie in one place (to a millionth of their size), so that there is nothing to lay out."""
    spread = np.abs(rows - rows[0]).max()
    return bool(spread <= 1e-6 * max(float(np.abs(rows).max()), 1e-12))
