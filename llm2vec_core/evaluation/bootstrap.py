"""How sure is a score? Percentile bootstrap intervals, of one encoder and of the difference between two.

The same seed draws the same resamples, so replicate b of one encoder and replicate b of another are scores on
the very same examples: their difference is a paired one, and an average over sets goes replicate by replicate.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000
BATCH = 100  # resamples at once: bounds memory
CONFIDENCE = 0.95
SEED = 42  # mteb's own, so that undersampling and clustering draw what mteb draws

Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Estimate:
    """A score and the interval around it.

    Attributes:
        score: on all examples.
        low: lower end of the 95% interval.
        high: upper end.
    """

    score: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """Of a difference: 1 or -1 if its interval lies above or below 0, else 0, as where there is no interval.

        Example:
            >>> Estimate(1.0, 0.5, 1.5).sign, Estimate(1.0, -0.5, 2.5).sign, Estimate(-1.0, -2.0, -0.5).sign
            (1, 0, -1)
        """
        return int(self.low > 0) - int(self.high < 0)

    def numbers(self) -> tuple[float, float | None, float | None]:
        """The score and both ends for a table or JSON; None for the ends where there is no interval (NaN)."""
        return (self.score, None, None) if np.isnan(self.low) else (self.score, self.low, self.high)


def replicates(statistic: Statistic, units: int, name: str, *, seed: int = SEED) -> np.ndarray:
    """The statistic on resamples of the examples, drawn with replacement (Efron, 1979).

    Args:
        statistic: indices of shape (resamples, units) -> values of shape (resamples,); NaN where it is not
            defined (a resample with one label only, say).
        units: how many pairs, test examples, queries or sets there are; at least 2.
        name: of the data: each set has its own resamples, the same for every encoder.
        seed: of the draw.

    Returns:
        float64 of shape (1000,).

    Example:
        >>> values = np.array([1.0, 2.0, 3.0, 4.0])
        >>> drawn = replicates(lambda index: values[index].mean(axis=-1), 4, "small")
        >>> drawn.shape, bool(abs(drawn.mean() - 2.5) < 0.1)
        ((1000,), True)
    """
    # Not scipy.stats.bootstrap: it takes every NaN for a mishap, and here some resamples have no score.
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    drawn = [statistic(generator.integers(units, size=(BATCH, units))) for _ in range(RESAMPLES // BATCH)]
    return np.concatenate(drawn).astype(np.float64)


def estimate(score: float, drawn: np.ndarray) -> Estimate:
    """A score with the middle 95% of its replicates.

    Args:
        score: on all examples.
        drawn: of shape (resamples,); NaN are left out.

    Example:
        >>> estimate(2.0, np.linspace(1.0, 3.0, 201))
        Estimate(score=2.0, low=1.05, high=2.95)
    """
    known = drawn[~np.isnan(drawn)]
    if not len(known):
        return Estimate(score, float("nan"), float("nan"))
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(known, [tail, 100 - tail])
    return Estimate(score, round(float(low), 6), round(float(high), 6))


def difference(scores: tuple[float, float], drawn: tuple[np.ndarray, np.ndarray]) -> Estimate:
    """How far the first encoder is above the second, on the same examples.

    Args:
        scores: of both.
        drawn: replicates of both, from the same data and seed.

    Returns:
        The difference; if its interval leaves 0 out, the one is above the other beyond the luck of the sample.

    Example:
        >>> shared = np.linspace(-5.0, 5.0, 101)  # the luck of the sample, the same for both, cancels out
        >>> difference((60.0, 58.0), (60.0 + shared, 58.0 + shared))
        Estimate(score=2.0, low=2.0, high=2.0)
    """
    return estimate(scores[0] - scores[1], drawn[0] - drawn[1])


def average(drawn: Sequence[np.ndarray]) -> np.ndarray:
    """Replicates of a mean over sets: each set was drawn on its own, so replicate goes with replicate."""
    return np.mean(np.stack(list(drawn)), axis=0)
