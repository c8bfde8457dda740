"""Vectors of one text by two ways: equal but for what a processor's rounding may do."""

from __future__ import annotations

import numpy as np


def assert_close(found: np.ndarray, expected: np.ndarray, tolerance: float = 1e-5, said: str = "") -> None:
    """Equal to ``tolerance`` times the largest expected value: two kernels round in proportion to what they add up."""
    found, expected = np.asarray(found), np.asarray(expected)  # a tensor would be wrapped again, which NumPy 2 warns of
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * float(np.abs(expected).max()), err_msg=said)
