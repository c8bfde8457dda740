"""The curves of a run, and the cosines of its held-out pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from llm2vec_core.charts.svg import circle, line, path, scale, svg, text, ticks
from llm2vec_core.figures import training_curves
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.plot import plot_value
from llm2vec_core.ui.tabs.train import copy
from llm2vec_core.ui.tabs.train.measured import MeasuredPairs
from llm2vec_core.ui.tabs.train.run import Progress, compared_with

# As wide as a card is on a telephone, so that nothing is scaled down there.
WIDTH, MARGIN, LANE, DOT = 336.0, 8.0, 52.0, 3.4


def curves(context: AppContext, progress: Progress, notice: str) -> str:
    """The curves of a run so far, as :func:`~llm2vec_core.ui.plot.plot_value` gives them.

    Args:
        context: of the model.
        progress: its first step may still be to come.
        notice: what to look at.
    """
    name = copy.OBJECTIVE_NAMES[progress.settings.objective]
    separations = {copy.MEASURES[other]: points for other, points in progress.separations.items()}
    goal = None
    if (longer := compared_with(context, progress.settings)) and longer.held_out:
        goal = (f"{context.preset.stage(longer.settings.start).label}, held-out texts", longer.held_out[0][1])
    figure = training_curves(
        progress.losses,
        progress.held_out,
        separations,
        f"{name}: loss and separation",
        progress.settings.steps,
        goal,
        copy.NO_LOSS_YET,
    )
    at: dict[int, dict[str, float]] = {step: {} for step in range(len(progress.losses) + 1)}
    for step, loss in enumerate(progress.losses, start=1):
        at[step]["loss"] = round(loss, 4)
    for column, points in (("held-out loss", progress.held_out), *separations.items()):
        for step, value in points:
            at.setdefault(step, {})[column] = round(value, 4)
    columns = ["loss", "held-out loss", *separations]
    rows = [[step, *(found.get(column) for column in columns)] for step, found in sorted(at.items())]
    return plot_value(figure, name="training", notice=notice, columns=["step", *columns], rows=rows)


def kind_mark(kind: str, x: float, y: float) -> Markup:
    """The mark of a pair of this kind: filled, crossed or open."""
    if kind == "similar":
        return circle(x, y, DOT, fill="var(--good)")
    if kind == "unrelated":
        return path(f"M{x:.1f} {y:.1f}m-3 -3l6 6m0 -6l-6 6", stroke="var(--muted)", stroke_width=1.7, fill="none")
    return path(f"M{x:.1f} {y:.1f}m0 -4l4 4l-4 4l-4 -4z", stroke="var(--ink)", stroke_width=1.3, fill="none")


def kind_sample(kind: str) -> Markup:
    """The same in a legend."""
    return svg(14, 14, kind_mark(kind, 7, 7), css="")


def pair_chart(measured: MeasuredPairs) -> Markup:
    """One lane a kind of pair, a mark a pair, before and (if there is one) after the run."""
    stages = measured.stages
    every = np.concatenate([values for cosines in stages.values() for values in cosines.by_label.values()])
    low = float(np.floor(every.min() * 5) / 5)
    x = scale(low, 1.0, MARGIN, WIDTH - MARGIN)
    parts, spoken, y = [], [], 2.0
    for stage, cosines in stages.items():
        if len(stages) > 1:
            parts.append(text(0, y + 14, stage, 14, font_weight=650))
            y += 20
        for kind, values in cosines.by_label.items():
            name, median = copy.KINDS[kind].name, float(np.median(values))
            middle = y + 18 + (LANE - 18) / 2
            parts.append(text(0, y + 12, name, 12.5))
            parts.append(text(WIDTH, y + 12, f"median {median:.3f}", 12, class_="q", text_anchor="end"))
            parts.append(line(MARGIN, middle, WIDTH - MARGIN, middle))
            parts += [kind_mark(kind, at, middle + dy) for at, dy in swarm([x(value) for value in values])]
            parts.append(line(x(median), y + 19, x(median), y + LANE - 1, stroke="var(--ink)", stroke_width=2))
            spoken.append(f"{stage}, {name}: median {median:.2f}")
            y += LANE + 4
        y += 4
    for tick in ticks(low, 1.0, 6):
        anchor = "start" if tick <= low else "end" if tick >= 1 else "middle"
        parts.append(text(x(tick), y + 10, f"{tick:g}", 12, class_="q", text_anchor=anchor))
    return svg(WIDTH, y + 14, *parts, label="Cosines of held-out pairs. " + "; ".join(spoken))


def swarm(xs: Sequence[float]) -> list[tuple[float, float]]:
    """Places of marks that would cover each other, moved up and down: (x, distance from the middle)."""
    found: list[tuple[float, float]] = []
    for at in sorted(xs):
        steps = (0, 1, -1, 2, -2, 3, -3)
        free = [
            step
            for step in steps
            if all(abs(at - ox) > 2 * DOT or abs(step * 1.25 * DOT - oy) > 1.2 * DOT for ox, oy in found[-24:])
        ]
        found.append((at, (free[0] if free else steps[len(found) % len(steps)]) * 1.25 * DOT))
    return found
