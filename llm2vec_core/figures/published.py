"""Scores that others published, in our own drawing."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from llm2vec_core.figures.base import DIRECTION_COLORS, escaped, layout
from llm2vec_core.published import PublishedScore

# In each direction, encoders differ by shape; open shapes are steps on the way.
SYMBOLS = {
    "causal": ("circle", "circle-open", "square", "square-open"),
    "bidirectional": ("diamond-open", "diamond", "triangle-up-open", "triangle-up"),
}
# The frame has room for a legend of five lines, as it is on a telephone.
ROW_HEIGHT, PANEL_HEIGHT, FRAME_HEIGHT = 44, 76, 242


def published_height(scores: Sequence[PublishedScore]) -> int:
    """Height in pixels that :func:`published_scores` needs."""
    rows = sum(len(_models(scores, supervised)) for supervised in _panels(scores))
    return FRAME_HEIGHT + rows * ROW_HEIGHT + len(_panels(scores)) * PANEL_HEIGHT


def published_scores(scores: Sequence[PublishedScore], title: str) -> go.Figure:
    """One line a model, one mark an encoder; without and with labelled pairs one below the other.

    Args:
        scores: rows of :data:`llm2vec_core.published.MTEB`.
        title: above the chart; says that the numbers are published ones.

    Returns:
        A figure with one trace a panel and encoder.
    """
    panels = _panels(scores)
    height = published_height(scores)
    rows = [len(_models(scores, supervised)) for supervised in panels]
    figure = make_subplots(
        rows=len(panels),
        cols=1,
        row_heights=[count / sum(rows) for count in rows],
        shared_xaxes=False,
        vertical_spacing=PANEL_HEIGHT / height,
        subplot_titles=["with labelled pairs" if supervised else "without labelled pairs" for supervised in panels],
    )
    shown: dict[tuple[str, str], str] = {}
    for place, supervised in enumerate(panels, start=1):
        models = _models(scores, supervised)
        own = [score for score in scores if score.supervised is supervised]
        for direction, encoder in dict.fromkeys((score.direction, score.encoder) for score in own):
            found = [score for score in own if (score.direction, score.encoder) == (direction, encoder)]
            new = (direction, encoder) not in shown
            used = sum(1 for other, _ in shown if other == direction)
            symbols, color = SYMBOLS[direction], DIRECTION_COLORS[direction]
            symbol = shown.setdefault((direction, encoder), symbols[used % len(symbols)])
            figure.add_scatter(
                x=[score.score for score in found],
                y=[-models.index(score.model) for score in found],
                text=[escaped(score.model) for score in found],
                mode="markers",
                name=escaped(encoder),
                legendgroup=encoder,
                showlegend=new,
                marker={"color": color, "symbol": symbol, "size": 11, "line": {"width": 2, "color": color}},
                hovertemplate=f"<b>%{{text}}</b><br>{escaped(encoder)} %{{x:.2f}}<extra></extra>",
                row=place,
                col=1,
            )
        number = "" if place == 1 else str(place)
        for row, model in enumerate(models):
            figure.add_annotation(
                text=f"<b>{escaped(model)}</b>",
                x=0,
                y=-row + 0.16,
                xref=f"x{number} domain",
                yref=f"y{number}",
                showarrow=False,
                xanchor="left",
                yanchor="bottom",
                font={"size": 12},
            )
        figure.update_yaxes(range=[-len(models) + 0.6, 0.75], visible=False, fixedrange=True, row=place, col=1)
    settings = layout(title)
    settings["margin"] = {"l": 8, "r": 12, "t": 84, "b": 160}
    legend = {"orientation": "h", "y": 0, "yref": "container", "yanchor": "bottom", "x": 0}
    figure.update_layout(**settings, height=height, legend=legend)
    low = min(score.score for score in scores)
    # One scale for both panels: the jump that labelled pairs bring is part of the message.
    figure.update_xaxes(
        gridcolor="rgba(127,127,127,0.25)", zeroline=False, nticks=7, range=[low - 2, max(s.score for s in scores) + 2]
    )
    return figure


def _panels(scores: Sequence[PublishedScore]) -> list[bool]:
    return sorted({score.supervised for score in scores})


def _models(scores: Sequence[PublishedScore], supervised: bool) -> list[str]:
    return list(dict.fromkeys(score.model for score in scores if score.supervised is supervised))
