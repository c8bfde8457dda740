"""The cosine of a pair, next to pairs known to be similar or unrelated; several tabs show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from llm2vec_core.charts.svg import line, path, rect, scale, svg, title
from llm2vec_core.comparison import Yardstick
from llm2vec_core.ui import copy
from llm2vec_core.ui.encoders import EncoderOption
from llm2vec_core.ui.templates import render

LEFT, WIDTH = 8, 484


@dataclass(frozen=True)
class Strip:
    """A pair under one encoder.

    Attributes:
        choice: the encoder.
        cosine: of the pair.
        yardstick: the same encoder's cosines for pairs of known relation.
    """

    choice: EncoderOption
    cosine: float
    yardstick: Yardstick

    @property
    def share(self) -> float:
        """Share of the unrelated pairs that have a lower cosine, 0 to 1."""
        return self.yardstick.share_of_unrelated_below(self.cosine)

    @property
    def median_unrelated(self) -> float:
        """Median cosine of unrelated pairs."""
        return float(np.median(self.yardstick.unrelated))

    @property
    def median_similar(self) -> float:
        """Median cosine of pairs that mean the same."""
        return float(np.median(self.yardstick.similar))


def similarity_strips(strips: Sequence[Strip], pooling: str, elem_id: str = "similarity-strips") -> Markup:
    """The pair's cosine under each encoder, next to pairs known to be similar or unrelated.

    Args:
        strips: one an encoder.
        pooling: a mode, for the caption.
        elem_id: of the strips.
    """
    low = min(min(s.yardstick.unrelated[0], s.yardstick.similar[0], s.cosine) for s in strips)
    low = float(np.floor(min(low, 0.9) * 10) / 10)
    return render(
        "pair_strips.html",
        strips=strips,
        charts=[strip_chart(strip, low) for strip in strips],
        low=low,
        pooling=copy.POOLING_LABELS.get(pooling, pooling),
        elem_id=elem_id,
        columns=(
            "encoder",
            "cosine",
            "share of our unrelated below",
            "median of our unrelated",
            "median of our similar",
        ),
        rows=[[s.choice.label, s.cosine, s.share, s.median_unrelated, s.median_similar] for s in strips],
        lowest=min(strips, key=lambda strip: strip.median_unrelated),
        highest=max(strips, key=lambda strip: strip.median_unrelated),
    )


def strip_chart(strip: Strip, low: float) -> Markup:
    """One encoder's strip, from ``low`` to 1."""
    x = scale(low, 1.0, LEFT, LEFT + WIDTH)
    parts = [line(LEFT, 44, LEFT + WIDTH, 44)]
    for values, shade, y, name in (
        (strip.yardstick.unrelated, "var(--muted)", 8, "our unrelated pairs"),
        (strip.yardstick.similar, "var(--good)", 26, "our pairs with the same meaning"),
    ):
        start, median, stop = np.quantile(values, (0.1, 0.5, 0.9))
        told = title(f"{name}: the middle 80% range from {start:.2f} to {stop:.2f}")
        wide = max(1.0, x(stop) - x(start))
        parts.append(rect(x(start), y, wide, 12, told, rx=2, fill=shade, opacity=".35"))
        parts.append(line(x(median), y, x(median), y + 12, stroke=shade, stroke_width=2))
    parts.append(path(f"M{x(strip.cosine):.1f} 44 l-6 -10 h4.5 v-30 h3 v30 h4.5 z", fill=strip.choice.color))
    label = f"{strip.choice.label}: cosine {strip.cosine:.3f}, higher than {strip.share:.0%} of our unrelated pairs"
    return svg(500, 48, *parts, label=label)
