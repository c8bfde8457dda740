"""Points of a map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from llm2vec_core.figures.base import escaped, layout, topic_style, wrapped


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
            name=escaped(topic),
            marker={"color": color, "symbol": symbol, "size": 8, "opacity": 0.85, "line": {"width": 0}},
            text=[wrapped(texts[row]) for row in rows],
            hovertemplate="<b>%{fullData.name}</b><br>%{text}<extra></extra>",
        )
    # Distances carry meaning, positions on the axes do not: no ticks, one scale for both.
    axis = {"visible": False, "showgrid": False, "zeroline": False}
    figure.update_layout(**layout(title), showlegend=False, xaxis=axis, yaxis={**axis, "scaleanchor": "x"})
    return figure
