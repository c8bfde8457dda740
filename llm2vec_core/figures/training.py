"""Curves of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from llm2vec_core.figures.base import BIDIRECTIONAL_COLOR, NEUTRAL_COLOR, layout


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
    settings = layout(title)
    settings["margin"] = {"l": 58, "r": 12, "t": 56, "b": 74}
    figure.update_layout(
        **settings,
        xaxis={"title": {"text": "step"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "loss (nats)"}},
        legend={"orientation": "h", "y": -0.28, "x": 0},
    )
    return figure


def training_curves(
    losses: Sequence[float],
    held_out: Sequence[tuple[int, float]],
    separations: Mapping[str, Sequence[tuple[int, float]]],
    title: str,
    steps: int,
    goal: tuple[str, float] | None = None,
    awaited: str = "",
) -> go.Figure:
    """A training run as it goes on: loss above, what it is good for below, on one axis of steps.

    Args:
        losses: of each step so far, in nats.
        held_out: (step, loss) on held-out examples.
        separations: by name, (step, area under ROC) on held-out pairs.
        title: above the chart.
        steps: how many there will be; the axis ends there, so that the picture fills from the left.
        goal: name and held-out loss of something trained longer, drawn as a level to compare with.
        awaited: stands where the loss of each step will, while there is none.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.09, row_heights=[0.58, 0.42])
    for trace in loss_curve(range(1, len(losses) + 1), losses, held_out, "").data:
        figure.add_trace(trace, row=1, col=1)
    styles = (("#009e73", "circle", "solid"), (NEUTRAL_COLOR, "diamond", "dash"))
    for (name, points), (color, symbol, dash) in zip(separations.items(), styles, strict=False):
        figure.add_scatter(
            x=[step for step, _ in points],
            y=[round(value, 4) for _, value in points],
            mode="lines+markers",
            name=name,
            line={"color": color, "width": 2, "dash": dash},
            marker={"symbol": symbol, "size": 8},
            row=2,
            col=1,
        )
    if goal is not None:
        name, level = goal
        figure.add_scatter(
            x=[0, steps],
            y=[round(level, 4)] * 2,
            mode="lines",
            name=name,
            line={"color": NEUTRAL_COLOR, "width": 1.5, "dash": "longdash"},
            row=1,
            col=1,
        )
    settings = layout(title)
    settings["margin"] = {"l": 58, "r": 12, "t": 48, "b": 132}
    figure.update_layout(**settings, legend={"orientation": "h", "y": -0.23, "yanchor": "top", "x": 0})
    grid = {"gridcolor": "rgba(127,127,127,0.25)", "zeroline": False}
    # A little room at both ends, or half of the first mark would be cut off.
    figure.update_xaxes(range=[-0.02 * steps, 1.02 * steps], **grid)
    figure.update_xaxes(title={"text": "step"}, row=2, col=1)
    figure.update_yaxes(title={"text": "loss (nats)"}, row=1, col=1, **grid)
    if awaited and not losses:
        place = {"xref": "x domain", "yref": "y domain", "x": 0.55, "y": 0.5}
        figure.add_annotation(text=awaited, showarrow=False, **place)
        if not held_out:  # plotly would make up a scale
            figure.update_yaxes(showticklabels=False, row=1, col=1)
    figure.update_yaxes(title={"text": "separation"}, range=[-0.03, 1.06], row=2, col=1, **grid)
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
