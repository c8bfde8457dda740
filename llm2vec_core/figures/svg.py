"""The two figures of what was measured as SVG, for pages that run no script: a README, a model card.

Each picture lies on a sheet of its own and changes it with the reader's light or dark setting, because nobody knows
what will be behind it. Shapes say what colours say, for those who see no colours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from textwrap import wrap

import numpy as np
from markupsafe import Markup

from llm2vec_core.charts.svg import element
from llm2vec_core.figures.base import DIRECTION_COLORS
from llm2vec_core.figures.ladder import DIRECTION_NAMES, DIRECTION_SYMBOLS
from llm2vec_core.figures.sample_efficiency import DASHES, LABEL_GAP, MARKS, apart, lettered

WIDTH, MARGIN = 860, 20
# Lighter on a dark sheet, so that lines keep a contrast of 3 to 1 and more.
_DARK_COLORS = {"causal": "#6fb1f2", "bidirectional": "#ff9a57", "none": "#b3b3b3"}
_SHAPES = {
    "circle": element("circle", r=4),
    "diamond": element("path", d="M0 -5L5 0L0 5L-5 0z"),
    "square": element("path", d="M-3.5 -3.5h7v7h-7z"),
    "triangle-up": element("path", d="M0 -5L5 4H-5z"),
}
_DASHES = {"solid": "none", "dash": "8 5", "dot": "2 4", "dashdot": "9 4 2 4"}
_PANELS_A_ROW, _LABELS, _ROW = 2, 244, 23
_LONGEST_LABEL, _LONGEST_LINE = 36, 118  # characters that fit


def ladder_svg(
    labels: Sequence[str],
    directions: Sequence[str],
    panels: Mapping[str, Sequence[tuple[float, float, float]]],
    title: str,
) -> str:
    """Scores of encoders with their intervals: one line an encoder, one panel a kind of task.

    Args:
        labels: of the encoders, shown from the top.
        directions: of each encoder "causal", "bidirectional" or "none", which decides colour and shape.
        panels: by title, for each encoder (score, lower end, upper end); NaN where there is none.
        title: above the picture; says the unit.

    Returns:
        A whole SVG file. Each panel has its own scale; its best score is bold.

    Example:
        >>> picture = ladder_svg(["A", "B"], ["causal", "bidirectional"], {"STS": [(4, 3, 5), (6, 5, 7)]}, "Scores")
        >>> picture.startswith("<svg"), picture.count("<title>")  # the file's own, and a value at each mark
        (True, 3)
    """
    a_row = min(_PANELS_A_ROW, len(panels))
    width = (WIDTH - 2 * MARGIN - _LABELS) / a_row
    band = 62 + _ROW * len(labels)
    parts = []
    for place, (panel, found) in enumerate(panels.items()):
        top = 62 + band * (place // a_row)
        left = MARGIN + _LABELS + width * (place % a_row)
        if place % a_row == 0:
            parts += [_label(top + 22 + _ROW * (row + 0.5) + 4, label) for row, label in enumerate(labels)]
        parts += _panel(panel, found, directions, left, top, width)
    height = 62 + band * math.ceil(len(panels) / a_row) + 22
    at = MARGIN + 6
    for direction in (name for name in DIRECTION_COLORS if name in directions):
        name = DIRECTION_NAMES.get(direction, direction)
        parts += [
            _mark(at, height - 22, direction, DIRECTION_SYMBOLS[direction]),
            _text(at + 12, height - 18, name),
        ]
        at += 44 + 7 * len(name)
    return _file(height, title, parts)


def sample_efficiency_svg(
    labels: Sequence[str],
    directions: Sequence[str],
    steps: Sequence[Sequence[int]],
    scores: Sequence[np.ndarray],
    title: str,
    metric: str = "score",
) -> str:
    """One line a start: the mean over its seeds, in a band from the lowest to the highest seed.

    Args:
        labels: of the starts; each gets a letter, which stands at the end of its line too.
        directions: "causal" or "bidirectional", which decides the colour; starts of one colour differ by dash and mark.
        steps: of each start, where it was measured.
        scores: of each start, shape (seeds, points).
        title: above the picture.
        metric: above the vertical axis.

    Returns:
        A whole SVG file.

    Raises:
        ValueError: if there are more starts than letters, or scores and steps do not go together.

    Example:
        >>> picture = sample_efficiency_svg(["A"], ["causal"], [[0, 25]], [np.array([[40.0, 45.0]])], "Scores")
        >>> picture.count('class="band')
        1
    """
    starts = lettered(labels, directions, steps, scores)
    seeds = max(len(start.scores) for start in starts)
    band = f"; mean of {seeds} seeds, in a band from the lowest to the highest" if seeds > 1 else ""
    told = wrap(f"{metric}{band}", _LONGEST_LINE)
    left, right, top = MARGIN + 34, WIDTH - MARGIN - 34, 68 + 18 * len(told)
    bottom = top + 300
    ends = max(start.steps[-1] for start in starts) or 1
    low, high = min(float(s.scores.min()) for s in starts), max(float(s.scores.max()) for s in starts)
    pad = 0.04 * (high - low) or 1.0
    low, high = low - pad, high + pad

    def x(step: float) -> float:
        return left + (right - left) * step / ends

    def y(score: float) -> float:
        return bottom - (bottom - top) * (score - low) / (high - low)

    parts = [_text(MARGIN, 58 + 18 * row, line, "q") for row, line in enumerate(told)]
    parts.append(_text(right, bottom + 40, "training steps on labelled pairs", "q end"))
    for tick in _ticks(low, high, 6):
        parts += [_line(left, y(tick), right, y(tick), "grid"), _text(left - 8, y(tick) + 4, f"{tick:g}", "q end")]
    for step in sorted({step for start in starts for step in start.steps}):
        parts.append(_text(x(step), bottom + 20, str(step), "q middle"))
    for start in starts:
        edge = [*zip(start.steps, start.scores.max(axis=0), strict=True)]
        edge += reversed([*zip(start.steps, start.scores.min(axis=0), strict=True)])
        outline = _path([(x(step), y(score)) for step, score in edge])
        parts.append(element("path", class_=f"band {start.direction}", d=f"{outline}z"))
    names = apart([float(start.mean[-1]) for start in starts], LABEL_GAP * (high - low))
    for row, (start, place) in enumerate(zip(starts, names, strict=True)):
        symbol, dash = MARKS[start.number % len(MARKS)], _DASHES[DASHES[start.number % len(DASHES)]]
        points = [(x(step), y(score)) for step, score in zip(start.steps, start.mean, strict=True)]
        under = bottom + 68 + 24 * row
        sample = [(MARGIN, under - 4), (MARGIN + 36, under - 4)]
        parts += [
            element("path", class_=f"line {start.direction}", stroke_dasharray=dash, d=_path(line))
            for line in (points, sample)
        ]
        parts += [_mark(*point, start.direction, symbol) for point in (*points, (MARGIN + 18, under - 4))]
        parts.append(_text(x(start.steps[-1]) + 14, y(place) + 5, start.letter, "best"))
        parts.append(
            _text(MARGIN + 46, under, f"{start.letter} · {start.label}: {start.mean[0]:.1f} → {start.mean[-1]:.1f}")
        )
    return _file(bottom + 68 + 24 * len(starts), title, parts)


def _panel(
    name: str,
    found: Sequence[tuple[float, float, float]],
    directions: Sequence[str],
    left: float,
    top: float,
    width: float,
) -> list[Markup]:
    known = [value for row in found for value in row if not math.isnan(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    start, room = left + 16, width - 72  # the numbers stand to the right

    def x(value: float) -> float:
        return start + room * (value - low) / ((high - low) or 1.0)

    base = top + 22 + _ROW * len(found)
    parts = [_text(start - 4, top + 8, name, "best")]
    for tick in _ticks(low, high, 4):
        parts += [_line(x(tick), top + 20, x(tick), base, "grid"), _text(x(tick), base + 16, f"{tick:g}", "q middle")]
    best = max((row[0] for row in found if not math.isnan(row[0])), default=math.nan)
    for row, ((score, lower, upper), direction) in enumerate(zip(found, directions, strict=True)):
        y = top + 22 + _ROW * (row + 0.5)
        if math.isnan(score):
            parts.append(_text(left + width - 8, y + 4, "–", "q end"))
            continue
        told = f"{score:.1f}"
        if not math.isnan(lower):
            ends = f"M{x(lower):.1f} {y - 5}v10m0 -5H{x(upper):.1f}m0 -5v10"
            parts.append(element("path", class_=f"line {direction}", d=ends))
            told += f" [{lower:.1f}, {upper:.1f}]"
        parts.append(_mark(x(score), y, direction, DIRECTION_SYMBOLS[direction], told))
        parts.append(_text(left + width - 8, y + 4, f"{score:.1f}", "best end" if score == best else "end"))
    return parts


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between two ends, at most so many.

    Example:
        >>> _ticks(12.0, 61.0, 4), _ticks(3.0, 3.0, 4)
        ([20.0, 40.0, 60.0], [3.0])
    """
    if high <= low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(
        s * power for s in (1, 2, 5, 10, 20) if math.floor(high / (s * power)) - math.ceil(low / (s * power)) < most
    )
    return [round(i * step, 10) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _mark(x: float, y: float, direction: str, symbol: str, title: str = "") -> Markup:
    parts = [element("title", title)] if title else []
    place = f"translate({x:.1f} {y:.1f})"
    return element("g", *parts, _SHAPES[symbol], class_=f"mark {direction}", transform=place)


def _label(y: float, label: str) -> Markup:
    if len(label) <= _LONGEST_LABEL:
        return _text(MARGIN, y, label)
    return element("g", element("title", label), _text(MARGIN, y, label[: _LONGEST_LABEL - 1].rstrip() + "…"))


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return element("line", class_=kind, x1=x1, y1=y1, x2=x2, y2=y2)


def _text(x: float, y: float, text: str, kind: str | None = None) -> Markup:
    return element("text", text, class_=kind, x=x, y=y)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _file(height: float, title: str, parts: Sequence[Markup]) -> str:
    light = "".join(f".{name}{{fill:{color};stroke:{color}}}" for name, color in DIRECTION_COLORS.items())
    dark = "".join(f".{name}{{fill:{color};stroke:{color}}}" for name, color in _DARK_COLORS.items())
    style = (
        "text{font:13px system-ui,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1d2129}.t{font-size:16px;font-weight:600}"
        ".q{font-size:12px;fill:#5f6470}.best{font-weight:700}.end{text-anchor:end}.middle{text-anchor:middle}"
        f".ground{{fill:#fff;stroke:#d9dce1}}.grid{{stroke:#e3e5e9}}{light}.mark{{stroke:none}}"
        ".line{fill:none;stroke-width:2}.band{stroke:none;opacity:.2}"
        "@media(prefers-color-scheme:dark){text{fill:#ecebe6}.q{fill:#a9adb7}.ground{fill:#1b1e25;stroke:#2e333d}"
        f".grid{{stroke:#353b46}}{dark}.mark{{stroke:none}}.line{{fill:none}}.band{{stroke:none}}}}"
    )
    sheet = element("rect", class_="ground", x=0.5, y=0.5, width=WIDTH - 1, height=round(height) - 1, rx=8)
    whole = element(
        "svg",
        element("title", title),
        element("style", Markup(style)),  # noqa: S704, written above
        sheet,
        _text(MARGIN, 34, title, "t"),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height:.0f}",
        width=WIDTH,
        height=round(height),
        role="img",
        aria_label=title,
    )
    return f"{whole}\n"
