"""Scores of encoders, one below the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from llm2vec_core.figures.base import DIRECTION_COLORS, escaped, layout

# Besides its colour each direction has a shape: colours alone do not reach everyone.
DIRECTION_SYMBOLS = {"causal": "circle", "bidirectional": "diamond", "none": "square"}
DIRECTION_NAMES = {"none": "no attention"}
ROW_HEIGHT, PANEL_HEIGHT, FRAME_HEIGHT = 40, 66, 96


def ladder_height(rows: int, panels: int = 1) -> int:
    """Height in pixels that :func:`score_ladder` needs.

    Example:
        >>> ladder_height(rows=9)
        522
    """
    return FRAME_HEIGHT + panels * (PANEL_HEIGHT + ROW_HEIGHT * rows)


def score_ladder(
    labels: Sequence[str],
    directions: Sequence[str],
    panels: Mapping[str, Sequence[tuple[float, float, float]]],
    title: str,
) -> go.Figure:
    """Scores of encoders with their intervals: one panel a kind of task, one line an encoder.

    Panels stand one below the other and each encoder's name above its own line, so that a telephone has
    room for both names and scores.

    Args:
        labels: of the encoders, shown from the top.
        directions: of each encoder "causal", "bidirectional" or "none", which decides colour and shape.
        panels: by title, for each encoder (score, lower end, upper end).
        title: above the chart.

    Returns:
        A figure with one trace a panel and direction; encoder ``i`` lies at y = -i.
    """
    count, height = len(labels), ladder_height(len(labels), len(panels))
    figure = make_subplots(
        rows=len(panels),
        cols=1,
        subplot_titles=[escaped(name) for name in panels] if len(panels) > 1 else None,
        vertical_spacing=min(PANEL_HEIGHT / height, 1 / len(panels)) if len(panels) > 1 else 0,
    )
    names = [escaped(label) for label in labels]
    for place, (panel, found) in enumerate(panels.items(), start=1):
        for direction, color in DIRECTION_COLORS.items():
            rows = [row for row, own in enumerate(directions) if own == direction]
            if not rows:
                continue
            scores, lows, highs = ([round(found[row][part], 2) for row in rows] for part in range(3))
            figure.add_scatter(
                x=scores,
                y=[-row for row in rows],
                text=[names[row] for row in rows],
                mode="markers",
                name=DIRECTION_NAMES.get(direction, direction),
                legendgroup=direction,
                showlegend=place == 1,
                marker={"color": color, "size": 10, "symbol": DIRECTION_SYMBOLS[direction]},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [round(high - score, 2) for score, high in zip(scores, highs, strict=True)],
                    "arrayminus": [round(score - low, 2) for score, low in zip(scores, lows, strict=True)],
                    "thickness": 2,
                },
                hovertemplate=f"<b>%{{text}}</b><br>{escaped(panel)} %{{x:.1f}}<extra></extra>",
                row=place,
                col=1,
            )
        for row, name in enumerate(names):
            axes = {"xref": "x domain", "yref": "y"} if place == 1 else {}
            figure.add_annotation(
                text=f"{name} <b>{found[row][0]:.1f}</b>",
                x=0,
                y=-row + 0.14,
                showarrow=False,
                xanchor="left",
                yanchor="bottom",
                font={"size": 12},
                **(axes or {"xref": f"x{place} domain", "yref": f"y{place}"}),
            )
    settings = layout(title)
    settings["margin"] = {"l": 8, "r": 12, "t": 64, "b": 64}
    legend = {"orientation": "h", "y": 0, "yref": "container", "yanchor": "bottom", "x": 0}
    figure.update_layout(**settings, height=height, legend=legend)
    # A dotted line from each name to its mark.
    guides = {"showgrid": True, "griddash": "dot", "gridcolor": "rgba(127,127,127,0.25)", "dtick": 1}
    figure.update_yaxes(range=[-count + 0.5, 0.75], showticklabels=False, zeroline=False, fixedrange=True, **guides)
    figure.update_xaxes(gridcolor="rgba(127,127,127,0.25)", zeroline=False, nticks=7)
    return figure
