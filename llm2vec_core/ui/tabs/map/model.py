"""From the fields to what is shown: two aligned layouts, their colours, their measures, who moved."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from llm2vec_core.projection import MapQuality, NamedGroup, align, disparity, leveled, neighbor_ranks, umap_layout
from llm2vec_core.projection.base import MIN_POINTS
from llm2vec_core.projection.neighbors import shared_neighbors
from llm2vec_core.projection.words import FEWEST_POINTS
from llm2vec_core.threads import reported
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.map.coloring import Cosines, Groups, coloring
from llm2vec_core.ui.tabs.map.settings import MapSettings, opening_settings
from llm2vec_core.ui.tabs.map.space import Progress, Space, space_of
from llm2vec_core.ui.text_picker import chosen_texts
from llm2vec_core.ui.user_texts import Texts

T = TypeVar("T")
REPORT_SECONDS = 1.0  # each report costs the page a redraw
MOVERS = 30
_FIRST = threading.Lock()  # taken for good by who comes first


@dataclass(frozen=True)
class View:
    """What the two panels show.

    Attributes:
        settings: what was asked for; its ``kind`` is what is shown now.
        texts: the texts.
        spaces: left and right.
        colors: of the marks.
        points: positions, left and right, in one frame.
        disparity: what the alignment could not mend, 0 to 1.
        explained: for PCA the share of variance on each axis, left and right.
        stored: whether the positions were made beforehand.
        groups: coarse and fine groups of marks with their words, left and right; none in three dimensions.
    """

    settings: MapSettings
    texts: Texts
    spaces: tuple[Space, Space]
    colors: Groups | Cosines
    points: tuple[np.ndarray, np.ndarray]
    disparity: float
    explained: tuple[np.ndarray, np.ndarray] | None
    stored: bool
    groups: tuple[tuple[list[NamedGroup], list[NamedGroup]], ...]

    def has_density(self, side: int) -> bool:
        """Whether a panel is flat and has enough marks for contours of their density to mean something."""
        points = self.points[side]
        return points.shape[1] == 2 and len(points) >= FEWEST_POINTS and bool(points.any())


@dataclass(frozen=True)
class Measures:
    """Numbers about the two panels.

    Attributes:
        quality: of each panel.
        overlap: share of each text's neighbours that both agree on, shape (texts,).
        ranks: mean rank on the right of each text's left neighbours, shape (texts,).
        movers: rows of those who moved most, most first.
    """

    quality: tuple[MapQuality, MapQuality]
    overlap: np.ndarray
    ranks: np.ndarray
    movers: list[int]


@dataclass(frozen=True)
class Step:
    """News while a map is made: a status, then maybe something to show.

    Attributes:
        status: what goes on, plain text.
        share: how much of it is done, from 0 to 1; None when nothing goes on.
        view: to draw, if it is new.
        measures: of the view before, if they are new.
    """

    status: str
    share: float | None = None
    view: View | None = None
    measures: Measures | None = None


def spaces_of(context: AppContext, session: Session, settings: MapSettings) -> tuple[Texts, tuple[Space, Space]]:
    """The texts, and what both encoders make of them.

    Raises:
        InputError: for missing or too many texts, or an encoder that is not there.
    """
    texts = chosen_texts(session, settings.source)
    left, right = (space_of(context, session, texts, key) for key in (settings.left, settings.right))
    return texts, (left, right)


def draw(context: AppContext, session: Session, settings: MapSettings) -> Iterator[Step]:
    """Encode, show PCA at once, then UMAP if it is asked for, then the measures.

    Where positions are at hand and colours need no vectors, the picture comes before all else.
    """
    texts, spaces = spaces_of(context, session, settings)
    started = time.monotonic()
    view = None
    if settings.color == "label" and _at_hand(spaces, settings):
        view = view_of(settings, texts, spaces, coloring(context, session, texts, spaces, settings))
        yield Step("Measuring …", 0.5, view=view)
    for space in spaces:
        if not space.is_encoded:
            name = f"Encoding {len(texts):,} texts with {space.choice.label}"
            yield Step(f"{name} …", 0.0)
            yield from _reported(name, space.embeddings)
    if view is None:
        view = yield from _laid_out(settings, texts, spaces, coloring(context, session, texts, spaces, settings))
        yield Step("Measuring …", 1.0, view=view)
    measures = measured(view)
    yield Step(f"{len(texts):,} texts in {time.monotonic() - started:.1f} s.", measures=measures)


def opening_view(context: AppContext) -> View:
    """What the tab shows before anything is computed: layouts that were made beforehand."""
    settings, session = opening_settings(context.preset), Session(context.preset.key)
    texts, spaces = spaces_of(context, session, settings)
    return view_of(settings, texts, spaces, coloring(context, session, texts, spaces, settings))


def _at_hand(spaces: tuple[Space, Space], settings: MapSettings) -> bool:
    return all(space.has_layout(settings) for space in spaces)


def _laid_out(
    settings: MapSettings, texts: Texts, spaces: tuple[Space, Space], colors: Groups | Cosines
) -> Generator[Step, None, View]:
    if settings.kind == "umap" and not _at_hand(spaces, settings):
        first = view_of(replace(settings, kind="pca"), texts, spaces, colors)
        yield Step("Showing PCA while UMAP is computed …", 0.0, view=first)
        for side, space in zip(("first", "second"), spaces, strict=True):
            yield from _reported(
                f"UMAP of the {side} map", lambda progress, space=space: space.layout(settings, progress)
            )
    return view_of(settings, texts, spaces, colors)


def view_of(settings: MapSettings, texts: Texts, spaces: tuple[Space, Space], colors: Groups | Cosines) -> View:
    """Both layouts in the left one's frame, each scaled to a root mean square radius of 1."""
    left, right = (space.layout(settings).astype(np.float64) for space in spaces)
    if settings.kind == "umap":  # PCA's axes mean something, UMAP's do not
        left = leveled(left)
    left, spread = _framed(left)
    # A left map with all points in one place has no frame to turn to.
    aligned = align(left, right) if spread else right
    # The best fit is the smaller the worse it fits; at one size both can be read.
    right = _framed(aligned)[0]
    explained = tuple(space.pca(settings).explained for space in spaces) if settings.kind == "pca" else None
    stored = all(space.is_stored(settings) for space in spaces)
    groups = tuple(space.groups(settings, texts.texts) for space in spaces)
    return View(settings, texts, spaces, colors, (left, right), disparity(left, aligned), explained, stored, groups)


def measured(view: View) -> Measures:
    """Quality of both panels, and who moved between them (by the full vectors, not by the picture)."""
    metric = view.settings.metric
    first, second = (space.neighbors(metric) for space in view.spaces)
    overlap = shared_neighbors(first, second)
    ranks = neighbor_ranks(view.spaces[1].embeddings(), first, metric=metric).mean(axis=1)
    order = np.lexsort((-ranks, overlap))
    movers = [int(row) for row in order[:MOVERS] if overlap[row] < 1.0]
    quality = tuple(space.quality(view.settings, view.texts.labels) for space in view.spaces)
    return Measures(quality, overlap, ranks, movers)


def warm_up(context: AppContext) -> None:
    """Measure what opening the tab shows."""
    for _ in draw(context, Session(context.preset.key), opening_settings(context.preset)):
        pass


def get_ready(until_calm: Callable[[], None]) -> None:
    """A visitor may lay texts out soon: import UMAP and have it compiled, once a process and in the background.

    Args:
        until_calm: returns when nobody waits for an answer: compiling takes seconds of the interpreter.
    """

    def work() -> None:
        until_calm()
        umap_layout(np.random.default_rng(0).normal(size=(4 * MIN_POINTS, 8)))

    if _FIRST.acquire(blocking=False):
        threading.Thread(target=work, name="UMAP", daemon=True).start()


def _reported(name: str, work: Callable[[Progress], T]) -> Generator[Step, None, T]:
    """Do the work in a thread of its own; tell now and then how far it is."""
    return reported(
        lambda report: work(lambda done, total: report(Step(f"{name}: {done:,} of {total:,}", done / max(total, 1)))),
        REPORT_SECONDS,
    )


def _framed(points: np.ndarray) -> tuple[np.ndarray, float]:
    centered = points - points.mean(axis=0)
    spread = float(np.sqrt((centered**2).sum(axis=1).mean()))
    return (centered / spread, spread) if spread > 1e-9 else (np.zeros_like(points), 0.0)
