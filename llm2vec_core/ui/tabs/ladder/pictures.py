"""Histograms of cosines, one small picture a rung, all on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from llm2vec_core.separation import PairCosines
from llm2vec_core.ui.encoders import EncoderOption
from llm2vec_core.ui.paint.base import figure_card

BINS, WIDTH, LEFT, ROW, HEIGHT = 28, 372, 10, 72, 40
KINDS = (("unrelated", "unrelated pairs", "var(--muted)"), ("similar", "similar pairs", "var(--good)"))


def histograms(rows: Sequence[tuple[EncoderOption, PairCosines]], chosen: str) -> str:
    """Small multiples of all rungs.

    Args:
        rows: each choice with its cosines.
        chosen: key of the rung that is marked.
    """
    lowest = min(float(values.min()) for _, found in rows for values in found.by_label.values())
    low = np.floor(min(lowest, 0.0) * 10) / 10
    edges = np.linspace(low, 1.0, BINS + 1)
    counts = [{kind: np.histogram(found.by_label[kind], edges)[0] for kind in found.by_label} for _, found in rows]
    top = max(int(values.max()) for each in counts for values in each.values())

    def x(value: float) -> float:
        return LEFT + (WIDTH - 2 * LEFT) * (value - low) / (1.0 - low)

    height = ROW * len(rows) + 22
    parts = [
        f'<svg class="l2v-svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Histograms of cosines under {len(rows)} '
        'encoders on one axis; the table below holds their means and separations">'
    ]
    for number, ((choice, found), own) in enumerate(zip(rows, counts, strict=True)):
        y0, base = number * ROW, number * ROW + 26 + HEIGHT
        if choice.key == chosen:
            parts.append(f'<rect x="0" y="{y0 + 6}" width="4" height="{ROW - 8}" rx="2" fill="{choice.color}"/>')
        mark = "▸ " if choice.key == chosen else ""
        parts.append(
            f'<text x="{LEFT}" y="{y0 + 20}" font-size="12.5" font-weight="650" style="fill:{choice.color}">{mark}{escape(choice.label)}</text>'
            f'<text x="{WIDTH - LEFT}" y="{y0 + 20}" font-size="12" text-anchor="end" data-separation="{escape(choice.key)}">separation {found.separation().score:.3f}</text>'
        )
        for kind, name, color in KINDS:
            for bin_, count in enumerate(own[kind]):
                if count:
                    bar = HEIGHT * count / top
                    parts.append(
                        f'<rect x="{x(edges[bin_]):.1f}" y="{base - bar:.1f}" width="{x(edges[1]) - x(edges[0]) - 0.6:.1f}" height="{bar:.1f}" '
                        f'fill="{color}" opacity=".6"><title>{name}: {count} from {edges[bin_]:.2f} to {edges[bin_ + 1]:.2f}</title></rect>'
                    )
        steps = "".join(
            f"{'M' if not b else 'L'}{x(edges[b]):.1f} {base - HEIGHT * c / top:.1f}L{x(edges[b + 1]):.1f} {base - HEIGHT * c / top:.1f}"
            for b, c in enumerate(own["misleading"])
        )
        parts.append(
            f'<path d="{steps}" fill="none" stroke="var(--ink)" stroke-width="1.3" stroke-dasharray="3 2"/>'
            f'<line x1="{LEFT}" x2="{WIDTH - LEFT}" y1="{base}" y2="{base}" stroke="var(--line)"/>'
        )
    parts.extend(
        f'<text x="{x(float(tick)):.1f}" y="{height - 5}" font-size="12" text-anchor="middle" class="q">{tick:.1f}</text>'
        for tick in np.arange(np.ceil(low * 5) / 5, 1.01, 0.2)
    )
    parts.append("</svg>")
    legend = (
        '<div class="l2v-key"><span><i style="background:var(--good)"></i>80 similar pairs</span><span><i style="background:var(--muted)"></i>80 unrelated</span>'
        "<span>┄ 80 misleading (same words, other meaning)</span></div>"
    )
    table = []
    for choice, found in rows:
        s = found.separation()
        table.append(
            (
                choice.label,
                *(found.mean(k) for k in ("similar", "unrelated", "misleading")),
                found.margin(),
                s.score,
                s.low,
                s.high,
            )
        )
    return figure_card(
        "Cosines of our pairs under every rung, on one axis",
        f'<div id="ladder-histograms">{"".join(parts)}</div>',
        name="cosine-histograms",
        notice=_notice(rows),
        columns=("encoder", "mean similar", "mean unrelated", "mean misleading", "margin", "separation", "low", "high"),
        rows=table,
        legend=legend,
    )


def _notice(rows: Sequence[tuple[EncoderOption, PairCosines]]) -> str:
    highest = max(rows, key=lambda row: row[1].mean("unrelated"))
    best = max(rows, key=lambda row: row[1].separation().score)
    first = (
        f"Under {escape(highest[0].label)} even unrelated pairs have a mean cosine of {highest[1].mean('unrelated'):.2f}: its vectors crowd "
        "in one direction (<em>anisotropy</em>), so a high cosine proves nothing. What counts is how little the green and the grey hills overlap"
    )
    same = "the same encoder has" if best[0].key == highest[0].key else f"{escape(best[0].label)} has"
    return f"{first}: {same} the best separation, {best[1].separation().score:.3f}."
