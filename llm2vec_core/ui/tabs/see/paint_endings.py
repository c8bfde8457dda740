# ruff: noqa: E501 (markup and prose, as in paint.py)
"""How far each token of a beginning moves when the ending changes, as bars."""

from __future__ import annotations

from html import escape

from llm2vec_core.token_change import SAME, TokenChange
from llm2vec_core.ui.paint.base import figure_card, key
from llm2vec_core.ui.tabs.see.model import Endings
from llm2vec_core.ui.tabs.see.paint import ending_of

LEFT, BAR, ROW, TOP = 84, 190, 34, 4
MEASURES = {
    "cosine": "1 − cosine; 0: the same direction, 1: no likeness left",
    "distance": "distance between the two vectors, in lengths of the first",
}
COLUMNS = ("token", "1 - cosine, causal", "1 - cosine, bidirectional", "distance, causal", "distance, bidirectional")


def endings_card(found: Endings, measure: str, limit: int) -> str:
    """Two bars a token: causal above, bidirectional below.

    Args:
        found: a beginning with two endings.
        measure: "cosine" or "distance".
        limit: at most this many tokens are drawn.
    """
    causal, other, stage = found.causal, found.other, found.stage.label
    title = f"How far did each token move? ({MEASURES[measure]})"
    endings = (
        f'<p class="l2v-see-endings"><span>First ending: <b>{ending_of(causal.ending_a)}</b></span>'
        f"<span>Other ending: <b>{ending_of(causal.ending_b)}</b></span></p>"
    )
    if len(causal.tokens) < 2:
        body = f"{endings}<p>The two texts share no token at their beginning, so no vector can be followed.</p>"
        return figure_card(title, body, name="change-of-ending", elem_id="endings-figure")
    rows = [
        [token, *(float(v) for v in numbers)]
        for token, *numbers in zip(
            causal.tokens, causal.changes, other.changes, causal.distances, other.distances, strict=True
        )
    ]
    shown = min(len(causal.tokens), limit)
    more = len(causal.tokens) - shown
    note = f'<p class="muted">{more} more shared tokens are in the table.</p>' if more else ""
    return figure_card(
        title,
        endings + _bars(causal, other, measure, shown, stage) + note,
        name="change-of-ending",
        notice=_notice(causal, other, stage),
        columns=COLUMNS,
        rows=rows,
        legend=key(stage),
        elem_id="endings-figure",
        beside=True,
    )


def _bars(causal: TokenChange, other: TokenChange, measure: str, shown: int, stage: str) -> str:
    values = [change.changes if measure == "cosine" else change.distances for change in (causal, other)]
    # A distance can be more than 1; then the longest bar is the largest change.
    full = max(1.0, *(float(v.max()) for v in values))
    height, width = TOP + shown * ROW + 4, LEFT + BAR + 62
    parts = [
        f'<svg class="l2v-svg" viewBox="0 0 {width} {height}" role="img" style="max-width:{int(width * 1.7)}px" '
        f'aria-label="Change of {shown} tokens: causal at most {float(values[0].max()):.3f}, {escape(stage)} at most '
        f'{float(values[1].max()):.3f}">'
    ]
    for i in range(shown):
        y = TOP + i * ROW
        token = causal.tokens[i] if len(causal.tokens[i]) <= 11 else causal.tokens[i][:10] + "…"
        parts.append(f'<text x="{LEFT - 8}" y="{y + 18}" text-anchor="end" font-size="13">{escape(token)}</text>')
        for k, (name, color) in enumerate((("causal", "var(--causal)"), ("bidi", "var(--bidi)"))):
            value, top = float(values[k][i]), y + 2 + 13 * k
            length = BAR * value / full
            parts.append(f'<rect x="{LEFT}" y="{top}" width="{BAR}" height="11" rx="2" fill="var(--track)"/>')
            if value >= 0.0005:
                parts.append(
                    f'<rect x="{LEFT}" y="{top}" width="{max(1.5, length):.1f}" height="11" rx="2" fill="{color}"/>'
                )
            parts.append(
                f'<text x="{LEFT + BAR + 8}" y="{top + 10}" font-size="12" data-{name}="{value:.9f}" style="fill:{color}">'
                f"{value:.3f}</text>"
            )
    return "".join(parts) + "</svg>"


def _notice(causal: TokenChange, other: TokenChange, stage: str) -> str:
    largest, most = float(causal.distances.max()), int(other.distances.argmax())
    if not causal.rest_a and not causal.rest_b:
        return "Both endings are the same, so nothing moves in either direction. Type another one."
    if largest < SAME:
        first = f'<b class="c">Causal</b>: no token of the beginning moves (largest distance {_tiny(largest)}).'
    else:
        first = f'<b class="c">Causal</b>: tokens move by up to {largest:.3f}, though they should not.'
    moved = int((other.distances >= SAME).sum())
    second = (
        f' <b class="b">{escape(stage)}</b>: {moved} of {len(other.tokens)} tokens move; '
        f"<em>{escape(other.tokens[most])}</em> most, by {other.distances[most]:.3f} of its length."
    )
    return first + (second if moved else f' <b class="b">{escape(stage)}</b>: none moves either.')


def _tiny(value: float) -> str:
    return "exactly 0" if value == 0 else f"{value:.0e}: rounding"
