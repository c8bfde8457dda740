"""Shared beginnings and attention as HTML and SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from llm2vec_core.comparison import PrefixComparison
from llm2vec_core.ui.paint.base import card, key

# A bar of full length; changes beyond it are drawn at full length and told by their number.
FULL_BAR_CHANGE = 1.0


def prefix_table(causal: PrefixComparison, bidirectional: PrefixComparison, stage: str, limit: int) -> str:
    """How far each shared token's vector moved, causal beside bidirectional.

    Args:
        causal: from the causal model.
        bidirectional: from a bidirectional stage, on the same texts.
        stage: that stage's name.
        limit: at most this many tokens are drawn.
    """
    words = [i for i, token in enumerate(causal.tokens) if i > 0]
    if not words:
        return card(
            "<h3>These two sentences do not begin alike</h3><p>Give them the same first words and the bars appear. "
            "The sentence similarities below are computed all the same.</p>"
        )
    rows = []
    for i in words[:limit]:
        rows.append(
            f'<tr><td class="t">{escape(causal.tokens[i])}</td>'
            + _change_cell(causal.cosines[i], "causal")
            + _change_cell(bidirectional.cosines[i], "bidi")
            + "</tr>"
        )
    moved = int(np.argmin(bidirectional.cosines[1:])) + 1
    name, cosine = escape(causal.tokens[moved]), float(bidirectional.cosines[moved])
    largest = float(np.max(1.0 - causal.cosines[1:]))
    sentence = (
        f"<p><b>What to notice.</b> One sentence goes on with “{_rest(causal.rest_a)}”, the other with "
        f"“{_rest(causal.rest_b)}” "
        f'<b class="c">Causal</b>: the largest change is {largest:.3f}, because no word can see what follows. '
        f'<b class="b">{escape(stage)}</b>: <em>{name}</em> changed most; the cosine of its two vectors is '
        f"<b>{cosine:.3f}</b>.</p>"
    )
    more = f'<p class="muted">{len(words) - limit} more shared tokens are not drawn.</p>' if len(words) > limit else ""
    return card(
        "<h3>How far did each shared word move between the two sentences?</h3>"
        + key(stage)
        + '<table class="l2v-tokens" id="prefix-table"><thead><tr><th scope="col">shared token</th>'
        '<th scope="col">causal: change</th><th scope="col">cosine</th>'
        '<th scope="col">bidirectional: change</th><th scope="col">cosine</th></tr></thead><tbody>'
        + "".join(rows)
        + "</tbody></table>"
        + more
        + sentence
        + '<p class="muted">Change is 1 - cosine of the token\'s last-layer vectors in the two sentences: 0 means the '
        "very same direction. A full bar is a change of 1 (no likeness left).</p>"
    )


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
    shares = [float(np.triu(w, 1).sum(axis=1).mean()) for w in (causal, bidirectional)]
    panels = "".join(
        f'<figure style="margin:0"><figcaption><b class="{css}">{escape(name)}</b> '
        f'<span class="muted">{share:.0%} of attention goes to later words</span></figcaption>'
        f"{_attention_svg(tokens, weights, name, share)}</figure>"
        for css, name, weights, share in (
            ("c", "Causal", causal, shares[0]),
            ("b", stage, bidirectional, shares[1]),
        )
    )
    return card(
        f"<h3>Attention in layer {layer}, head {head}</h3>"
        '<div class="l2v-key"><span><i style="background:var(--causal)"></i>to itself and earlier words</span>'
        '<span><i style="background:var(--bidi)"></i>to later words (the future)</span>'
        "<span>the stronger the colour, the more attention: 0 to 1, the same in both</span></div>"
        f'<div class="l2v-split" id="attention" data-causal="{shares[0]:.4f}" data-bidirectional="{shares[1]:.4f}">'
        f"{panels}</div>"
        '<p class="muted">Each row is a word that looks, each column a word that is looked at. <b>What to notice:</b> on the '
        "left the upper right half is empty in every head of every layer: the mask forbids it.</p>"
    )


def _attention_svg(tokens: Sequence[str], weights: np.ndarray, name: str, share: float) -> str:
    count = len(tokens)
    cell, left, top = 22, 92, 70
    width, height = left + count * cell + 4, top + count * cell + 4
    parts = [
        f'<svg class="l2v-svg" viewBox="0 0 {width} {height}" role="img" style="max-width:{int(width * 1.5)}px" '
        f'aria-label="{escape(name)}: attention of {count} tokens, {share:.0%} to later ones">'
    ]
    for i, token in enumerate(tokens):
        label = escape(token if len(token) <= 11 else token[:10] + "…")
        y = top + i * cell + 15
        parts.append(f'<text x="{left - 6}" y="{y}" text-anchor="end" font-size="12">{label}</text>')
        x = left + i * cell + 14
        parts.append(f'<text transform="translate({x} {top - 6}) rotate(-55)" font-size="12">{label}</text>')
    for i in range(count):
        for j in range(count):
            value = float(weights[i, j])
            future = j > i
            color = "var(--bidi)" if future else "var(--causal)"
            parts.append(
                f'<rect x="{left + j * cell}" y="{top + i * cell}" width="{cell - 1}" height="{cell - 1}" '
                'fill="var(--track)"/>'
            )
            if value >= 0.004:
                parts.append(
                    f'<rect x="{left + j * cell}" y="{top + i * cell}" width="{cell - 1}" height="{cell - 1}" fill="{color}" '
                    f'opacity="{min(1.0, value) ** 0.6:.2f}"><title>{escape(tokens[i])} takes {value:.0%} from '
                    f"{escape(tokens[j])}</title></rect>"
                )
    parts.append("</svg>")
    return "".join(parts)


def _change_cell(cosine: float, kind: str) -> str:
    change = max(0.0, 1.0 - float(cosine))
    width = 100.0 * min(1.0, change / FULL_BAR_CHANGE)
    # A bar too short to be seen is still a bar: only an exact zero (to three digits) has none.
    width = max(width, 1.5) if change >= 0.0005 else 0.0
    return (
        f'<td class="barcell"><span class="track"><span class="bar" style="width:{width:.1f}%;background:var(--{kind})">'
        f'</span></span></td><td class="n" data-{kind}="{cosine:.6f}">{cosine:.3f}</td>'
    )


def _rest(text: str, limit: int = 48) -> str:
    if not text:
        return "(nothing more)"
    return escape(text if len(text) <= limit else text[:limit].rstrip() + " …")
