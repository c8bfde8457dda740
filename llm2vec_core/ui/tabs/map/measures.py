"""The measures of both maps as rows, and the entries of the legend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from llm2vec_core.figures import map_style
from llm2vec_core.figures.maps import COSINE_SCALE
from llm2vec_core.ui.tabs.map import copy
from llm2vec_core.ui.tabs.map.coloring import Cosines, Groups
from llm2vec_core.ui.tabs.map.model import Measures, View
from llm2vec_core.ui.tabs.map.settings import CLUSTERINGS
from llm2vec_core.ui.templates import render


@dataclass(frozen=True)
class Row:
    """A measure of both panels.

    Attributes:
        key: of the measure, for scripts and tests.
        name: shown to people.
        meaning: in one line.
        missing: why there may be no number.
        form: of its numbers.
        pairs: of each panel, on the full vectors and on the picture.
    """

    key: str
    name: str
    meaning: str
    missing: str
    form: str
    pairs: list[tuple[float | None, float | None]]


def measure_rows(view: View, measures: Measures) -> list[Row]:
    """Every measure of both panels."""
    grouped = "clusters" if view.settings.color in CLUSTERINGS else "labels"
    few = f"not defined: needs at least two {grouped}, and fewer than one per text"
    unlabelled = "not defined: needs texts with at least two different labels"
    sides = measures.quality
    return [
        Row("silhouette", f"Silhouette of the {grouped}", copy.SILHOUETTE, few, "{:.2f}",
            [(quality.silhouette, quality.silhouette_picture) for quality in sides]),
        Row("neighbour", "Neighbour vote", copy.ACCURACY, unlabelled, "{:.0%}",
            [(quality.accuracy, quality.accuracy_picture) for quality in sides]),
        Row("trustworthiness", "Trustworthiness of the picture", copy.TRUST, "not defined: all vectors are equal",
            "{:.2f}", [(None, quality.trust) for quality in sides]),
    ]  # fmt: skip


def numbers(view: View, measures: Measures) -> Markup:
    """The card of all measures."""
    rows = measure_rows(view, measures)
    return render(
        "map/numbers.html",
        view=view,
        choices=[space.choice for space in view.spaces],
        overlap=float(measures.overlap.mean()),
        findings=copy.findings(view, measures),
        rows=rows,
        table=[(row.name, *row.pairs[0], *row.pairs[1]) for row in rows],
    )


@dataclass(frozen=True)
class Entry:
    """A group in the legend.

    Attributes:
        name: of the group.
        color: of its marks.
        symbol: likewise.
        note: what stands behind the name.
    """

    name: str
    color: str
    symbol: str
    note: str


def legend(view: View) -> Markup:
    """Mark and name of each group, or what the colours of a cosine mean."""
    found: dict[str, Any] = {"cosines": None, "groups": [], "each": "", "clustered": view.settings.color != "label"}
    if isinstance(view.colors, Cosines):
        found["cosines"] = view.colors
    else:
        found["groups"] = _entries(view.colors, view.settings.dimensions)
        notes = {entry.note for entry in found["groups"]}
        found["each"] = notes.pop() if len(notes) == 1 < len(found["groups"]) else ""
    return render("map/legend.html", copy=copy, scale=[color for _, color in COSINE_SCALE], **found)


def _entries(groups: Groups, dimensions: int) -> list[Entry]:
    return [
        Entry(name, *map_style(number, dimensions), groups.notes.get(name, ""))
        for name, number in groups.styles.items()
    ]
