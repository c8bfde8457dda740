"""Scores of encoders, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from llm2vec_core.figures.base import DIRECTION_COLORS, escaped, layout


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
        rows=1, cols=len(panels), shared_yaxes=True, subplot_titles=[escaped(name) for name in panels]
    )
    names = [escaped(label) for label in labels]
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
                hovertemplate=f"<b>%{{y}}</b><br>{escaped(panel)} %{{x:.1f}}<extra></extra>",
                row=1,
                col=column,
            )
    settings = layout(title)
    settings["margin"] = {"l": 8, "r": 12, "t": 80, "b": 56}
    figure.update_layout(**settings, height=150 + 30 * len(names), legend={"orientation": "h", "y": -0.16, "x": 0})
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], automargin=True)
    figure.update_xaxes(gridcolor="rgba(127,127,127,0.25)", zeroline=False)
    return figure
