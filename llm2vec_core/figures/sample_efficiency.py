"""How many training steps each start needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

import numpy as np
import plotly.graph_objects as go

from llm2vec_core.figures.base import DIRECTION_COLORS, escaped, layout

DASHES = ("solid", "dash", "dot", "dashdot")
MARKS = ("circle", "diamond", "square", "triangle-up")
# Names at the ends of lines keep this share of the axis between them.
LABEL_GAP = 0.055


@dataclass(frozen=True)
class Start:
    """One line of the figure.

    Attributes:
        letter: stands at its end and before its name.
        label: its name.
        direction: "causal" or "bidirectional".
        number: among the starts of its direction, from 0: decides dash and mark.
        steps: at which was measured.
        scores: shape (seeds, points).
    """

    letter: str
    label: str
    direction: str
    number: int
    steps: list[int]
    scores: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Over the seeds, shape (points,)."""
        return self.scores.mean(axis=0)


def lettered(
    labels: Sequence[str], directions: Sequence[str], steps: Sequence[Sequence[int]], scores: Sequence[np.ndarray]
) -> list[Start]:
    """The lines of the figure, checked.

    Raises:
        ValueError: if there are more starts than letters, or scores and steps do not go together.

    Example:
        >>> [(s.letter, s.number) for s in lettered("xyz", ["causal", "none", "causal"], [[0]] * 3, np.ones((3, 1, 1)))]
        [('A', 0), ('B', 0), ('C', 1)]
    """
    if len(labels) > len(ascii_uppercase):
        raise ValueError(f"{len(labels)} starts: there are {len(ascii_uppercase)} letters")
    starts: list[Start] = []
    for letter, label, direction, at, found in zip(
        ascii_uppercase, labels, directions, steps, map(np.asarray, scores), strict=False
    ):
        if found.ndim != 2 or found.shape[1] != len(at):
            raise ValueError(f"{label!r}: scores of shape {found.shape} for {len(at)} steps")
        number = sum(start.direction == direction for start in starts)
        starts.append(Start(letter, label, direction, number, list(at), found))
    return starts


def sample_efficiency(
    labels: Sequence[str],
    directions: Sequence[str],
    steps: Sequence[Sequence[int]],
    scores: Sequence[np.ndarray],
    title: str,
    metric: str = "score",
) -> go.Figure:
    """One line a start: the mean over its seeds, in a band from the lowest to the highest seed.

    Args:
        labels: of the starts; each gets a letter, which stands at the end of its line too.
        directions: "causal" or "bidirectional", which decides the colour; starts of the same colour differ by dash
            and mark.
        steps: of each start, where it was measured.
        scores: of each start, shape (seeds, points).
        title: above the chart.
        metric: at the vertical axis.

    Returns:
        A figure with two traces a start, band and line.

    Raises:
        ValueError: if there are more starts than letters, or scores and steps do not go together.
    """
    starts = lettered(labels, directions, steps, scores)
    figure = go.Figure()
    for start in starts:
        color, name = DIRECTION_COLORS[start.direction], f"{start.letter} · {escaped(start.label)}"
        figure.add_scatter(
            x=[*start.steps, *reversed(start.steps)],
            y=np.round([*start.scores.max(axis=0), *start.scores.min(axis=0)[::-1]], 3).tolist(),
            mode="lines",
            fill="toself",
            line={"width": 0, "color": color},
            opacity=0.22,
            fillcolor=color,
            hoverinfo="skip",
            showlegend=False,
            legendgroup=start.letter,
        )
        figure.add_scatter(
            x=start.steps,
            y=np.round(start.mean, 3).tolist(),
            mode="lines+markers",
            name=name,
            legendgroup=start.letter,
            line={"color": color, "width": 2, "dash": DASHES[start.number % len(DASHES)]},
            marker={"symbol": MARKS[start.number % len(MARKS)], "size": 7},
            hovertemplate=f"<b>{name}</b><br>step %{{x}}: %{{y:.1f}}<extra></extra>",
        )
    height = max(float(s.scores.max()) for s in starts) - min(float(s.scores.min()) for s in starts)
    places = apart([float(start.mean[-1]) for start in starts], LABEL_GAP * (height or 1.0))
    for start, y in zip(starts, places, strict=True):
        figure.add_annotation(
            text=f"<b>{start.letter}</b>",
            x=start.steps[-1],
            y=y,
            xshift=14,
            showarrow=False,
            font={"size": 13},
            bordercolor=DIRECTION_COLORS[start.direction],
            borderpad=1,
        )
    settings = layout(title)
    settings["margin"] = {"l": 46, "r": 30, "t": 64, "b": 164}
    figure.update_layout(
        **settings,
        xaxis={"title": {"text": "training steps on labelled pairs", "standoff": 14}, "zeroline": False},
        yaxis={"title": {"text": metric}, "zeroline": False},
        legend={"orientation": "v", "y": 0, "yref": "container", "yanchor": "bottom", "x": 0},
    )
    return figure


def apart(places: Sequence[float], gap: float) -> list[float]:
    """Places moved as little as a sweep upwards does it, so that neighbours are at least ``gap`` apart.

    Example:
        >>> [round(place, 3) for place in apart([1.0, 1.0, 3.0], 0.5)]
        [0.75, 1.25, 3.0]
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = [places[i] for i in order]
    # Pairs that are too near push each other away; a few rounds are enough for a handful of labels.
    for _ in range(50):
        for low in range(len(moved) - 1):
            missing = gap - (moved[low + 1] - moved[low])
            if missing > 1e-12:
                moved[low] -= missing / 2
                moved[low + 1] += missing / 2
    result = list(places)
    for place, i in zip(moved, order, strict=True):
        result[i] = place
    return result
