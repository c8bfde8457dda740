"""One encoder's view of the texts: its embeddings, and what is computed from them, cached."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from llm2vec_core.cache import Cache
from llm2vec_core.errors import InputError
from llm2vec_core.projection import (
    NO_CLUSTER,
    MapQuality,
    exact_neighbors,
    hdbscan_clusters,
    kmeans_clusters,
    map_quality,
    named_groups,
    pca_layout,
    prepared,
    umap_layout,
)
from llm2vec_core.projection.base import MIN_POINTS
from llm2vec_core.projection.pca import PcaLayout
from llm2vec_core.protocol import Encoder, encode_in_pieces
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import USER_ADAPTER, EncoderOption
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.map.settings import CLUSTERINGS, NEIGHBORS, MapSettings
from llm2vec_core.ui.tabs.map.stored import NamedGroups, StoredMaps, stored_maps
from llm2vec_core.ui.user_texts import Texts
from llm2vec_core.ui.zero_gpu import loan_seconds, on_lent_gpu

# Texts that a lent GPU encodes between two reports.
LENT_PIECE = 256
# HDBSCAN's smallest cluster: a fiftieth of the texts, at least this many.
SMALLEST_CLUSTER = 5
Progress = Callable[[int, int], None]


class Space:
    """An encoder and some texts.

    Args:
        choice: the encoder.
        key: what the embeddings depend on.
        cache: of this session, or shared.
        encode: makes the embeddings, shape (texts, hidden); called with a progress callback or None.
        stored: pictures made beforehand, by :meth:`MapSettings.layout_key`.
    """

    def __init__(
        self,
        choice: EncoderOption,
        key: tuple[Hashable, ...],
        cache: Cache,
        encode: Callable[[Progress | None], np.ndarray],
        stored: StoredMaps | None = None,
    ) -> None:
        self.choice = choice
        self._key = key
        self._cache = cache
        self._encode = encode
        self._stored = stored or {}

    @property
    def is_encoded(self) -> bool:
        """Whether the embeddings are at hand."""
        return ("embeddings", *self._key) in self._cache

    def embeddings(self, progress: Progress | None = None) -> np.ndarray:
        """Embeddings of the texts, shape (texts, hidden)."""
        return self._cache.get(("embeddings", *self._key), lambda: self._encode(progress))

    def _once(self, name: str, *about: Hashable, make: Callable[[], Any]) -> Any:
        return self._cache.get((name, *self._key, *about), make)

    def has_layout(self, settings: MapSettings) -> bool:
        """Whether positions are at hand without computing."""
        return self.is_stored(settings) or ("layout", *self._key, *settings.layout_key()) in self._cache

    def is_stored(self, settings: MapSettings) -> bool:
        """Whether positions were made beforehand."""
        return settings.layout_key() in self._stored

    def layout(self, settings: MapSettings, progress: Progress | None = None) -> np.ndarray:
        """Positions, shape (texts, dimensions)."""

        def make() -> np.ndarray:
            return umap_layout(
                self.embeddings(),
                settings.dimensions,
                n_neighbors=settings.n_neighbors,
                min_dist=settings.min_dist,
                metric=settings.metric,
                seed=settings.seed,
                progress=progress,
            )

        if settings.kind == "pca":
            return self.pca(settings).points
        return self._laid_out(settings, make)

    def pca(self, settings: MapSettings) -> PcaLayout:
        """Positions and explained variance."""
        dimensions, metric = settings.dimensions, settings.metric
        return self._laid_out(settings, lambda: pca_layout(self.embeddings(), dimensions, metric=metric))

    def _laid_out(self, settings: MapSettings, make: Callable[[], Any]) -> Any:
        about = settings.layout_key()
        return self._stored[about].layout if about in self._stored else self._once("layout", *about, make=make)

    def groups(self, settings: MapSettings, texts: Sequence[str]) -> NamedGroups:
        """Coarse and fine groups of marks on the picture, with the words of their texts."""
        if self.is_stored(settings):
            return self._stored[settings.layout_key()].groups
        if settings.dimensions != 2:
            return [], []
        points = np.asarray(self.layout(settings), dtype=np.float64)
        return self._once("groups", *settings.layout_key(), make=lambda: named_groups(points, texts))

    def neighbors(self, metric: str) -> np.ndarray:
        """Indices of each text's nearest neighbours, shape (texts, at most :data:`NEIGHBORS`)."""
        rows = self.embeddings()
        count = min(NEIGHBORS, len(rows) - 1)
        return self._once(
            "neighbors", metric, make=lambda: exact_neighbors(prepared(rows, metric), count)[0].astype(np.int32)
        )

    def clusters(self, settings: MapSettings) -> np.ndarray:
        """A number for each text, -1 for strays, shape (texts,)."""
        rows, metric = self.embeddings(), settings.metric
        if settings.color == "kmeans":
            about = ("kmeans", settings.clusters, metric, settings.seed)
            return self._once(
                "clusters",
                *about,
                make=lambda: kmeans_clusters(rows, settings.clusters, metric=metric, seed=settings.seed),
            )
        smallest = smallest_cluster(len(rows))
        return self._once("clusters", "hdbscan", metric, make=lambda: hdbscan_clusters(rows, smallest, metric=metric))

    def quality(self, settings: MapSettings, labels: tuple[str, ...] | None) -> MapQuality:
        """Measures of the picture and of the space behind it."""
        if self.is_stored(settings) and settings.color not in CLUSTERINGS:
            return self._stored[settings.layout_key()].quality
        grouped_by = (settings.color, settings.clusters, settings.seed) if settings.color in CLUSTERINGS else ()
        about = (*settings.layout_key(), *grouped_by)
        return self._once("quality", *about, make=lambda: self._measured(settings, labels))

    def _measured(self, settings: MapSettings, labels: tuple[str, ...] | None) -> MapQuality:
        groups = labels
        if settings.color in CLUSTERINGS:
            clusters = self.clusters(settings)
            groups = tuple("" if number == NO_CLUSTER else str(number) for number in clusters)
        rows, points = self.embeddings(), self.layout(settings)
        return map_quality(rows, points, labels, groups, NEIGHBORS, metric=settings.metric)


def smallest_cluster(count: int) -> int:
    """How many texts make a cluster for HDBSCAN."""
    return max(SMALLEST_CLUSTER, count // 50)


def space_of(context: AppContext, session: Session, texts: Texts, key: str) -> Space:
    """The view that an encoder has of some texts.

    What belongs to a visitor (their texts, their adapter) is kept with the visitor, the rest for everyone.

    Raises:
        InputError: for an encoder that is not there, or more texts than a map takes.
    """
    limit = context.limits.map_points
    if len(texts) > limit:
        raise InputError(
            f"{texts.name} has {len(texts):,} texts; a map can show at most {limit:,}. Give fewer, or use Search."
        )
    if len(texts) < MIN_POINTS:
        count = len(texts)
        raise InputError(
            f"{count} {'text is' if count == 1 else 'texts are'} too few for a map; give at least {MIN_POINTS}."
        )
    choice = session.choice(key, context)
    ours = texts.is_bundled

    def encode(progress: Progress | None) -> np.ndarray:
        if ours and context.has_stored_collection(key):
            return context.collection(key)
        encoder = session.encoder_for(key, context)
        if seconds := loan_seconds([encoder], texts.texts):
            return _encoded_on_lent_gpu(encoder, texts.texts, seconds, progress)
        return encoder.encode(list(texts.texts), progress=progress)

    cache = context.cache if ours and key != USER_ADAPTER else session.cache
    stored = stored_maps(context.preset.key).get(key) if ours else None
    return Space(choice, (context.preset.key, key, texts.key), cache, encode, stored)


def _encoded_on_lent_gpu(encoder: Encoder, texts: Sequence[str], seconds: int, progress: Progress | None) -> np.ndarray:
    steps = on_lent_gpu(lambda: encode_in_pieces(encoder.encode, texts, LENT_PIECE), [encoder], seconds)
    with closing(steps):
        while True:
            try:
                done = next(steps)
            except StopIteration as end:
                return end.value
            if progress is not None:
                progress(done, len(texts))
