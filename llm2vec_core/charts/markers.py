"""The markers of points, for charts in Python and for scripts alike."""

from __future__ import annotations

import json
from pathlib import Path

from markupsafe import Markup

from llm2vec_core.charts.svg import element, svg, title

# Paths around (0, 0) of about radius 1.
MARKERS: dict[str, str] = json.loads(Path(__file__).with_name("markers.json").read_text(encoding="utf-8"))
OPEN = "-open"
# Twelve topics are more than colour alone can tell apart: colour and shape together do.
TOPIC_COLORS = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00",
    "#8e63ce", "#8c8c00", "#a0522d", "#6b7785", "#17a2a2", "#c2255c",
)  # fmt: skip
TOPIC_SYMBOLS = ("circle", "diamond", "square", "x", "triangle-up", "star")


def topic_style(index: int) -> tuple[str, str]:
    """Colour and marker symbol of the topic with this number; the first 36 are all different."""
    color = TOPIC_COLORS[index % len(TOPIC_COLORS)]
    return color, TOPIC_SYMBOLS[(index // len(TOPIC_COLORS) + index) % len(TOPIC_SYMBOLS)]


def marker(x: float, y: float, symbol: str, color: str, size: float = 5, told: str = "") -> Markup:
    """A point.

    Args:
        x: its middle.
        y: likewise.
        symbol: a key of :data:`MARKERS`; with ``-open`` behind it, it is not filled.
        color: a CSS value.
        size: radius.
        told: what a pointer that rests on it is told.

    Example:
        >>> print(marker(10, 20, "square", "red"))
        <g transform="translate(10 20) scale(5)" fill="red"><path d="M-1-1H1V1H-1z"/></g>
    """
    drawn = element("path", d=MARKERS[symbol.removesuffix(OPEN)], **_paint(symbol))
    color_of = {"fill": "none", "stroke": color} if symbol.endswith(OPEN) else {"fill": color}
    moved = f"translate({x:g} {y:g}) scale({size:g})"
    return element("g", *([title(told)] if told else []), drawn, transform=moved, **color_of)


def sample(symbol: str, color: str) -> Markup:
    """A marker as it stands in a legend, 14 pixels wide."""
    return svg(14, 14, marker(7, 7, symbol, color), css="")


def topic_sample(index: int) -> Markup:
    """The marker of the topic with this number, as it stands in a legend."""
    color, symbol = topic_style(index)
    return sample(symbol, color)


def line_sample(color: str, dash: str = "") -> Markup:
    """A piece of a line as it stands in a legend."""
    drawn = element("path", d="M0 7h14", stroke=color, stroke_width=2.5, stroke_dasharray=dash or None)
    return svg(14, 14, drawn, css="")


def _paint(symbol: str) -> dict[str, str | float]:
    if not symbol.endswith(OPEN):
        return {}
    return {"stroke_width": 1.8, "vector_effect": "non-scaling-stroke"}
