"""A matrix of similarities as SVG: few and short paths, so that 40 texts stay light."""

from __future__ import annotations

from collections import defaultdict
from html import escape

import numpy as np

from llm2vec_core.ui.tabs.compare.model import PERCENTILE

LEFT, TOP, SIDE = 30, 24, 320
WIDTH = LEFT + SIDE + 2
HEIGHT = TOP + SIDE + 44
SHADES = 24
# Beyond this many texts a number in each cell cannot be read; pointing at a cell tells it.
MOST_NUMBERS = 12
# Beyond this many the outlines of pairs that belong together would hide the shades.
MOST_OUTLINES = 20


def similarity_svg(
    values: np.ndarray, limits: tuple[float, float], measure: str, label: str, together: np.ndarray | None = None
) -> str:
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
    parts = [_cells(shares, np.zeros_like(shares, dtype=bool), "var(--compare)", "var(--compare)")]
    numbers = _numbers(values, shares, _short(measure))
    ends = (_end(low, measure), _end(high, measure))
    cells = "".join(parts) + numbers + _outlines(together)
    return _svg(len(values), label, cells, _scale(["var(--compare)"], ends))


def difference_svg(
    values: np.ndarray,
    span: float,
    measure: str,
    label: str,
    colors: tuple[str, str],
    together: np.ndarray | None = None,
) -> str:
    """Second matrix minus first.

    Args:
        values: shape (texts, texts).
        span: the scale reaches from -span to +span.
        measure: "cosine" or "percentile".
        label: for readers of screens.
        colors: of what the first and what the second finds more alike, CSS values.
        together: as of :func:`similarity_svg`.
    """
    shares = np.clip(np.abs(values) / span, 0.0, 1.0)
    cells = _cells(shares, values < 0, colors[1], colors[0])
    numbers = _numbers(values, shares, _short(measure, signed=True))
    ends = (_end(-span, measure), _end(span, measure, signed=True))
    return _svg(len(values), label, cells + numbers + _outlines(together), _scale([*colors], ends))


def outlined(together: np.ndarray | None) -> bool:
    """Whether pairs that belong together are outlined: there are some, and they would not hide the rest."""
    return together is not None and len(together) <= MOST_OUTLINES and bool(together.any())


def _outlines(together: np.ndarray | None) -> str:
    if not outlined(together):
        return ""
    side = SIDE / len(together)
    inner = side - 3
    squares = "".join(
        f"M{LEFT + j * side + 1:.1f} {TOP + i * side + 1:.1f}h{inner:.2f}v{inner:.2f}h-{inner:.2f}z"
        for i, j in np.argwhere(together | together.T)
    )
    return f'<path class="l2v-compare-together" d="{squares}" fill="none" stroke="var(--good)" stroke-width="2"/>'


def difference_colors(first: str, second: str) -> tuple[str, str]:
    """Colours of the two ends of the difference: the encoders' own, unless they are the same.

    Example:
        >>> difference_colors("var(--bidi)", "var(--bidi)")
        ('var(--muted)', 'var(--bidi)')
    """
    if first != second:
        return first, second
    return ("var(--muted)" if second != "var(--muted)" else "var(--ink)"), second


def _cells(shares: np.ndarray, negative: np.ndarray, color: str, other: str) -> str:
    """Squares of one shade as one path; the diagonal is left as paper."""
    count = len(shares)
    side = SIDE / count
    gap = min(1.0, side * 0.06)
    by_shade: defaultdict[tuple[int, bool], list[str]] = defaultdict(list)
    for i in range(count):
        for j in range(count):
            if i != j:
                shade = round(float(shares[i, j]) * SHADES)
                square = (
                    f"M{LEFT + j * side:.1f} {TOP + i * side:.1f}h{side - gap:.2f}v{side - gap:.2f}h-{side - gap:.2f}z"
                )
                by_shade[shade, bool(negative[i, j])].append(square)
    return "".join(
        f'<path d="{"".join(squares)}" fill="{other if minus else color}" opacity="{max(0.03, shade / SHADES):.3f}"/>'
        for (shade, minus), squares in sorted(by_shade.items())
    )


def _numbers(values: np.ndarray, shares: np.ndarray, short: object) -> str:
    count = len(values)
    if count > MOST_NUMBERS:
        return ""
    side = SIDE / count
    size = min(15.0, side * 0.37)
    return "".join(
        f'<text x="{LEFT + (j + 0.5) * side:.1f}" y="{TOP + (i + 0.5) * side + size * 0.35:.1f}" text-anchor="middle" '
        f'font-size="{size:.1f}"{" class=on" if shares[i, j] > 0.55 else ""}>{short(values[i, j])}</text>'
        for i in range(count)
        for j in range(count)
        if i != j
    )


def _svg(count: int, label: str, cells: str, scale: str) -> str:
    side = SIDE / count
    step = 1 if count <= 20 else 5
    size = min(13.0, max(8.0, side * 0.8))
    axes = []
    for i in range(count):
        if count > 20 and (i + 1) % step and i:
            continue
        middle = (i + 0.5) * side
        axes.append(
            f'<text class="q" x="{LEFT - 6}" y="{TOP + middle + size * 0.35:.1f}" text-anchor="end" '
            f'font-size="{size:.1f}">{i + 1}</text>'
            f'<text class="q" x="{LEFT + middle:.1f}" y="{TOP - 7}" text-anchor="middle" '
            f'font-size="{size:.1f}">{i + 1}</text>'
        )
    return (
        f'<svg class="l2v-svg l2v-compare-matrix" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" tabindex="0" '
        f'aria-label="{escape(label)}"><rect x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="var(--paper)"/>'
        f'{cells}{"".join(axes)}{scale}<rect class="l2v-compare-at" fill="none" stroke="var(--ink)" stroke-width="2" '
        f'opacity="0" x="{LEFT}" y="{TOP}" width="{side:.2f}" height="{side:.2f}"/></svg>'
    )


def _scale(colors: list[str], ends: tuple[str, str]) -> str:
    """The bar of shades below a matrix, with its two ends (and 0 in the middle, if there are two colours)."""
    y, height = TOP + SIDE + 10, 9
    steps = 2 * SHADES
    width = SIDE / steps
    parts = []
    for step in range(steps):
        place = (step + 0.5) / steps
        color, opacity = (colors[0], place) if len(colors) == 1 else (colors[int(place > 0.5)], abs(place - 0.5) * 2)
        parts.append(
            f'<rect x="{LEFT + step * width:.2f}" y="{y}" width="{width:.2f}" height="{height}" fill="{color}" '
            f'opacity="{max(0.03, opacity):.3f}"/>'
        )
    low, high = ends
    below = y + height + 15
    middle = f'<text class="q" x="{LEFT + SIDE / 2}" y="{below}" text-anchor="middle" font-size="12">0</text>'
    return (
        "".join(parts)
        + f'<text class="q" x="{LEFT}" y="{below}" font-size="12">{low}</text>'
        + f'<text class="q" x="{LEFT + SIDE}" y="{below}" text-anchor="end" font-size="12">{high}</text>'
        + (middle if len(colors) == 2 else "")
    )


def _end(value: float, measure: str, signed: bool = False) -> str:
    """A number with its unit.

    Example:
        >>> _end(-0.5, "cosine"), _end(100.0, "percentile"), _end(12.0, "percentile", signed=True)
        ('−0.50', '100', '+12')
    """
    text = f"{abs(value):.0f}" if measure == PERCENTILE else f"{abs(value):.2f}"
    sign = "−" if value < 0 else "+" if signed else ""
    return sign + text


def _short(measure: str, signed: bool = False) -> object:
    """How a number stands in a cell: ".41", "+.12", "97"."""

    def cosine(value: float) -> str:
        # Of 1.00 the one is kept, of 0.41 the nought is not.
        text = f"{abs(value):.2f}"
        text = text[1:] if text.startswith("0") else text[:3]
        return text if float(f"{abs(value):.2f}") == 0 else _sign(value, signed) + text

    def percent(value: float) -> str:
        text = f"{abs(value):.0f}"
        return text if text == "0" else _sign(value, signed) + text

    return percent if measure == PERCENTILE else cosine


def _sign(value: float, signed: bool) -> str:
    return "−" if value < 0 else "+" if signed else ""
