"""The layouts that opening the tab shows, made beforehand.

So the first picture is there before the model is loaded, and it is the same on each machine (UMAP makes much of the
last digit). ``python -m llm2vec_core.ui.tabs.map`` makes the file anew; a test holds it against the live model.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from llm2vec_core.constants import STORED_PRESETS
from llm2vec_core.presets import ASSETS
from llm2vec_core.projection import pca_layout, umap_layout
from llm2vec_core.projection.pca import PcaLayout
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.tabs.map.settings import MapSettings, opening_settings

FOLDER = ASSETS / "figures"
Layouts = dict[tuple[Hashable, ...], PcaLayout | np.ndarray]


@cache
def stored_layouts(key: str) -> dict[str, Layouts]:
    """By encoder, then by :meth:`MapSettings.layout_key`: layouts of our collection, from the file.

    Args:
        key: of the preset; one that has no file has no layouts.
    """
    found: dict[str, Layouts] = {}
    if key not in [preset.key for preset in STORED_PRESETS]:  # a Hub id is no file name
        return found
    for entry in json.loads(_file(key).read_text(encoding="utf-8")):
        points = np.array(entry["points"], dtype=np.float32)
        layout = PcaLayout(points, np.array(entry["explained"])) if "explained" in entry else points
        found.setdefault(entry["encoder"], {})[tuple(entry["layout"])] = layout
    return found


def made_layouts(context: AppContext) -> list[dict[str, Any]]:
    """What the file holds, computed now: PCA and UMAP of both encoders that the tab opens with."""
    settings = opening_settings(context.preset)
    return [entry for key in (settings.left, settings.right) for entry in _entries(key, context, settings)]


def _entries(key: str, context: AppContext, settings: MapSettings) -> list[dict[str, Any]]:
    rows, dimensions, metric = context.collection(key), settings.dimensions, settings.metric
    pca = pca_layout(rows, dimensions, metric=metric)
    umap = umap_layout(
        rows,
        dimensions,
        n_neighbors=settings.n_neighbors,
        min_dist=settings.min_dist,
        metric=metric,
        seed=settings.seed,
    )
    return [
        {
            "encoder": key,
            "layout": ["pca", dimensions, metric],
            "points": pca.points.astype(float).round(4).tolist(),
            "explained": pca.explained.round(4).tolist(),
        },
        {"encoder": key, "layout": list(settings.layout_key()), "points": umap.astype(float).round(3).tolist()},
    ]


def write_layouts(context: AppContext) -> None:
    """Make the file anew, one layout a line."""
    lines = ",\n".join(json.dumps(entry) for entry in made_layouts(context))
    _file(context.preset.key).write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _file(key: str) -> Path:
    return FOLDER / f"map-{key}.json"
