"""Numbers into HTML and SVG. Pure functions; every text that comes from outside is escaped here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from llm2vec_core.bidirectional import PrefixReport
from llm2vec_core.bundled_data import Passage
from llm2vec_core.comparison import PrefixComparison, Yardstick
from llm2vec_core.figures import topic_style
from llm2vec_core.search import Hit

# A bar of full length; changes beyond it are drawn at full length and told by their number.
FULL_BAR_CHANGE = 1.0


def badge(causal: PrefixReport, bidirectional: PrefixReport) -> str:
    """The live proof in one line: the last token was changed; did the first ones notice?"""

    def verdict(holds: bool) -> str:
        return '<span class="ok">holds</span>' if holds else '<span class="notice-dot">fails</span>'

    return (
        '<div class="l2v"><div class="l2v-badge" role="status" id="prefix-badge"><b>Prefix test, run just now</b>'
        f'<span><b class="c">causal</b> {verdict(causal.is_causal)}: changing the last word moved an earlier word by '
        f"{causal.moved}</span>"
        f'<span><b class="b">bidirectional</b> {verdict(bidirectional.is_bidirectional)}: by '
        f"{bidirectional.moved}, in all {len(bidirectional.layers)} layers</span></div></div>"
    )


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
        return _card(
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
    return _card(
        "<h3>How far did each shared word move between the two sentences?</h3>"
        + _key(stage)
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


def similarity_strips(rows: Sequence[tuple[str, str, bool, float, Yardstick]], pooling: str) -> str:
    """The pair's cosine under each stage, held against pairs of known relation.

    Args:
        rows: (key, label, bidirectional?, cosine of the pair, yardstick) for each stage.
        pooling: its name, for the caption.
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
    return _card(
        "<h3>How alike are the two sentences?</h3>"
        '<div class="l2v-key"><span><i style="background:var(--muted);opacity:.45"></i>80 unrelated pairs</span>'
        '<span><i style="background:var(--good);opacity:.45"></i>80 pairs that mean the same</span>'
        "<span>▼ your pair</span></div>"
        + f'<div id="similarity-strips">{"".join(parts)}</div>'
        + f'<p class="muted">Cosine of the two sentence vectors ({escape(pooling)}), from {low:.1f} to 1.0; the shaded bands '
        "hold the middle 80% of each kind of pair, the stroke its median. <b>What to notice:</b> a high cosine alone "
        "says little; what counts is how far the two bands lie apart, and on which side your pair falls.</p>"
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
    return _card(
        f"<h3>Attention in layer {layer}, head {head}</h3>"
        '<div class="l2v-key"><span><i style="background:var(--causal)"></i>to itself and earlier words</span>'
        '<span><i style="background:var(--bidi)"></i>to later words (the future)</span>'
        "<span>the stronger the colour, the more attention: 0 to 1, the same in both</span></div>"
        f'<div class="l2v-split" id="attention" data-causal="{shares[0]:.4f}" data-bidirectional="{shares[1]:.4f}">'
        f"{panels}</div>"
        '<p class="muted">Each row is a word that looks, each column a word that is looked at. <b>What to notice:</b> on the '
        "left the upper right half is empty in every head of every layer: the mask forbids it.</p>"
    )


def hit_list(
    hits: Sequence[Hit],
    passages: Sequence[Passage],
    relevant: set[int],
    other_ranks: dict[int, int],
    topics: Sequence[str],
) -> str:
    """Ranked passages with their topic, and how many places each stands higher than in the other list.

    Args:
        hits: best first.
        passages: the collection.
        relevant: rows known to answer the query; empty for a query without labels.
        other_ranks: the other encoder's rank of each row.
        topics: all topics, sorted; their number gives the mark.
    """
    items = []
    for hit in hits:
        passage = passages[hit.index]
        color, _ = topic_style(topics.index(passage.topic))
        change = other_ranks[hit.index] - hit.rank
        moved = (
            f'<span class="up">▲ {change}</span>'
            if change > 0
            else f'<span class="down">▼ {-change}</span>'
            if change < 0
            else "="
        )
        star = '<span class="rel">✓ answers it</span> ' if hit.index in relevant else ""
        items.append(
            f'<li data-id="{escape(passage.id)}"><span class="rank">{hit.rank}</span><span>{star}'
            f'<span class="topic"><i style="background:{color}"></i>{escape(passage.topic)}</span> '
            f"{escape(passage.text)}</span>"
            f'<span class="meta">cos {hit.cosine:.3f}<br>{moved}</span></li>'
        )
    return f'<ol class="l2v-hits">{"".join(items)}</ol>'


def search_column(title: str, bidirectional: bool, score: float, body: str, query_count: int) -> str:
    """One ranked list under its encoder's name and its score over all labelled queries."""
    css = "b" if bidirectional else "c"
    return _card(
        f'<h3 class="{css}">{escape(title)}</h3><p class="muted">nDCG@10 over all {query_count} labelled queries: '
        f'<b class="ndcg">{score:.3f}</b> (1 = every answer in front, 0 = none in the first ten)</p>{body}'
    )


def search_note(query: str, matched: bool) -> str:
    """A line above the lists: what was asked, and whether the answers are known."""
    known = "The passages that answer it are known and marked ✓." if matched else "No labels exist for this query."
    return (
        f'<div class="l2v"><p>Nearest to <em>{escape(query)}</em>. {known} '
        "▲ and ▼ say how many places a passage stands higher or lower than in the other list.</p></div>"
    )


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
    return _card(
        f'<div class="l2v-numbers" id="map-numbers" data-kind="{kind}">'
        f'<div><b class="c">{first[1]:.0%}</b><span>{escape(first[0])}: ten nearest neighbours vote for the right subject</span></div>'
        f'<div><b class="b">{last[1]:.0%}</b><span>{escape(last[0])}: the same</span></div>'
        f"<div><b>{1 - float(overlap.mean()):.0%}</b><span>of a passage's neighbours are new on the right</span></div></div>"
        f'<p class="muted">Shown: {picture} of {len(overlap)} passages, seed 0; the right map is turned to lie like the left '
        "one (Procrustes). The percentages are measured on the full vectors, not on the picture. "
        "<b>What to notice:</b> in which map marks of one kind stand together, and which strays found home.</p>"
    )


def training_status(text: str, *, busy: bool = False) -> str:
    """One line under the training button."""
    return f'<div class="l2v"><p id="training-status" role="status" data-busy="{int(busy)}">{escape(text)}</p></div>'


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


def _key(stage: str) -> str:
    return (
        '<div class="l2v-key"><span><i style="background:var(--causal)"></i>causal</span>'
        f'<span><i style="background:var(--bidi)"></i>{escape(stage)}</span></div>'
    )


def _card(body: str) -> str:
    return f'<div class="l2v l2v-card">{body}</div>'
