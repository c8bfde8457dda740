"""How densely points lie on a picture."""

from __future__ import annotations

import numpy as np

CELLS = 48


def density_grid(points: np.ndarray, low: np.ndarray, high: np.ndarray, cells: int = CELLS) -> np.ndarray:
    """Density of points on a grid: a sum of Gaussians.

    Args:
        points: shape (points, 2).
        low: lower ends of both axes.
        high: upper ends; the first and last grid points lie on the ends.
        cells: grid points on each axis.

    Returns:
        float64 of shape (cells, cells), rows along the second axis, divided by its highest value.

    Example:
        >>> density_grid(np.array([[0.0, 0.0]]), np.array([-1.0, -1.0]), np.array([1.0, 1.0]), 3)[1, 1].item()
        1.0
    """
    width = bandwidth(points)
    weights = []
    for axis in (0, 1):
        grid = np.linspace(low[axis], high[axis], cells)
        weights.append(np.exp(-((points[:, axis, None] - grid) ** 2) / (2 * width**2)))
    density = weights[1].T @ weights[0]
    return density / max(density.max(), 1e-300)


def bandwidth(points: np.ndarray) -> float:
    """Standard deviation of each Gaussian: half of what Scott's rule gives, which would blur groups into each other."""
    return max(0.5 * float(np.sqrt(points.var(axis=0).mean())) * len(points) ** (-1 / 6), 1e-6)
