"""Points of a map, coloured by group or by cosine, flat or in space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from llm2vec_core.charts.markers import topic_style
from llm2vec_core.figures.base import NEUTRAL_COLOR, escaped, layout, wrapped

# Shapes in space are fewer, and "x" is a sign that many fonts lack; these are six different ones too.
SPACE_SYMBOLS = {
    "circle": "circle",
    "diamond": "diamond",
    "square": "square",
    "x": "circle-open",
    "triangle-up": "cross",
    "star": "diamond-open",
}
# Grey to violet: both ends stand out from white and from black paper; size tells the same once more.
COSINE_SCALE = ((0.0, "#8f96a3"), (0.5, "#a06bb8"), (1.0, "#c0178f"))
STYLES = 36


def map_style(number: int | None, dimensions: int = 2) -> tuple[str, str]:
    """Colour and marker symbol of a group; None is for points that belong to none."""
    color, symbol = (NEUTRAL_COLOR, "circle") if number is None else topic_style(number % STYLES)
    return color, SPACE_SYMBOLS[symbol] if dimensions == 3 else symbol


def scatter_map(
    points: np.ndarray,
    labels: Sequence[str],
    texts: Sequence[str] | None,
    title: str,
    *,
    styles: dict[str, int | None] | None = None,
) -> go.Figure:
    """One panel of the map, coloured by group.

    Args:
        points: shape (points, 2) or (points, 3).
        labels: one group a point.
        texts: shown when the pointer rests on a point, cut at 160 characters; None leaves that to the page, which
            finds a mark's row in ``customdata``.
        title: above the panel.
        styles: the number of each group's style (see :func:`map_style`), in the order of the traces; by default the
            groups are numbered in alphabetical order.

    Returns:
        A figure with one trace a group.
    """
    styles = styles if styles is not None else {name: i for i, name in enumerate(sorted(set(labels)))}
    names = np.asarray(labels, dtype=object)
    figure = go.Figure()
    for name, number in styles.items():
        rows = np.flatnonzero(names == name)
        if len(rows):
            color, symbol = map_style(number, points.shape[1])
            _add(figure, points, rows, name, {"color": color, "symbol": symbol}, texts)
    return _framed(figure, points, title)


def cosine_map(
    points: np.ndarray, cosines: np.ndarray, nearest: Sequence[int], texts: Sequence[str] | None, title: str
) -> go.Figure:
    """One panel of the map, coloured by cosine to one text.

    Args:
        points: shape (points, 2) or (points, 3).
        cosines: with that text, shape (points,); the colour bar runs from the lowest to the highest.
        nearest: rows that get another shape.
        texts: as of :func:`scatter_map`.
        title: above the panel.

    Returns:
        A figure with one trace of all points but the nearest, and one of those.
    """
    low, high = float(cosines.min()), float(cosines.max())
    shares = (cosines - low) / max(high - low, 1e-9)
    chosen = np.zeros(len(points), dtype=bool)
    chosen[list(nearest)] = True
    base = marker_size(len(points))
    figure = go.Figure()
    for name, rows, symbol in (
        ("the others", np.flatnonzero(~chosen), "circle"),
        ("the nearest", np.flatnonzero(chosen), "star"),
    ):
        if not len(rows):
            continue
        marker = {
            "color": cosines[rows].astype(np.float32),
            "colorscale": [list(stop) for stop in COSINE_SCALE],
            "cmin": low,
            "cmax": high,
            "symbol": SPACE_SYMBOLS[symbol] if points.shape[1] == 3 else symbol,
            "size": (base * (0.7 + 0.8 * shares[rows])).astype(np.float32),
        }
        if name == "the others" or chosen.all():
            marker["colorbar"] = {
                "title": {"text": "cosine", "side": "top", "font": {"size": 12}},
                "orientation": "h",
                "y": -0.02,
                "yanchor": "top",
                "thickness": 10,
                "len": 0.7,
                "nticks": 5,
                "tickformat": ".2f",
                "outlinewidth": 0,
            }
        _add(figure, points, rows, name, marker, texts)
    framed = _framed(figure, points, title)
    return framed.update_layout(margin={**framed.layout.margin.to_plotly_json(), "b": 56})


def marker_size(count: int) -> float:
    """Marks shrink as they grow in number, so that they stay apart."""
    return 8.0 if count <= 500 else 6.0 if count <= 2000 else 4.5


def _add(
    figure: go.Figure,
    points: np.ndarray,
    rows: np.ndarray,
    name: str,
    marker: dict[str, Any],
    texts: Sequence[str] | None,
) -> None:
    flat = points.shape[1] == 2
    size = marker_size(len(points)) * (1.0 if flat else 0.3)
    places = {axis: points[rows, i].astype(np.float32) for i, axis in enumerate("xyz"[: points.shape[1]])}
    (figure.add_scatter if flat else figure.add_scatter3d)(
        **places,
        mode="markers",
        name=escaped(name),
        marker={"size": size, "opacity": 0.85, "line": {"width": 0}, **marker},
        customdata=rows.astype(np.int32),
        text=None if texts is None else [wrapped(texts[row]) for row in rows],
        hovertemplate="<b>%{fullData.name}</b><br>%{text}<extra></extra>",
    )


def _framed(figure: go.Figure, points: np.ndarray, title: str) -> go.Figure:
    # Distances carry meaning, positions on the axes do not: no ticks, one scale for all.
    axis: dict[str, Any] = {"visible": False, "showgrid": False, "zeroline": False}
    figure.update_layout(**layout(escaped(title)), showlegend=False)
    if points.shape[1] == 2:
        return figure.update_layout(xaxis=axis, yaxis={**axis, "scaleanchor": "x"})
    axis = {
        "showticklabels": False,
        "title": {"text": ""},
        "showbackground": False,
        "zeroline": False,
        "ticks": "",
        "showspikes": False,
    }
    return figure.update_layout(scene={"xaxis": axis, "yaxis": axis, "zaxis": axis, "aspectmode": "data"})


def density_contours(density: np.ndarray, low: np.ndarray, high: np.ndarray) -> go.Contour:
    """Lines of equal density of the points on a picture.

    Args:
        density: on a grid, shape (cells, cells), rows along the second axis; 1 is the highest.
        low: lower ends of both axes.
        high: upper ends.

    Returns:
        A trace without hover. Its colour is left to the page.
    """
    step = (high - low) / (np.array(density.T.shape) - 1)
    return go.Contour(
        # Steps of a 255th of the highest density are finer than any line.
        z=np.round(255 * density).astype(np.uint8),
        x0=round(float(low[0]), 4),
        y0=round(float(low[1]), 4),
        dx=round(float(step[0]), 5),
        dy=round(float(step[1]), 5),
        contours={"coloring": "none", "start": 20, "end": 220, "size": 50, "showlabels": False},
        line={"width": 1, "smoothing": 0.7},
        showscale=False,
        hoverinfo="skip",
        showlegend=False,
    )
