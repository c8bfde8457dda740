"""What the fields of this tab ask for, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llm2vec_core.errors import InputError
from llm2vec_core.presets import ModelPreset
from llm2vec_core.projection import METRICS
from llm2vec_core.ui.user_texts import BUNDLED_TEXTS

KINDS = ("umap", "pca")
CLUSTERINGS = ("kmeans", "hdbscan")
COLORS = ("label", *CLUSTERINGS, "query")
NEIGHBORS = 10  # of a text, that are listed and measured
MAX_SEED = 2**31 - 1
MAX_NEIGHBORS = 200
MAX_CLUSTERS = 36


@dataclass(frozen=True)
class MapSettings:
    """One view of the map.

    Attributes:
        source: "ours" or "own".
        left: key of the left encoder.
        right: key of the right one.
        kind: "umap" or "pca".
        dimensions: 2 or 3.
        color: "label", "kmeans", "hdbscan" or "query".
        query: the text whose cosines colour the marks.
        clusters: of k-means.
        n_neighbors: of UMAP.
        min_dist: of UMAP.
        metric: "cosine" or "euclidean".
        seed: of UMAP and k-means.
    """

    source: str
    left: str
    right: str
    kind: str = "umap"
    dimensions: int = 2
    color: str = "label"
    query: str = ""
    clusters: int = 12
    n_neighbors: int = 15
    min_dist: float = 0.1
    metric: str = "cosine"
    seed: int = 0

    def layout_key(self) -> tuple[Any, ...]:
        """What decides positions; PCA has no knobs."""
        if self.kind == "pca":
            return ("pca", self.dimensions, self.metric)
        return ("umap", self.dimensions, self.metric, self.n_neighbors, self.min_dist, self.seed)


def opening_settings(preset: ModelPreset) -> MapSettings:
    """What the tab shows at first: our collection, the causal model beside the default stage."""
    return MapSettings(BUNDLED_TEXTS, preset.stages[0].key, preset.default.key)


def map_settings(
    source: str,
    left: str,
    right: str,
    kind: Any,
    dim: Any,
    color: Any,
    query: Any,
    clusters: Any,
    neighbors: Any,
    min_dist: Any,
    metric: Any,
    seed: Any,
) -> MapSettings:
    """The tab's fields, fit to be used.

    Raises:
        InputError: naming the first value that cannot be used.

    Example:
        >>> map_settings("ours", "causal", "mntp", "pca", 3, "label", None, 8, 15, 0.1, "cosine", 1).dimensions
        3
    """
    return MapSettings(
        source=source,
        left=left,
        right=right,
        kind=_one_of(kind, KINDS, "The layout"),
        dimensions=_whole(dim, "The number of dimensions", 2, 3),
        color=_one_of(color, COLORS, "The colouring"),
        query=str(query or ""),
        clusters=_whole(clusters, "The number of clusters", 2, MAX_CLUSTERS),
        n_neighbors=_whole(neighbors, "n_neighbors", 2, MAX_NEIGHBORS),
        min_dist=_number(min_dist, "min_dist", 0.0, 1.0),
        metric=_one_of(metric, METRICS, "The metric"),
        seed=_whole(seed, "The seed", 0, MAX_SEED),
    )


def _one_of(value: Any, known: tuple[str, ...], name: str) -> str:
    if value not in known:
        raise InputError(f"{name} is {str(value)[:40]!r}; choose one of {', '.join(known)}.")
    return value


def _number(value: Any, name: str, low: float, high: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not low <= number <= high:
        told = "empty" if value in (None, "") else str(value)[:40]
        raise InputError(f"{name} is {told}; choose a number from {low:g} to {high:,.10g}.")
    return number


def _whole(value: Any, name: str, low: int, high: int) -> int:
    number = _number(value, name, low, high)
    if number != int(number):
        raise InputError(f"{name} is {number:g}; choose a whole number from {low} to {high:,}.")
    return int(number)
