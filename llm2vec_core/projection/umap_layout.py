"""UMAP (McInnes et al., 2018), seeded, on exact neighbours, with progress.

umap-learn takes seconds to import and compiles on its first use, so it is imported where it is used.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from llm2vec_core.errors import InputError
from llm2vec_core.projection.base import all_equal, prepared
from llm2vec_core.projection.neighbors import exact_neighbors
from llm2vec_core.projection.pca import pca_layout

MIN_NEIGHBORS = 2
Progress = Callable[[int, int], None]


def umap_layout(
    embeddings: np.ndarray,
    dimensions: int = 2,
    *,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    metric: str = "cosine",
    seed: int = 0,
    progress: Progress | None = None,
) -> np.ndarray:
    """Lay points out so that neighbours stay together.

    The neighbours are exact, from one matrix product, instead of approximate: faster for a few thousand points,
    and the same on each machine. A seed makes UMAP work on one thread; the same vectors and settings then give
    the same picture again. Vectors that differ in the last digit (another machine, another library for matrix
    products) may be drawn otherwise: small differences grow.

    Args:
        embeddings: shape (points, hidden).
        dimensions: 2 or 3.
        n_neighbors: how many neighbours shape the map; at most points - 1 are used.
        min_dist: how close points may lie, from 0 to 1.
        metric: "cosine" (distance is 1 - cosine) or "euclidean".
        seed: of the layout.
        progress: called with (epochs done, epochs in all); what it raises stops the work.

    Returns:
        float32 of shape (points, dimensions); all 0 where all embeddings are equal.

    Raises:
        InputError: as :func:`llm2vec_core.projection.prepared`, or for a setting out of its range.
    """
    rows = prepared(embeddings, metric)
    if n_neighbors < MIN_NEIGHBORS:
        raise InputError(f"n_neighbors is {n_neighbors}; choose at least {MIN_NEIGHBORS}")
    if not 0.0 <= min_dist <= 1.0:
        raise InputError(f"min_dist is {min_dist}; choose from 0 to 1")
    if all_equal(rows):
        return np.zeros((len(rows), dimensions), dtype=np.float32)
    with warnings.catch_warnings():
        # It tells each time that its tensorflow part is missing.
        warnings.simplefilter("ignore", ImportWarning)
        import umap
        import umap.layouts
    if not hasattr(umap.layouts.tqdm, "tells"):
        umap.layouts.tqdm = _telling(umap.layouts.tqdm)
        _compile_once(
            umap.umap_.smooth_knn_dist,
            umap.umap_.compute_membership_strengths,
            getattr(umap.layouts, "_nb_optimize_layout_euclidean_single_epoch", None),
        )
    neighbors = min(n_neighbors, len(rows) - 1)
    indices, distances = exact_neighbors(rows, neighbors, include_self=True)
    if metric == "cosine":
        distances = distances**2 / 2
    # PCA as the start keeps the map near the first picture.
    init = pca_layout(embeddings, dimensions, metric=metric).points
    init = 10.0 * init / np.abs(init).max()
    # A direction that the data do not fill would be divided by its width of 0.
    init = init + np.random.default_rng(seed).normal(scale=1e-4, size=init.shape)
    with warnings.catch_warnings():
        # A seed makes UMAP single-threaded, and it says so each time.
        warnings.filterwarnings("ignore", message="n_jobs value", category=UserWarning)
        warnings.filterwarnings("ignore", message="precomputed_knn", category=UserWarning)
        reducer = umap.UMAP(
            n_neighbors=neighbors,
            n_components=dimensions,
            min_dist=min_dist,
            metric="euclidean",
            random_state=seed,
            precomputed_knn=(indices, distances.astype(np.float32)),
            init=init.astype(np.float32),
            tqdm_kwds={"progress": progress} if progress else None,
        )
        return np.asarray(reducer.fit_transform(rows), dtype=np.float32)


def umap_2d(embeddings: np.ndarray, *, n_neighbors: int = 15, min_dist: float = 0.1, seed: int = 0) -> np.ndarray:
    """A flat UMAP by cosine; see :func:`umap_layout`.

    Args:
        embeddings: shape (points, hidden).
        n_neighbors: how many neighbours shape the map; at most points - 1 are used.
        min_dist: how close points may lie.
        seed: of the layout.

    Returns:
        float32 of shape (points, 2).

    Raises:
        InputError: for fewer than :data:`llm2vec_core.projection.MIN_POINTS` points.
    """
    return umap_layout(embeddings, n_neighbors=n_neighbors, min_dist=min_dist, seed=seed)


def _compile_once(*functions: Any) -> None:
    """Store what numba makes of umap-learn's functions: compiling takes five times as long as a map of 2,000 points.

    It lies beside umap-learn, or where that cannot be written in numba's folder (``NUMBA_CACHE_DIR``).
    """
    for function in functions:
        # Of another version, or with no folder to write to: it is compiled in each process, as before.
        with suppress(AttributeError, RuntimeError):
            function.enable_caching()


def _telling(tqdm: Callable[..., Iterable[int]]) -> Callable[..., Iterable[int]]:
    """In place of the bar that umap-learn counts its epochs with: one that can call back.

    tqdm itself will not do: it holds a lock of the whole process while it writes, so a callback that waits would
    hold up every other bar, and one that raises would leave the lock shut for good.
    """

    def bar(epochs: Sequence[int], *, progress: Progress | None = None, **options: object) -> Iterable[int]:
        return tqdm(epochs, **options) if progress is None else _reporting(epochs, progress)

    bar.tells = True  # type: ignore[attr-defined]
    return bar


def _reporting(epochs: Sequence[int], progress: Progress) -> Iterator[int]:
    for done, epoch in enumerate(epochs, start=1):
        yield epoch
        progress(done, len(epochs))
