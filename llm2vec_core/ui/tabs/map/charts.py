"""The two maps as one component: figures, hover texts sent once, words of groups, and what is highlighted in both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from llm2vec_core.charts import MARKERS
from llm2vec_core.figures import cosine_map, density_contours, scatter_map
from llm2vec_core.figures.base import wrapped
from llm2vec_core.projection import NamedGroup, Neighborhoods, density_grid
from llm2vec_core.ui.tabs.map import copy
from llm2vec_core.ui.tabs.map.coloring import Cosines
from llm2vec_core.ui.tabs.map.model import View
from llm2vec_core.ui.templates import render
from llm2vec_core.ui.user_texts import Texts

SCRIPT_FILE = Path(__file__).with_name("tab.js")
SIDES = ("left", "right")
MARGIN = 0.2  # of the frame, so that no contour is cut off


def map_view(value: str, **options: Any) -> gr.HTML:
    """A place for both panels; its value comes from :func:`map_value`, its ``marks`` from :func:`map_marks`.

    Marks are sketched at once, and drawn by plotly as soon as its script is there. The component triggers "pick" with
    a row and "lasso" with rows.
    """
    script = SCRIPT_FILE.read_text(encoding="utf-8").replace("MARKERS;", f"{json.dumps(MARKERS)};")
    template = render("map/panels.html", sides=SIDES, copy=copy)
    return gr.HTML(value, html_template=template, js_on_load=script, apply_default_css=False, marks="", **options)


def map_value(view: View, *, with_texts: bool = True) -> str:
    """Both figures, and what is common to them.

    Args:
        view: what to draw.
        with_texts: whether the texts that a mark shows come along, once for both; they are most of the value.
    """
    texts = view.texts
    both = np.concatenate(view.points)[:, :2]
    low, high = both.min(axis=0), both.max(axis=0)
    fingerprint = fingerprint_of(texts)
    value: dict[str, Any] = {
        "texts": fingerprint,
        # All pictures are scaled alike, so a zoom outlives PCA's turn between two UMAPs.
        "revision": f"{fingerprint} {view.settings.dimensions}",
        "hover": [wrapped(t) for t in texts.texts] if with_texts else None,
        "labels": list(texts.labels) if texts.labels and with_texts else None,
        "count": len(texts),
        # One frame for both: the same place on the paper is the same place in the picture.
        "frame": [low.tolist(), high.tolist()],
    }
    for i, side in enumerate(SIDES):
        choice = view.spaces[i].choice
        title = f"{choice.label} ({view.settings.kind.upper()})"
        points = view.points[i]
        if isinstance(view.colors, Cosines):
            figure = cosine_map(points, view.colors.values[i], view.colors.nearest[i], None, title)
        else:
            figure = scatter_map(points, view.colors.names[i], None, title, styles=view.colors.styles)
        value[side] = json.loads(figure.to_json()) | {
            "title": title,
            "css": choice.css,
            "caption": copy.caption(view, i),
            "name": f"map-{view.settings.kind}-{choice.key}",
            "words": [_words(groups) for groups in view.groups[i]],
        }
        if view.has_density(i):
            ends = low - MARGIN * (high - low), high + MARGIN * (high - low)
            contours = density_contours(density_grid(points, *ends), *ends)
            value[side]["density"] = json.loads(contours.to_json())
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _words(groups: Sequence[NamedGroup]) -> list[tuple[int, str]]:
    return [(group.row, " · ".join(group.words)) for group in groups]


def map_marks(texts: Texts, *, found: Neighborhoods | None = None, movers: Sequence[int] | None = None) -> str:
    """What is highlighted: a picked text with its neighbours, or those who moved most."""
    marks: dict[str, Any] = {"texts": fingerprint_of(texts)}
    if found is not None:
        marks["pick"] = found.row
        marks |= {side: [n.row for n in found.sides[i]] for i, side in enumerate(SIDES)}
    if movers is not None:
        marks["movers"] = list(movers)
    return json.dumps(marks)


def fingerprint_of(texts: Texts) -> str:
    """Tells texts apart in the browser."""
    digest = hashlib.blake2b(digest_size=6)
    for t in texts.texts:
        digest.update(t.encode("utf-8", "replace") + b"\n")
    return digest.hexdigest()
