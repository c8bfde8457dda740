"""One map laid onto another, so that movement between them means something."""

from __future__ import annotations

import numpy as np


def align(reference: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """Shift, turn, mirror and scale one map onto another (orthogonal Procrustes; Schönemann, 1966).

    What still differs afterwards is real: points that changed their neighbours, not a map that
    happened to be turned.

    Args:
        reference: shape (points, dimensions).
        moving: shape (points, dimensions), the same points in the same order.

    Returns:
        ``moving`` in the frame of ``reference``, shape (points, dimensions).

    Example:
        >>> square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
        >>> bool(np.allclose(align(square, 3.0 * square @ [[0, 1], [-1, 0]] + 5.0), square))
        True
    """
    from scipy.linalg import orthogonal_procrustes

    center_a, center_b = reference.mean(axis=0), moving.mean(axis=0)
    a, b = reference - center_a, moving - center_b
    rotation, trace = orthogonal_procrustes(b, a)
    scale = trace / max(float((b**2).sum()), 1e-12)
    return scale * b @ rotation + center_a


def leveled(points: np.ndarray) -> np.ndarray:
    """Turn a map so that its longest axis lies level, the next longest upright; distances stay as they are.

    For layouts whose rotation means nothing, such as UMAP's.

    Args:
        points: shape (points, dimensions).

    Returns:
        The same map around its middle, shape (points, dimensions).

    Example:
        >>> leveled(np.array([[0.0, 0.0], [0.0, 4.0], [1.0, 2.0]])).round(3).tolist()
        [[-2.0, -0.333], [2.0, -0.333], [0.0, 0.667]]
    """
    centered = points - points.mean(axis=0)
    axes = np.linalg.svd(centered, full_matrices=False)[2]
    # The decomposition leaves open which way an axis points.
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    return centered @ np.where(largest < 0, -axes, axes).T


def disparity(reference: np.ndarray, aligned: np.ndarray) -> float:
    """What no shift, turn or scaling could mend, as a share of the reference's own spread.

    Args:
        reference: shape (points, dimensions).
        aligned: from :func:`align`.

    Returns:
        Sum of squared distances over the reference's sum of squares: 0 for the same picture, 1 for nothing in
        common; 0 where the reference has no spread.

    Example:
        >>> square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
        >>> disparity(square, square)
        0.0
    """
    spread = float(((reference - reference.mean(axis=0)) ** 2).sum())
    return float(((reference - aligned) ** 2).sum()) / spread if spread > 0 else 0.0
