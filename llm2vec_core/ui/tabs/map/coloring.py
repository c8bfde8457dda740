"""What decides a mark's colour and shape: a label, a cluster, or the cosine with a typed text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm2vec_core.figures import STYLES
from llm2vec_core.projection import NO_CLUSTER, cluster_words, matched_clusters
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.map.settings import NEIGHBORS, MapSettings
from llm2vec_core.ui.tabs.map.space import Space
from llm2vec_core.ui.user_texts import Texts, checked_text

UNLABELLED = "no label"
STRAY = "not in a cluster"
OTHERS = "other labels"


@dataclass(frozen=True)
class Groups:
    """Marks by group.

    Attributes:
        names: group of each text, for each panel.
        styles: number of each group's style, None for the grey ones; in the order of the legend.
        notes: what the legend adds to a name.
    """

    names: tuple[list[str], list[str]]
    styles: dict[str, int | None]
    notes: dict[str, str]


@dataclass(frozen=True)
class Cosines:
    """Marks by cosine with a text.

    Attributes:
        query: the text.
        values: cosine of each text, for each panel.
        nearest: the rows nearest to it, nearest first, for each panel.
    """

    query: str
    values: tuple[np.ndarray, np.ndarray]
    nearest: tuple[list[int], list[int]]


def coloring(
    context: AppContext, session: Session, texts: Texts, spaces: tuple[Space, Space], settings: MapSettings
) -> Groups | Cosines:
    """Colours of both panels.

    Raises:
        InputError: if the text to compare with is empty or too long.
    """
    if settings.color == "query":
        query = checked_text(settings.query, "The text to compare with", context.limits.text_characters)
        values = tuple(_cosines(session.encoder_for(s.choice.key, context).encode(query), s) for s in spaces)
        nearest = tuple(np.argsort(-v, kind="stable")[:NEIGHBORS].tolist() for v in values)
        return Cosines(query, values, nearest)
    if settings.color == "label":
        return label_groups(texts.labels, len(texts))
    return cluster_groups(*(space.clusters(settings) for space in spaces), texts.labels, texts.texts)


def label_groups(labels: tuple[str, ...] | None, count: int) -> Groups:
    """Groups by label; the rarest share one when there are more labels than styles.

    Example:
        >>> label_groups(("b", "", "a", "b"), 4).styles
        {'a': 0, 'b': 1, 'no label': None}
    """
    given = labels or ("",) * count
    sizes = Counter(label for label in given if label)
    ranked = sorted(sizes, key=lambda label: (-sizes[label], label))
    kept = ranked if len(ranked) <= STYLES else ranked[: STYLES - 1]
    shown = {label: label for label in kept} | {"": UNLABELLED}
    names = [shown.get(label, OTHERS) for label in given]
    styles: dict[str, int | None] = {label: number for number, label in enumerate(sorted(kept))}
    for grey in (OTHERS, UNLABELLED):
        if grey in names and grey not in styles:
            styles[grey] = None
    notes = {name: f"{size:,}" for name, size in Counter(names).items()}
    if OTHERS in names:
        notes[OTHERS] += f" texts, {len(ranked) - len(kept)} labels"
    return Groups((names, names), styles, notes)


def cluster_groups(
    left: np.ndarray, right: np.ndarray, labels: tuple[str, ...] | None, texts: Sequence[str] | None = None
) -> Groups:
    """Groups by cluster; a cluster on the right has the number of the left one that it shares most texts with.

    Args:
        left: number of each text's cluster, -1 for strays.
        right: the same in the other space.
        labels: if there are any, the legend tells the most frequent one of each cluster on the left.
        texts: whose words the legend tells of each cluster on the left.
    """
    words = cluster_words(texts, left) if texts else []
    right = matched_clusters(left, right)
    names = tuple([STRAY if c == NO_CLUSTER else f"cluster {c + 1}" for c in side.tolist()] for side in (left, right))
    styles: dict[str, int | None] = {}
    notes = {}
    for number in sorted({*left.tolist(), *right.tolist()} - {NO_CLUSTER}):
        name = f"cluster {number + 1}"
        styles[name] = number
        sizes = [int((side == number).sum()) for side in (left, right)]
        notes[name] = f"{sizes[0]:,} left, {sizes[1]:,} right"
        side = left if sizes[0] else right
        found = Counter(labels[row] for row in np.flatnonzero(side == number) if labels[row]) if labels else None
        if found:
            label, most = found.most_common(1)[0]
            notes[name] += f"; {most / max(sizes[0] or sizes[1], 1):.0%} {label}"
        if number < len(words) and words[number]:
            notes[name] += f"; {' · '.join(words[number])}"
    if any(STRAY in side for side in names):
        styles[STRAY] = None
        notes[STRAY] = f"{names[0].count(STRAY):,} left, {names[1].count(STRAY):,} right"
    return Groups(names, styles, notes)


def _cosines(query: np.ndarray, space: Space) -> np.ndarray:
    rows = space.embeddings().astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(query)
    return rows @ query.astype(np.float64) / np.maximum(lengths, 1e-12)
