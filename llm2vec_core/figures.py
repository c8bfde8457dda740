"""Plotly figures: arrays in, figures out. The only importer of plotly.

Colours follow one rule on the whole page: blue is causal, orange is bidirectional (a pair that the
colour-blind tell apart; Okabe and Ito, 2008). Backgrounds are transparent and text takes the page's
own colours in the browser, so that a figure suits light and dark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

CAUSAL_COLOR = "#2f6fb3"
BIDIRECTIONAL_COLOR = "#d8621b"
# Twelve topics are more than colour alone can tell apart: colour and shape together do.
TOPIC_COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
NEUTRAL_COLOR = "#7a7a7a"
DIRECTION_COLORS = {"causal": CAUSAL_COLOR, "bidirectional": BIDIRECTIONAL_COLOR, "none": NEUTRAL_COLOR}
TOPIC_SYMBOLS = ("circle", "diamond", "square", "x", "triangle-up", "star")


def topic_style(index: int) -> tuple[str, str]:
    """Colour and marker symbol of the topic with this number; the first 36 are all different."""
    color = TOPIC_COLORS[index % len(TOPIC_COLORS)]
    return color, TOPIC_SYMBOLS[(index // len(TOPIC_COLORS) + index) % len(TOPIC_SYMBOLS)]


def scatter_map(points: np.ndarray, labels: Sequence[str], texts: Sequence[str], title: str) -> go.Figure:
    """One panel of the map.

    Args:
        points: shape (points, 2).
        labels: one topic a point; topics get their style in alphabetical order.
        texts: shown when the pointer rests on a point, cut at 160 characters.
        title: above the panel.

    Returns:
        A figure with one trace a topic.
    """
    figure = go.Figure()
    names = np.asarray(labels)
    for number, topic in enumerate(sorted(set(labels))):
        rows = np.flatnonzero(names == topic)
        color, symbol = topic_style(number)
        figure.add_scatter(
            x=np.round(points[rows, 0], 3).tolist(),
            y=np.round(points[rows, 1], 3).tolist(),
            mode="markers",
            name=_escaped(topic),
            marker={"color": color, "symbol": symbol, "size": 8, "opacity": 0.85, "line": {"width": 0}},
            text=[_wrapped(texts[row]) for row in rows],
            hovertemplate="<b>%{fullData.name}</b><br>%{text}<extra></extra>",
        )
    # Distances carry meaning, positions on the axes do not: no ticks, one scale for both.
    axis = {"visible": False, "showgrid": False, "zeroline": False}
    figure.update_layout(**_layout(title), showlegend=False, xaxis=axis, yaxis={**axis, "scaleanchor": "x"})
    return figure


def loss_curve(
    steps: Sequence[int], losses: Sequence[float], held_out: Sequence[tuple[int, float]], title: str
) -> go.Figure:
    """Training loss, its running mean, and the loss on held-out texts.

    Args:
        steps: step numbers.
        losses: of each step, in nats.
        held_out: (step, loss) where it was measured.
        title: above the chart.
    """
    figure = go.Figure()
    figure.add_scatter(
        x=list(steps),
        y=np.round(losses, 4).tolist(),
        mode="lines",
        name="each batch",
        line={"color": BIDIRECTIONAL_COLOR, "width": 1},
        opacity=0.35,
    )
    figure.add_scatter(
        x=list(steps),
        y=np.round(running_mean(losses), 4).tolist(),
        mode="lines",
        name="mean of the last ten",
        line={"color": BIDIRECTIONAL_COLOR, "width": 3},
    )
    if held_out:
        figure.add_scatter(
            x=[step for step, _ in held_out],
            y=[round(loss, 4) for _, loss in held_out],
            mode="lines+markers",
            name="held-out texts",
            line={"color": "#009e73", "width": 2, "dash": "dot"},
        )
    layout = _layout(title)
    layout["margin"] = {"l": 58, "r": 12, "t": 56, "b": 74}
    figure.update_layout(
        **layout,
        xaxis={"title": {"text": "optimizer step"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "loss (nats)"}},
        legend={"orientation": "h", "y": -0.28, "x": 0},
    )
    return figure


def score_ladder(
    labels: Sequence[str],
    directions: Sequence[str],
    panels: Mapping[str, Sequence[tuple[float, float, float]]],
    title: str,
) -> go.Figure:
    """Scores of encoders with their intervals: one panel a kind of task, one line an encoder.

    Args:
        labels: of the encoders, shown from the top.
        directions: of each encoder "causal", "bidirectional" or "none", which decides the colour.
        panels: by title, for each encoder (score, lower end, upper end).
        title: above the chart.

    Returns:
        A figure with one trace a panel and direction.
    """
    figure = make_subplots(
        rows=1, cols=len(panels), shared_yaxes=True, subplot_titles=[_escaped(name) for name in panels]
    )
    names = [_escaped(label) for label in labels]
    for column, (panel, found) in enumerate(panels.items(), start=1):
        for direction, color in DIRECTION_COLORS.items():
            rows = [row for row, own in enumerate(directions) if own == direction]
            if not rows:
                continue
            scores, lows, highs = ([round(found[row][part], 2) for row in rows] for part in range(3))
            figure.add_scatter(
                x=scores,
                y=[names[row] for row in rows],
                mode="markers",
                name={"none": "no attention"}.get(direction, direction),
                legendgroup=direction,
                showlegend=column == 1,
                marker={"color": color, "size": 9},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [round(high - score, 2) for score, high in zip(scores, highs, strict=True)],
                    "arrayminus": [round(score - low, 2) for score, low in zip(scores, lows, strict=True)],
                    "thickness": 2,
                },
                hovertemplate=f"<b>%{{y}}</b><br>{_escaped(panel)} %{{x:.1f}}<extra></extra>",
                row=1,
                col=column,
            )
    layout = _layout(title)
    layout["margin"] = {"l": 8, "r": 12, "t": 80, "b": 56}
    figure.update_layout(**layout, height=150 + 30 * len(names), legend={"orientation": "h", "y": -0.16, "x": 0})
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], automargin=True)
    figure.update_xaxes(gridcolor="rgba(127,127,127,0.25)", zeroline=False)
    return figure


def running_mean(values: Sequence[float], window: int = 10) -> np.ndarray:
    """Mean of the last ``window`` values at each place (of fewer at the beginning).

    Example:
        >>> running_mean([2.0, 4.0, 6.0], window=2).tolist()
        [2.0, 3.0, 5.0]
    """
    sums = np.cumsum(np.concatenate([[0.0], np.asarray(values, dtype=np.float64)]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    return (sums[ends] - sums[starts]) / (ends - starts)


def _layout(title: str) -> dict:
    return {
        "title": {"text": title, "x": 0, "xanchor": "left", "font": {"size": 15}},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 8, "t": 44, "b": 8},
        "hoverlabel": {"align": "left"},
        "template": None,
    }


def _wrapped(text: str, width: int = 48, limit: int = 160) -> str:
    text = text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + len(word) + 1 > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "<br>".join(_escaped(piece) for piece in [*lines, line])


def _escaped(text: str) -> str:
    # Plotly understands a few HTML tags in labels; a visitor's text must not be one.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
