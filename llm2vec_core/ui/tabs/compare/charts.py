"""Matrices of pairwise values as SVG: few and short paths, so that 40 texts stay light."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from markupsafe import Markup

from llm2vec_core.charts.svg import path, rect, svg, text
from llm2vec_core.ui.tabs.compare.model import PERCENTILE
from llm2vec_core.ui.templates import number

# tab.js knows these, too. A phone shows a picture of this width unscaled, so that 12 stays 12 pixels.
LEFT, TOP, SIDE, WIDTH = 24, 22, 304, 330
HEIGHT = TOP + SIDE + 38
TEXT = 12
SHADES = 24
# Beyond this many texts a number in each cell cannot be read; pointing at a cell tells it.
MOST_NUMBERS = 12
# Beyond this many the outlines of pairs that belong together would hide the shades.
MOST_OUTLINES = 20


def matrix(
    values: np.ndarray, limits: tuple[float, float], measure: str, label: str, together: np.ndarray | None = None
) -> Markup:
    """One encoder's matrix.

    Args:
        values: shape (texts, texts).
        limits: ends of the scale.
        measure: "cosine" or "percentile".
        label: for readers of screens.
        together: boolean of shape (texts, texts), pairs to outline.
    """
    low, high = limits
    shares = np.clip((values - low) / (high - low), 0.0, 1.0)
    ends = (written(low, measure), written(high, measure))
    return _drawn(values, shares, ("var(--compare)",), measure, ends, label, together)


def difference(
    values: np.ndarray,
    span: float,
    measure: str,
    label: str,
    colors: tuple[str, str],
    together: np.ndarray | None = None,
) -> Markup:
    """Second matrix minus first.

    Args:
        values: shape (texts, texts).
        span: the scale reaches from -span to +span.
        measure: "cosine" or "percentile".
        label: for readers of screens.
        colors: of negative and of positive values, CSS values.
        together: as of :func:`matrix`.
    """
    shares = np.clip(np.abs(values) / span, 0.0, 1.0)
    ends = (written(-span, measure), written(span, measure, signed=True))
    return _drawn(values, shares, colors, measure, ends, label, together)


def outlined(together: np.ndarray | None) -> bool:
    """Whether pairs that belong together are outlined: there are some, and they would not hide the rest."""
    return together is not None and len(together) <= MOST_OUTLINES and bool(together.any())


def difference_colors(first: str, second: str) -> tuple[str, str]:
    """Colours of the two ends of the difference: the encoders' own, unless they are the same.

    Example:
        >>> difference_colors("var(--bidi)", "var(--bidi)")
        ('var(--muted)', 'var(--bidi)')
    """
    if first != second:
        return first, second
    return ("var(--muted)" if second != "var(--muted)" else "var(--ink)"), second


def written(value: float, measure: str, signed: bool = False) -> str:
    """A value at the end of a scale.

    Example:
        >>> written(-0.5, "cosine"), written(100.0, "percentile"), written(12.0, "percentile", signed=True)
        ('−0.50', '100', '+12')
    """
    return number(value, f"%{'+' if signed else ''}.{0 if measure == PERCENTILE else 2}f")


def in_cell(value: float, measure: str, signed: bool = False) -> str:
    """A value as a cell shows it: a percentile, or a cosine times 100.

    Example:
        >>> in_cell(0.412, "cosine"), in_cell(0.12, "cosine", True), in_cell(-0.001, "cosine")
        ('41', '+12', '0')
    """
    rounded = round(value if measure == PERCENTILE else 100 * value)
    return number(rounded, "%+d" if signed and rounded else "%d")


def _drawn(
    values: np.ndarray,
    shares: np.ndarray,
    colors: tuple[str, ...],
    measure: str,
    ends: tuple[str, str],
    label: str,
    together: np.ndarray | None,
) -> Markup:
    count = len(values)
    side = SIDE / count
    parts = [rect(LEFT, TOP, SIDE, SIDE, fill="var(--paper)"), *_cells(values, shares, colors)]
    if count <= MOST_NUMBERS:
        parts += _numbers(values, shares, measure, signed=len(colors) == 2)
    if together is not None and outlined(together):
        squares = "".join(_square(i, j, side, 1, 3) for i, j in np.argwhere(together | together.T))
        parts.append(path(squares, class_="l2v-compare-together", fill="none", stroke="var(--good)", stroke_width=2))
    parts += [*_axes(count), *_scale(colors, ends)]
    parts.append(
        rect(
            LEFT, TOP, side, side, class_="l2v-compare-at", fill="none", stroke="var(--ink)", stroke_width=2, opacity=0
        )
    )
    return svg(WIDTH, HEIGHT, *parts, label=label, css="l2v-svg l2v-compare-matrix", tabindex=0)


def _square(i: int, j: int, side: float, inset: float, gap: float) -> str:
    x, y, inner = LEFT + j * side + inset, TOP + i * side + inset, side - gap
    return f"M{x:.1f} {y:.1f}h{inner:.2f}v{inner:.2f}h-{inner:.2f}z"


def _cells(values: np.ndarray, shares: np.ndarray, colors: tuple[str, ...]) -> list[Markup]:
    """Squares of one shade as one path; the diagonal is left empty."""
    count = len(shares)
    side = SIDE / count
    by_shade: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
    for i, j in np.argwhere(~np.eye(count, dtype=bool)):
        color = colors[0] if len(colors) == 1 or values[i, j] < 0 else colors[1]
        by_shade[round(float(shares[i, j]) * SHADES), color].append(_square(i, j, side, 0, min(1.0, side * 0.06)))
    return [
        path("".join(squares), fill=color, opacity=f"{max(0.03, shade / SHADES):.3f}")
        for (shade, color), squares in sorted(by_shade.items())
    ]


def _numbers(values: np.ndarray, shares: np.ndarray, measure: str, signed: bool) -> list[Markup]:
    side = SIDE / len(values)
    size = max(TEXT, min(15.0, side * 0.37))
    return [
        text(
            LEFT + (j + 0.5) * side,
            TOP + (i + 0.5) * side + size * 0.35,
            in_cell(values[i, j], measure, signed),
            size,
            text_anchor="middle",
            class_="on" if shares[i, j] > 0.55 else None,
        )
        for i, j in np.argwhere(~np.eye(len(values), dtype=bool))
    ]


def _axes(count: int) -> list[Markup]:
    step = 1 if count <= 20 else 5
    parts = []
    for place in [1, *range(step, count + 1, step)] if step > 1 else range(1, count + 1):
        middle = (place - 0.5) * SIDE / count
        parts.append(text(LEFT - 5, TOP + middle + 4, str(place), TEXT, class_="q", text_anchor="end"))
        parts.append(text(LEFT + middle, TOP - 7, str(place), TEXT, class_="q", text_anchor="middle"))
    return parts


def _scale(colors: tuple[str, ...], ends: tuple[str, str]) -> list[Markup]:
    """The bar of shades below a matrix, with its two ends (and 0 in the middle, if there are two colours)."""
    y, steps = TOP + SIDE + 8, 2 * SHADES
    parts = []
    for step in range(steps):
        place = (step + 0.5) / steps
        color, opacity = (colors[0], place) if len(colors) == 1 else (colors[int(place > 0.5)], abs(place - 0.5) * 2)
        opacity = max(0.03, opacity)
        parts.append(rect(LEFT + step * SIDE / steps, y, SIDE / steps, 9, fill=color, opacity=f"{opacity:.3f}"))
    for words, x, anchor in ((ends[0], 0.0, "start"), (ends[1], 1.0, "end"), ("0", 0.5, "middle")):
        if x != 0.5 or len(colors) == 2:
            parts.append(text(LEFT + SIDE * x, y + 24, words, TEXT, class_="q", text_anchor=anchor))
    return parts
