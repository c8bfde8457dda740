"""Legend, progress and measures as HTML."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from llm2vec_core.charts import sample
from llm2vec_core.figures import map_style
from llm2vec_core.figures.maps import COSINE_SCALE
from llm2vec_core.ui.paint.base import figure_card
from llm2vec_core.ui.tabs.map import copy
from llm2vec_core.ui.tabs.map.coloring import Cosines, Groups
from llm2vec_core.ui.tabs.map.model import Measures, Step, View

KINDS = ("full vectors", "picture")


@dataclass(frozen=True)
class Row:
    """A measure of both panels.

    Attributes:
        name: shown to people.
        meaning: in one line.
        missing: why there may be no number.
        form: of its numbers.
        values: of each panel, on the full vectors and on the picture.
    """

    name: str
    meaning: str
    missing: str
    form: str
    values: list[tuple[float | None, float | None]]


def status(step: Step) -> str:
    """What goes on, with a bar while it does."""
    bar = "" if step.share is None else f'<progress max="1" value="{step.share:.3f}"></progress>'
    return f'<div class="l2v l2v-map-status" role="status">{bar}<span>{escape(step.status)}</span></div>'


def legend(view: View) -> str:
    """Mark and name of each group, or what the colours of a cosine mean."""
    if isinstance(view.colors, Cosines):
        return _cosine_legend(view.colors)
    return _group_legend(view.colors, view.settings.dimensions, view.settings.color != "label")


def _group_legend(groups: Groups, dimensions: int, clustered: bool) -> str:
    items = []
    sizes = {groups.notes.get(name, "") for name in groups.styles}
    each = sizes.pop() if len(sizes) == 1 and len(groups.styles) > 1 else ""
    for name, number in groups.styles.items():
        color, symbol = map_style(number, dimensions)
        items.append(
            f"<span>{sample(symbol, color)}{escape(name)}"
            f"{'' if each else _muted(' ' + groups.notes.get(name, ''))}</span>"
        )
    if each:
        items.append(_muted(f"{each} each"))
    if clustered:
        items.append(f'<span class="muted">{escape(copy.CLUSTERS)}</span>')
    return f'<div class="l2v"><div class="l2v-legend" role="group" aria-label="what colours and shapes mean">{"".join(items)}</div></div>'


def _muted(words: str) -> str:
    return f'<small class="muted">{escape(words)}</small>'


def _cosine_legend(cosines: Cosines) -> str:
    stops = ", ".join(color for _, color in COSINE_SCALE)
    ranges = " and ".join(
        f"{side} from {values.min():.2f} to {values.max():.2f}"
        for side, values in zip(("left", "right"), cosines.values, strict=True)
    )
    query = cosines.query if len(cosines.query) <= 80 else cosines.query[:79] + "…"
    return (
        '<div class="l2v"><div class="l2v-legend" role="group" aria-label="what colours and sizes mean">'
        f'<span><i class="l2v-map-scale" style="background:linear-gradient(90deg, {stops})"></i>'
        f"cosine with “{escape(query)}”: the larger the mark and the more violet, the nearer</span>"
        f"<span>{sample('star', COSINE_SCALE[-1][1])}"
        f"the {len(cosines.nearest[0])} nearest</span>"
        f'<span class="muted">Each side has its own scale: {ranges}.</span></div></div>'
    )


def numbers(view: View, measures: Measures) -> str:
    """Every measure of both panels, and what they say."""
    grouped = "clusters" if view.settings.color in ("kmeans", "hdbscan") else "labels"
    few = f"not defined: it needs two {grouped} or more, and not one for each text"
    unlabelled = "not defined: it needs texts with at least two different labels"
    sides = measures.quality
    rows = [
        Row(
            f"Silhouette of the {grouped}",
            copy.SILHOUETTE,
            few,
            "{:.2f}",
            [(quality.silhouette, quality.silhouette_picture) for quality in sides],
        ),
        Row(
            "Neighbour vote",
            copy.ACCURACY,
            unlabelled,
            "{:.0%}",
            [(quality.accuracy, quality.accuracy_picture) for quality in sides],
        ),
        Row(
            "Trustworthiness of the picture",
            copy.TRUST,
            "not defined: all vectors are equal",
            "{:.2f}",
            [(None, quality.trust) for quality in sides],
        ),
    ]
    left, right = (space.choice for space in view.spaces)
    head = "".join(f'<span class="{choice.css}">{escape(choice.label)}</span>' for choice in (left, right))
    body = f'<div class="l2v-map-measure l2v-map-head" aria-hidden="true"><span></span>{head}</div>' + "".join(
        _row(row, (left.label, right.label)) for row in rows
    )
    frame = figure_card(
        "How good are the pictures, and the vectors behind them?",
        body,
        name=f"map-measures-{left.key}-{right.key}",
        notice=escape(copy.findings(view, measures)),
        columns=("measure", *(f"{choice.label}, {kind}" for choice in (left, right) for kind in KINDS)),
        rows=[(row.name, *row.values[0], *row.values[1]) for row in rows],
    )
    return (
        f'<div id="map-numbers" data-kind="{view.settings.kind}" data-dimensions="{view.settings.dimensions}" '
        f'data-overlap="{float(measures.overlap.mean()):.6f}">{frame}</div>'
    )


def _row(row: Row, labels: tuple[str, str]) -> str:
    cells = []
    for label, values in zip(labels, row.values, strict=True):
        told = [
            f"<span><b data-{name}='{value:.4f}'>{row.form.format(value)}</b> {kind}</span>"
            for name, kind, value in zip(("full", "picture"), KINDS, values, strict=True)
            if value is not None
        ]
        cells.append(f'<div aria-label="{escape(label)}">{"".join(told) or escape(row.missing)}</div>')
    return (
        f'<div class="l2v-map-measure" data-measure="{escape(row.name.split()[0].lower())}"><div><h4>{escape(row.name)}</h4>'
        f'<p class="muted">{escape(row.meaning)}</p></div>{"".join(cells)}</div>'
    )
