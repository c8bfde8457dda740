"""Curves of a training run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from llm2vec_core.figures.base import BIDIRECTIONAL_COLOR, layout


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
        xaxis={"title": {"text": "optimizer step"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "loss (nats)"}},
        legend={"orientation": "h", "y": -0.28, "x": 0},
    )
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
