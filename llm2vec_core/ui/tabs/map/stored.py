"""The layouts that opening the tab shows, their named groups and their measures, made beforehand.

So the first picture is there before the model is loaded, and it is the same on each machine (UMAP makes much of the
last digit). ``python -m llm2vec_core.ui.tabs.map`` makes the file anew; a test holds it against the live model.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import asdict, astuple, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from llm2vec_core.bundled_data import passages
from llm2vec_core.constants import STORED_PRESETS
from llm2vec_core.presets import ASSETS
from llm2vec_core.projection import MapQuality, NamedGroup, map_quality, named_groups, pca_layout, umap_layout
from llm2vec_core.projection.pca import PcaLayout
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.tabs.map.settings import NEIGHBORS, MapSettings, opening_settings
from llm2vec_core.ui.user_texts import our_collection

FOLDER = ASSETS / "figures"
NamedGroups = tuple[list[NamedGroup], list[NamedGroup]]
StoredMaps = dict[tuple[Hashable, ...], "StoredMap"]


@dataclass(frozen=True)
class StoredMap:
    """One picture of our collection.

    Attributes:
        layout: of its marks.
        groups: of them, coarse and fine.
        quality: its measures, with the labels of the collection.
    """

    layout: PcaLayout | np.ndarray
    groups: NamedGroups
    quality: MapQuality


@cache
def stored_maps(key: str) -> dict[str, StoredMaps]:
    """By encoder, then by :meth:`MapSettings.layout_key`: pictures of our collection, from the file.

    Args:
        key: of the preset; one that has no file has no pictures.
    """
    found: dict[str, StoredMaps] = {}
    for entry in _entries_in_file(key):
        points = np.array(entry["points"], dtype=np.float32)
        layout = PcaLayout(points, np.array(entry["explained"])) if "explained" in entry else points
        coarse, fine = (
            [NamedGroup(row, size, tuple(words)) for row, size, words in groups] for groups in entry["groups"]
        )
        stored = StoredMap(layout, (coarse, fine), MapQuality(**entry["quality"]))
        found.setdefault(entry["encoder"], {})[tuple(entry["layout"])] = stored
    return found


def _entries_in_file(key: str) -> list[dict[str, Any]]:
    if key not in [preset.key for preset in STORED_PRESETS]:  # a Hub id is no file name
        return []
    found: list[dict[str, Any]] = json.loads(_file(key).read_text(encoding="utf-8"))
    return found


def groups_of(points: np.ndarray) -> NamedGroups:
    """The named groups of our collection on a picture of it, shape (passages, 2)."""
    return named_groups(np.asarray(points, dtype=np.float64), [passage.text for passage in passages()])


def quality_of(rows: np.ndarray, points: np.ndarray, metric: str) -> MapQuality:
    """Measures of a picture of our collection.

    Args:
        rows: its embeddings, shape (passages, hidden).
        points: of the picture, shape (passages, dimensions).
        metric: of the embeddings.
    """
    labels = our_collection().labels
    return map_quality(rows, points, labels, labels, NEIGHBORS, metric=metric)


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
    found: list[dict[str, Any]] = [
        {
            "encoder": key,
            "layout": ["pca", dimensions, metric],
            "points": pca.points.astype(float).round(4).tolist(),
            "explained": pca.explained.round(4).tolist(),
        },
        {"encoder": key, "layout": list(settings.layout_key()), "points": umap.astype(float).round(3).tolist()},
    ]
    for entry in found:
        points = np.array(entry["points"], dtype=np.float32)  # as they are read back
        entry["groups"] = [[astuple(group) for group in each] for each in groups_of(points)]
        entry["quality"] = asdict(quality_of(rows, points, metric))
    return found


def write_layouts(context: AppContext) -> None:
    """Make the file anew, one layout a line."""
    lines = ",\n".join(json.dumps(entry) for entry in made_layouts(context))
    _file(context.preset.key).write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _file(key: str) -> Path:
    return FOLDER / f"map-{key}.json"
