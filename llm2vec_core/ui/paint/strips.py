"""The cosine of a pair, held against pairs whose relation is known."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from llm2vec_core.comparison import Yardstick
from llm2vec_core.ui.paint.base import figure_card


def similarity_strips(
    rows: Sequence[tuple[str, str, bool, float, Yardstick]], pooling: str, elem_id: str = "similarity-strips"
) -> str:
    """The pair's cosine under each stage, held against pairs of known relation.

    Args:
        rows: (key, label, bidirectional?, cosine of the pair, yardstick) for each stage.
        pooling: its name, for the caption.
        elem_id: of the card.
    """
    low = min(min(y.unrelated[0], y.similar[0], c) for _, _, _, c, y in rows)
    low = float(np.floor(min(low, 0.9) * 10) / 10)

    def x(value: float) -> float:
        return 8 + 484 * (float(value) - low) / (1.0 - low)

    parts = []
    for key, label, bidirectional, cosine, yardstick in rows:
        color = "var(--bidi)" if bidirectional else "var(--causal)"
        share = yardstick.share_of_unrelated_below(cosine)
        bands = ""
        for values, shade, y0, name in (
            (yardstick.unrelated, "var(--muted)", 8, "unrelated pairs"),
            (yardstick.similar, "var(--good)", 26, "pairs that mean the same"),
        ):
            a, m, b = np.quantile(values, (0.1, 0.5, 0.9))
            bands += (
                f'<rect x="{x(a):.1f}" y="{y0}" width="{max(1.0, x(b) - x(a)):.1f}" height="12" rx="2" fill="{shade}" '
                f'opacity=".35"><title>{name}: the middle 80% lie from {a:.2f} to {b:.2f}</title></rect>'
                f'<line x1="{x(m):.1f}" x2="{x(m):.1f}" y1="{y0}" y2="{y0 + 12}" stroke="{shade}" stroke-width="2"/>'
            )
        parts.append(
            f'<div class="l2v-strip" data-stage="{escape(key)}" data-cosine="{cosine:.6f}" style="margin:10px 0 2px">'
            f'<div style="display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 12px">'
            f'<b style="color:{color}">{escape(label)}</b><span>cosine <b>{cosine:.3f}</b> '
            f'<span class="muted">· higher than {share:.0%} of unrelated pairs</span></span></div>'
            f'<svg class="l2v-svg" viewBox="0 0 500 48" role="img" aria-label="{escape(label)}: cosine {cosine:.3f}, '
            f'higher than {share:.0%} of unrelated pairs">'
            f'<line x1="8" x2="492" y1="44" y2="44" stroke="var(--line)"/>{bands}'
            f'<path d="M{x(cosine):.1f} 44 l-6 -10 h4.5 v-30 h3 v30 h4.5 z" fill="{color}"/></svg></div>'
        )
    legend = (
        f'<div class="l2v-key"><span><i style="background:var(--muted);opacity:.45"></i>{len(rows[0][4].unrelated)} unrelated pairs</span>'
        f'<span><i style="background:var(--good);opacity:.45"></i>{len(rows[0][4].similar)} pairs that mean the same</span>'
        "<span>▼ your pair</span></div>"
    )
    return figure_card(
        f"Cosine of your two sentences, among pairs of known relation ({pooling})",
        f'<div id="{escape(elem_id)}">{"".join(parts)}</div>'
        f'<p class="muted">From {low:.1f} to 1.0; the shaded bands hold the middle 80% of each kind of pair, the stroke its '
        "median.</p>",
        name="similarity",
        notice=_notice(rows),
        columns=("encoder", "cosine", "share of unrelated pairs below", "median unrelated", "median similar"),
        rows=[
            [
                label,
                cosine,
                y.share_of_unrelated_below(cosine),
                float(np.median(y.unrelated)),
                float(np.median(y.similar)),
            ]
            for _, label, _, cosine, y in rows
        ],
        legend=legend,
    )


def _notice(rows: Sequence[tuple[str, str, bool, float, Yardstick]]) -> str:
    cosines = [cosine for _, _, _, cosine, _ in rows]
    medians = [float(np.median(y.unrelated)) for *_, y in rows]
    low, high = int(np.argmin(medians)), int(np.argmax(medians))
    return (
        f"A cosine alone says little: two unrelated sentences have {medians[high]:.2f} under {escape(rows[high][1])} (median) "
        f"and {medians[low]:.2f} under {escape(rows[low][1])}. Your pair goes from {cosines[0]:.2f} under "
        f"{escape(rows[0][1])} to {cosines[-1]:.2f} under {escape(rows[-1][1])}; what counts is the place among the bands."
    )
