"""Scores over all labelled queries, and who finds the answer of each query first, as SVG."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from markupsafe import Markup

from llm2vec_core.charts.markers import marker
from llm2vec_core.charts.svg import circle, group, line, scale, svg, text, title
from llm2vec_core.evaluation.bootstrap import Estimate
from llm2vec_core.ui.tabs.search.copy import MEASURES
from llm2vec_core.ui.tabs.search.model import Scores, end
from llm2vec_core.ui.user_texts import shortened

SYMBOLS = ("circle", "diamond")
DASHES = ("5 4", "", "1 4")  # left is higher, right is higher, level
TICKS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)
TITLE_CHARACTERS = 40
# As wide as a card is on a telephone, so that nothing is scaled down there.
WIDTH = 336


def score_chart(scores: Scores, measures: Sequence[str]) -> Markup:
    """Each measure of both encoders with its interval, from 0."""
    estimates = {measure: scores.estimates(measure) for measure in measures}
    highest = max(end(estimate) for pair in estimates.values() for estimate in pair)
    top = min(1.0, math.ceil(highest * 10 + 0.2) / 10)
    left, width, step = 8, WIDTH - 24, 66
    height = step * len(measures) + 26
    x = scale(0.0, top, left, left + width)
    parts = []
    spacing = 0.1 if top <= 0.6 else 0.2
    for i in range(int(top / spacing + 1e-9) + 1):
        at = x(spacing * i)
        parts.append(line(at, 4, at, height - 20))
        anchor = "middle" if i else "start"
        parts.append(text(at, height - 6, f"{spacing * i:.1f}", 12, class_="q", text_anchor=anchor))
    for row, measure in enumerate(measures):
        y = row * step + 18
        parts.append(text(left, y, MEASURES[measure], 13, font_weight=600))
        for number, estimate in enumerate(estimates[measure]):
            color = scores.sides[number].encoder.color
            parts.append(_whisker(estimate, y + 14 + 19 * number, x, scores.names[number], color, SYMBOLS[number]))
    spoken = "; ".join(
        f"{MEASURES[m]}: {scores.names[0]} {pair[0].score:.3f}, {scores.names[1]} {pair[1].score:.3f}"
        for m, pair in estimates.items()
    )
    return svg(WIDTH, height, *parts, label=spoken)


def rank_chart(scores: Scores) -> Markup:
    """A slope for each query: from the rank of its first answer on the left to that on the right."""
    left, right = (ranks.tolist() for ranks in scores.first_ranks)
    worst = max(*left, *right)
    ticks = [tick for tick in TICKS if tick <= worst * 1.6] if worst > 1 else [1, 3]
    last = max(worst, ticks[-1])
    x0, x1, top, bottom = 58, WIDTH - 14, 44, 306

    def y(rank: float) -> float:
        return top + (bottom - top) * math.log(rank) / math.log(last)

    parts = []
    for tick in ticks:
        parts.append(line(x0 - 6, y(tick), x1 + 6, y(tick)))
        parts.append(text(x0 - 12, y(tick) + 4, f"{tick:,}", 12, class_="q", text_anchor="end"))
    parts.append(text(x0 - 12, top - 14, "rank", 12, class_="q", text_anchor="end"))
    # A line of its own for each: two long names do not fit beside each other.
    for at, row, side, name, anchor in (
        (x0 - 6, 14, scores.left, scores.names[0], "start"),
        (x1 + 6, 30, scores.right, scores.names[1], "end"),
    ):
        words = shortened(name, TITLE_CHARACTERS)
        style = f"fill:{side.encoder.color}"
        parts.append(text(at, row, words, 12, font_weight=600, text_anchor=anchor, style=style))
    colors = slope_colors(scores)
    for (a, b), many in sorted(Counter(zip(left, right, strict=True)).items()):
        kind = 0 if a < b else 1 if b < a else 2
        asked = [q for q, p, r in zip(scores.queries, left, right, strict=True) if (p, r) == (a, b)]
        told = f"rank {a:,} → {b:,}: " + "; ".join(shortened(query, 70) for query in asked[:4])
        look = {"stroke": colors[kind], "stroke_dasharray": DASHES[kind], "opacity": ".75"}
        parts.append(
            group(
                title(told),
                line(x0, y(a), x1, y(b), stroke_width=min(5.0, 1.1 + 0.7 * many), **look),
                circle(x0, y(a), 3, fill=colors[kind]),
                circle(x1, y(b), 3, fill=colors[kind]),
                class_="l2v-search-slope",
            )
        )
    first, second, same = scores.wins
    label = f"{scores.names[1]} is first for {second} queries, {scores.names[0]} for {first}, {same} are level"
    return svg(WIDTH, 318, *parts, label=label)


def slope_colors(scores: Scores) -> tuple[str, str, str]:
    """Of a line where the left encoder is higher, where the right one is, and where they are level."""
    return scores.left.encoder.color, scores.right.encoder.color, "var(--muted)"


def _whisker(estimate: Estimate, y: float, x: Callable[[float], float], name: str, color: str, symbol: str) -> Markup:
    parts = [title(f"{name}: {estimate.score:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]")]
    has_interval = not math.isnan(estimate.low)
    if has_interval:
        parts.append(line(x(estimate.low), y, x(estimate.high), y, stroke=color, stroke_width=2.5, opacity=".6"))
    parts.append(marker(x(estimate.score), y, symbol, color))
    # The number stands beside the line where there is room for it.
    right = x(end(estimate))
    left = x(estimate.low if has_interval else estimate.score)
    at, anchor = (right + 7, "start") if right < WIDTH - 50 else (left - 7, "end")
    parts.append(text(at, y + 4, f"{estimate.score:.3f}", 12, text_anchor=anchor, style=f"fill:{color}"))
    return group(*parts)
