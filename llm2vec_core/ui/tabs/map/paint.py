"""What stands around the maps."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from llm2vec_core.figures import topic_style
from llm2vec_core.ui.paint.base import card


def topic_legend(topics: Sequence[str]) -> str:
    """Mark and name of each topic."""
    shapes = {
        "circle": '<circle cx="7" cy="7" r="5"/>',
        "diamond": '<path d="M7 1 13 7 7 13 1 7z"/>',
        "square": '<path d="M2 2h10v10H2z"/>',
        "x": '<path d="M2 4 4 2 7 5 10 2 12 4 9 7 12 10 10 12 7 9 4 12 2 10 5 7z"/>',
        "triangle-up": '<path d="M7 1.5 13 12H1z"/>',
        "star": '<path d="M7 1l1.8 4 4.2.4-3.2 2.8 1 4.3L7 10.2l-3.8 2.3 1-4.3L1 5.4 5.2 5z"/>',
    }
    items = []
    for number, topic in enumerate(topics):
        color, symbol = topic_style(number)
        items.append(
            f'<span><svg viewBox="0 0 14 14" fill="{color}" aria-hidden="true">{shapes[symbol]}</svg>{escape(topic)}</span>'
        )
    return f'<div class="l2v"><div class="l2v-legend" aria-label="topics">{"".join(items)}</div></div>'


def map_numbers(first: tuple[str, float], last: tuple[str, float], overlap: np.ndarray, kind: str) -> str:
    """What the maps show, as numbers.

    Args:
        first: name and topic accuracy of the left encoder.
        last: the same of the right one.
        overlap: for each passage the share of neighbours both agree on.
        kind: "pca" or "umap".
    """
    picture = "PCA, a first look" if kind == "pca" else "UMAP"
    return card(
        f'<div class="l2v-numbers" id="map-numbers" data-kind="{kind}">'
        f'<div><b class="c">{first[1]:.0%}</b><span>{escape(first[0])}: ten nearest neighbours vote for the right subject</span></div>'
        f'<div><b class="b">{last[1]:.0%}</b><span>{escape(last[0])}: the same</span></div>'
        f"<div><b>{1 - float(overlap.mean()):.0%}</b><span>of a passage's neighbours are new on the right</span></div></div>"
        f'<p class="muted">Shown: {picture} of {len(overlap)} passages, seed 0; the right map is turned to lie like the left '
        "one (Procrustes). The percentages are measured on the full vectors, not on the picture. "
        "<b>What to notice:</b> in which map marks of one kind stand together, and which strays found home.</p>"
    )
