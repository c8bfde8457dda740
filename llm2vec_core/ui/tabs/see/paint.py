"""The opening as HTML and SVG: both masks, and the shared words, in two states that one switch shows.

Everything is drawn once; ``tab.css`` shows the state that the switch is in. So it answers without the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from llm2vec_core.token_change import SAME, TokenChange
from llm2vec_core.ui.paint.base import figure_card
from llm2vec_core.ui.tabs.see.model import watched

# A bar of full length; changes beyond it are drawn at full length and told by their number.
FULL_BAR_CHANGE = 1.0
MASK_TOKENS = 14
COLUMNS = ("shared token", "cosine, causal", "cosine, bidirectional", "distance, causal", "distance, bidirectional")


def opening_card(causal: TokenChange, bidirectional: TokenChange, stage: str, limit: int) -> str:
    """Masks of both sentences, and how far each shared token moved between them.

    Args:
        causal: from the causal model.
        bidirectional: from a bidirectional stage, on the same texts.
        stage: that stage's name.
        limit: at most this many shared tokens are drawn.
    """
    count = len(causal.tokens)
    longest = count + max(len(causal.rest_a), len(causal.rest_b))
    masks = "".join(
        f"<figure><figcaption>Sentence {name}{_cut(count + len(rest))}</figcaption>"
        f"{mask_svg((*causal.tokens, *rest), count, f'Sentence {name}', longest)}</figure>"
        for name, rest in (("A", causal.rest_a), ("B", causal.rest_b))
    )
    legend = (
        '<div class="l2v-key"><span><i style="background:var(--causal)"></i>may look: itself and earlier words</span>'
        '<span><i style="background:var(--bidi)"></i>may look: later words</span>'
        '<span><i class="l2v-see-shut"></i>hidden by the mask</span></div>'
    )
    body = (
        f'<div class="l2v-see-open"><div><div class="l2v-see-masks">{masks}</div>{legend}</div>'
        f"{_words(causal, bidirectional, stage, limit)}</div>"
    )
    rows = [
        [token, *(float(v) for v in numbers)]
        for token, *numbers in zip(
            causal.tokens[1:],
            causal.cosines[1:],
            bidirectional.cosines[1:],
            causal.distances[1:],
            bidirectional.distances[1:],
            strict=True,
        )
    ]
    return figure_card(
        "Each row is a word that looks, each column a word that is looked at",
        body,
        name="shared-beginning",
        columns=COLUMNS,
        rows=rows,
        elem_id="see-opening",
    )


def mask_svg(tokens: Sequence[str], shared: int, name: str, columns: int = 0) -> str:
    """Which token (row) may look at which (column), in both states of the switch.

    Args:
        tokens: of the sentence; the first few are drawn.
        shared: how many of them both sentences begin with; these are set in bold.
        name: of the sentence, for readers of the screen.
        columns: room for at least so many tokens, so that the cells of two masks have one size.
    """
    tokens = tokens[:MASK_TOKENS]
    count, cell, left = len(tokens), 20, 78
    width, height = left + max(count, min(columns, MASK_TOKENS)) * cell + 2, count * cell + 4
    past, shut, future = [], [], [[] for _ in tokens]
    for i in range(count):
        for j in range(count):
            x, y = left + j * cell, 2 + i * cell
            (past if j <= i else future[i]).append(f"M{x} {y}h{cell - 2}v{cell - 2}h-{cell - 2}z")
            if j > i:
                shut.append(f"M{x + 5} {y + cell - 7}l{cell - 12} -{cell - 12}")
    closed = "".join("".join(row) for row in future)
    # A row each: they are filled one after the other.
    opened = "".join(
        f'<path class="l2v-see-future" style="--row:{i}" d="{"".join(row)}" fill="var(--bidi)"/>'
        for i, row in enumerate(future)
        if row
    )
    labels = "".join(
        f'<text x="{left - 7}" y="{2 + i * cell + 14}" text-anchor="end" font-size="13"'
        f"{_bold(0 < i < shared)}>{escape(_short(token))}</text>"
        for i, token in enumerate(tokens)
    )
    return (
        f'<svg class="l2v-svg l2v-see-mask" viewBox="0 0 {width} {height}" role="img" style="max-width:{int(width * 1.25)}px" '
        f'aria-label="Mask of {escape(name)}, {count} tokens: causal attention fills the lower left half, bidirectional '
        f'attention fills all">{labels}<path d="{"".join(past)}" fill="var(--causal)"/>'
        f'<path d="{closed}" fill="var(--track)"/>'
        f'<path class="l2v-see-hatch" d="{"".join(shut)}" stroke="var(--muted)" fill="none"/>{opened}</svg>'
    )


def _words(causal: TokenChange, bidirectional: TokenChange, stage: str, limit: int) -> str:
    word = watched(causal.tokens)
    if word is None:
        return (
            '<div class="l2v-see-words"><p><b>These two sentences do not begin alike.</b> Give them the same first words '
            "and the bars appear. Everything below is computed all the same.</p></div>"
        )
    shown = range(1, min(len(causal.tokens), limit + 1))
    rows = "".join(
        f'<tr{" class=watched" if i == word else ""}><td class="t">{escape(causal.tokens[i])}</td>'
        + _cells(causal.cosines[i], bidirectional.cosines[i])
        + "</tr>"
        for i in shown
    )
    left_out = len(causal.tokens) - 1 - len(shown)
    more = f'<p class="muted">{left_out} more shared tokens are not drawn.</p>' if left_out else ""
    name = f"<em>{escape(causal.tokens[word])}</em>"
    return (
        '<div class="l2v-see-words"><div class="l2v-see-hero"><b>'
        + two_states(f"{causal.cosines[word]:.3f}", f"{bidirectional.cosines[word]:.3f}", number=True)
        + f"</b><span>cosine of the two vectors of {name}, in A and in B <small>1: they point the same way · 0: nothing in "
        'common</small></span></div><p class="l2v-notice-line">'
        + _why(causal, bidirectional, stage)
        + '</p><table class="l2v-tokens" id="prefix-table"><thead><tr><th scope="col">shared token</th>'
        '<th scope="col">moved by (1 − cosine)</th><th scope="col">cosine</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>{more}</div>"
    )


def two_states(causal: str, bidirectional: str, number: bool = False) -> str:
    """Escaped HTML of which the switch shows one half; a number runs from the one to the other (``switch.js``)."""
    return "".join(
        f'<span class="l2v-see-when-{state}"{f" data-value={shown}" if number else ""}>{shown}</span>'
        for state, shown in (("causal", causal), ("bidi", bidirectional))
    )


def _cells(causal: float, bidirectional: float) -> str:
    widths = [_width(cosine) for cosine in (causal, bidirectional)]
    bar = f'style="--causal-width:{widths[0]:.1f}%;--bidi-width:{widths[1]:.1f}%"'
    return (
        f'<td class="barcell"><span class="track"><span class="bar l2v-see-bar" {bar}></span></span></td>'
        f'<td class="n" data-causal="{causal:.6f}" data-bidi="{bidirectional:.6f}">'
        f"{two_states(f'{causal:.3f}', f'{bidirectional:.3f}')}</td>"
    )


def _width(cosine: float) -> float:
    change = max(0.0, 1.0 - float(cosine))
    width = 100.0 * min(1.0, change / FULL_BAR_CHANGE)
    # A bar too short to be seen is still a bar: only an exact zero (to three digits) has none.
    return max(width, 1.5) if change >= 0.0005 else 0.0


def _why(causal: TokenChange, bidirectional: TokenChange, stage: str) -> str:
    word = watched(causal.tokens)
    if word is None:
        return "Without a shared word there is nothing to follow from one sentence to the other."
    name = f"<em>{escape(causal.tokens[word])}</em>"
    rests = " or ".join(f"“{ending_of(rest)}”" for rest in (causal.ending_a, causal.ending_b))
    largest = float(causal.distances[1:].max())
    if largest < SAME:
        first = (
            f'<b class="c">Causal</b>: {name} may look only at what stands before it, and that is the same in both '
            f"sentences. So no shared vector moves: cosine {causal.cosines[word]:.3f}."
        )
    else:
        first = (
            f'<b class="c">Causal</b>: shared vectors move by up to {largest:.3f} of their length, though nothing before '
            "them differs. This model is not causal in every layer."
        )
    cosine = float(bidirectional.cosines[word])
    if cosine < 0.9995:
        second = (
            f'<b class="b">{escape(stage)}</b>: {name} also takes in what follows, {rests}, so it has two vectors: '
            f"their cosine is {cosine:.3f}."
        )
    else:
        second = (
            f'<b class="b">{escape(stage)}</b>: {name} may look at what follows, {rests}, yet its vector hardly moves: '
            f"cosine {cosine:.3f}."
        )
    most = int(np.argmin(bidirectional.cosines[1:])) + 1
    if most != word:
        second += f" <em>{escape(causal.tokens[most])}</em> moves most: {bidirectional.cosines[most]:.3f}."
    return two_states(first, second)


def ending_of(rest: str, most: int = 48) -> str:
    """The first characters of how a text goes on, escaped."""
    if not rest:
        return "(nothing more)"
    return escape(rest if len(rest) <= most else rest[:most].rstrip() + " …")


def _cut(count: int) -> str:
    return f" (the first {MASK_TOKENS} of {count} tokens)" if count > MASK_TOKENS else ""


def _short(token: str, most: int = 10) -> str:
    return token if len(token) <= most else token[: most - 1] + "…"


def _bold(wanted: bool) -> str:
    return ' font-weight="700"' if wanted else ' class="q"'
