# ruff: noqa: E501 (markup and prose, as in paint.py)
"""Attention as SVG: one head, causal beside bidirectional, and all heads as thumbnails."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from llm2vec_core.ui.paint.base import figure_card
from llm2vec_core.ui.tabs.see.model import Heads, future_share

# Thumbnails of a model with more heads than this are coarser, so that the picture stays small.
MANY_HEADS = 144
# Weaker marks are left out; a coarse one holds more tokens, so more goes into it by itself.
FAINTEST, FAINTEST_COARSE = 0.04, 0.1
LEVELS = (0.12, 0.35, 0.7)


def attention_pair(
    tokens: Sequence[str], causal: np.ndarray, bidirectional: np.ndarray, layer: int, head: int, stage: str
) -> str:
    """One head's attention, causal beside bidirectional, on one scale.

    Args:
        tokens: of the sentence.
        causal: shape (seq, seq); rows sum to 1.
        bidirectional: the same under a bidirectional stage.
        layer: from 1, for the title.
        head: from 1, for the title.
        stage: the bidirectional stage's name.
    """
    shares = [float(future_share(w)) for w in (causal, bidirectional)]
    panels = "".join(
        f'<figure><figcaption><b class="{css}">{escape(name)}</b> '
        f'<span class="muted">{share:.0%} of attention goes to later words</span></figcaption>'
        f"{_matrix(tokens, weights, name, share, masked)}</figure>"
        for css, name, weights, share, masked in (
            ("c", "Causal", causal, shares[0], True),
            ("b", stage, bidirectional, shares[1], False),
        )
    )
    legend = (
        '<div class="l2v-key"><span><i style="background:var(--causal)"></i>to itself and earlier words</span>'
        '<span><i style="background:var(--bidi)"></i>to later words (the future)</span>'
        '<span><i class="l2v-see-shut"></i>hidden by the mask</span></div>'
    )
    rows = [
        [tokens[i], tokens[j], float(causal[i, j]), float(bidirectional[i, j])]
        for i in range(len(tokens))
        for j in range(len(tokens))
    ]
    return figure_card(
        f"Attention in layer {layer}, head {head} (share of each row, 0 to 1)",
        f'<div class="l2v-split l2v-see-pair" id="attention" data-causal="{shares[0]:.4f}" '
        f'data-bidirectional="{shares[1]:.4f}">{panels}</div>'
        '<p class="muted">Each row is a word that looks, each column a word that is looked at. The stronger the colour, the more '
        "attention: 0 to 1, the same in both.</p>",
        name=f"attention-layer-{layer}-head-{head}",
        notice=_pair_notice(tokens, bidirectional, shares, stage),
        columns=("looks", "is looked at", "causal", "bidirectional"),
        rows=rows,
        legend=legend,
    )


def _pair_notice(tokens: Sequence[str], weights: np.ndarray, shares: Sequence[float], stage: str) -> str:
    if shares[0] == 0:
        told = "Causal: the upper right half is empty; the mask forbids it, in this head as in every other."
    else:
        told = f"Causal: {shares[0]:.1%} goes to later words: this model is not causal here."
    ahead = np.triu(weights, 1)
    if len(tokens) > 1 and ahead.max() > 0:
        i, j = np.unravel_index(int(ahead.argmax()), ahead.shape)
        told += (
            f" {escape(stage)}: the strongest look ahead is from <em>{escape(tokens[i])}</em> to "
            f"<em>{escape(tokens[j])}</em>, {ahead[i, j]:.0%}."
        )
    return told


def _matrix(tokens: Sequence[str], weights: np.ndarray, name: str, share: float, masked: bool) -> str:
    count = len(tokens)
    cell, left, top = 22, 92, 70
    width, height = left + count * cell + 34, top + count * cell + 4
    parts = [
        f'<svg class="l2v-svg" viewBox="0 0 {width} {height}" role="img" style="max-width:{int(width * 1.4)}px" '
        f'aria-label="{escape(name)}: attention of {count} tokens, {share:.0%} to later ones">'
    ]
    empty, shut = [], []
    for i, token in enumerate(tokens):
        label = escape(token if len(token) <= 11 else token[:10] + "…")
        y = top + i * cell + 15
        parts.append(f'<text x="{left - 6}" y="{y}" text-anchor="end" font-size="12">{label}</text>')
        x = left + i * cell + 14
        parts.append(f'<text transform="translate({x} {top - 6}) rotate(-55)" font-size="12">{label}</text>')
    for i in range(count):
        for j in range(count):
            x, y = left + j * cell, top + i * cell
            if masked and j > i:
                shut.append(f"M{x + 6} {y + cell - 7}l{cell - 13} -{cell - 13}")
                continue
            empty.append(f"M{x} {y}h{cell - 1}v{cell - 1}h-{cell - 1}z")
    parts.append(f'<path d="{"".join(empty)}" fill="var(--track)"/>')
    parts.append(f'<path d="{"".join(shut)}" stroke="var(--muted)" opacity=".45" fill="none"/>')
    for i, j in zip(*np.nonzero(weights >= 0.004), strict=True):
        value, color = float(weights[i, j]), "var(--bidi)" if j > i else "var(--causal)"
        parts.append(
            f'<rect x="{left + j * cell}" y="{top + i * cell}" width="{cell - 1}" height="{cell - 1}" fill="{color}" '
            f'opacity="{min(1.0, value) ** 0.6:.2f}"><title>{escape(tokens[i])} takes {value:.0%} from '
            f"{escape(tokens[j])}</title></rect>"
        )
    parts.append("</svg>")
    return "".join(parts)


def grid_card(heads: Heads) -> str:
    """Every layer (row) and head (column) under the stage, tinted by its share of attention to later words."""
    shares, stage = heads.future, heads.stage.label
    layers, count = shares.shape
    causal = float(future_share(heads.causal).max())
    most, least = (np.unravel_index(int(f(shares)), shares.shape) for f in (np.argmax, np.argmin))
    notice = (
        f"Layer {most[0] + 1}, head {most[1] + 1} looks ahead most ({shares[most]:.0%}); layer {least[0] + 1}, head "
        f"{least[1] + 1} least ({shares[least]:.0%}). "
        + ("Under causal attention every one of them has 0%." if causal == 0 else f"Causal: up to {causal:.1%}.")
    )
    legend = (
        '<div class="l2v-key"><span><i style="background:var(--causal)"></i>to earlier words</span>'
        '<span><i style="background:var(--bidi)"></i>to later words; a head’s ground is tinted by their share</span></div>'
    )
    return figure_card(
        f"All {layers} × {count} heads of {stage}, share of attention to later words",
        f'<div class="l2v-see-scroll" tabindex="0" role="group" aria-label="All heads">{_grid(heads.other, shares, stage)}</div>'
        '<p class="muted">A row is a layer, a column a head. Click one, or move with the arrow keys and press Enter.</p>',
        name="all-heads",
        notice=notice,
        columns=("layer", "head", "share to later words"),
        rows=[[i + 1, j + 1, float(shares[i, j])] for i in range(layers) for j in range(count)],
        legend=legend,
        elem_id="see-heads",
    )


def _grid(weights: np.ndarray, shares: np.ndarray, stage: str) -> str:
    layers, count = shares.shape
    many = layers * count > MANY_HEADS
    tile, gap, foot, cells = (30, 4, 0, 8) if many else (84, 10, 16, 20)
    left, top = 26, 20
    width = left + count * (tile + gap)
    height = top + layers * (tile + gap + foot)
    # A large model's picture keeps its size and is scrolled; a small one's shrinks to the screen.
    size = f"min-width:{width}px;max-width:{width}px" if many else f"max-width:{width}px"
    parts = [
        f'<svg class="l2v-svg" viewBox="0 0 {width} {height}" role="group" style="{size}" '
        f'aria-label="{layers} layers of {count} heads of {escape(stage)}; press one to see it large">'
    ]
    parts += [
        f'<text class="q" x="{left + j * (tile + gap) + tile / 2}" y="13" text-anchor="middle" font-size="12">{j + 1}</text>'
        for j in range(count)
    ]
    strongest = max(float(shares.max()), 1e-9)
    for i in range(layers):
        y = top + i * (tile + gap + foot)
        parts.append(f'<text class="q" x="18" y="{y + tile / 2 + 4}" text-anchor="end" font-size="12">{i + 1}</text>')
        for j in range(count):
            share = float(shares[i, j])
            told = f"Layer {i + 1}, head {j + 1}: {share:.0%} to later words"
            # Without a handler of its own, the group is one button; heads.js makes it one.
            parts.append(
                f'<g class="l2v-see-head" role="button" tabindex="-1" aria-label="{told}" data-layer="{i + 1}" '
                f'data-head="{j + 1}" data-share="{share:.4f}" transform="translate({left + j * (tile + gap)} {y})">'
                f'<title>{told}</title><rect class="f" width="{tile}" height="{tile}" rx="4" fill="var(--paper)"/>'
                f'<rect width="{tile}" height="{tile}" rx="4" fill="var(--bidi)" opacity="{0.55 * share / strongest:.2f}"/>'
                f"{_thumbnail(weights[i, j], tile, cells)}"
                + (
                    f'<text x="{tile / 2}" y="{tile + 13}" text-anchor="middle" font-size="12">{share:.0%}</text>'
                    if foot
                    else ""
                )
                + "</g>"
            )
    return "".join(parts) + "</svg>"


def _thumbnail(weights: np.ndarray, tile: int, cells: int) -> str:
    """A head's attention in four strengths, in few strokes; neighbouring tokens are put together where there are many."""
    count, faintest = len(weights), FAINTEST
    if count > cells:
        edges = np.linspace(0, count, cells + 1).astype(int)
        weights = np.add.reduceat(np.add.reduceat(weights, edges[:-1], 0), edges[:-1], 1) / np.diff(edges)[:, None]
        count, faintest = cells, FAINTEST_COARSE
    strength = np.digitize(weights, LEVELS)
    ahead = np.triu(np.ones_like(strength, dtype=bool), 1)
    parts = []
    for color, half in (("var(--causal)", ~ahead), ("var(--bidi)", ahead)):
        for level, opacity in ((0, 0.3), (1, 0.55), (2, 0.8), (3, 1.0)):
            marks = half & (strength == level) & (weights >= faintest)
            if marks.any():
                path = "".join(f"M{j} {i}h.9v.9h-.9z" for i, j in zip(*np.nonzero(marks), strict=True))
                parts.append(f'<path d="{path}" fill="{color}" opacity="{opacity}"/>')
    return f'<g transform="translate(3 3) scale({(tile - 6) / count:.4g})">{"".join(parts)}</g>'
