"""Scores over all labelled queries, and who finds the answer of each query first, as SVG."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from html import escape

import numpy as np

from llm2vec_core.evaluation.bootstrap import Estimate
from llm2vec_core.evaluation.query_scores import score_difference
from llm2vec_core.ui.paint.base import card, figure_card
from llm2vec_core.ui.tabs.search import copy
from llm2vec_core.ui.tabs.search.model import Answer, Side

MEASURE = "ndcg_at_10"
TITLE_CHARACTERS = 44
TICKS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)


def charts(answer: Answer) -> str:
    """Both figures side by side; a line about why not where nothing is labelled."""
    if not answer.left.scores or not answer.right.scores or not answer.asked:
        return card(
            "<h3>No scores: these texts have no labels that are there twice</h3><p>With a column of labels (a topic, a "
            "category) each labelled text becomes a query for the others of its label, and nDCG@10 and MRR appear here.</p>"
        )
    return f'<div class="l2v-search-charts">{measure_chart(answer)}{rank_chart(answer)}</div>'


def measure_chart(answer: Answer) -> str:
    """Each measure of both encoders with its interval."""
    sides = (answer.left, answer.right)
    count = len(answer.asked.names)
    names = _names(answer)
    # Of a label with hundreds of texts ten hits are a tiny share, whatever the encoder: no word on quality.
    measures = [m for m in copy.MEASURES if answer.ours or m != "recall_at_10"]
    found = {m: [side.scores.estimate(m) for side in sides] for m in measures}
    ahead = {m: score_difference(answer.right.scores, answer.left.scores, m) for m in measures}
    highest = max(_end(e) for pair in found.values() for e in pair)
    top = min(1.0, math.ceil(highest * 10 + 0.2) / 10)
    left, width, step = 8, 336, 66

    def x(value: float) -> float:
        return left + width * value / top

    height = step * len(measures) + 26
    parts = [
        f'<svg class="l2v-svg" viewBox="0 0 360 {height}" role="img" aria-label="{escape(_spoken(names, found))}">'
    ]
    spacing = 0.1 if top <= 0.6 else 0.2
    for i in range(int(top / spacing + 1e-9) + 1):
        value = spacing * i
        parts.append(
            f'<line x1="{x(value):.1f}" x2="{x(value):.1f}" y1="4" y2="{height - 20}" stroke="var(--line)"/>'
            f'<text x="{x(value):.1f}" y="{height - 6}" font-size="11" class="q" text-anchor="{"middle" if i else "start"}">{value:.1f}</text>'
        )
    for row, measure in enumerate(measures):
        y = row * step + 18
        parts.append(
            f'<text x="{left}" y="{y}" font-size="13" font-weight="600">{escape(copy.MEASURES[measure][0])}</text>'
        )
        for place, (side, found_here) in enumerate(zip(sides, found[measure], strict=True)):
            parts.append(_whisker(side, found_here, y + 14 + 19 * place, x, place, names[place]))
    parts.append("</svg>")
    columns = ["measure", *(f"{name} {part}" for name in names for part in ("score", "low", "high"))]
    columns += [f"{names[1]} minus {names[0]}", "low", "high"]
    rows = [
        [copy.MEASURES[m][0], *(v for e in (*found[m], ahead[m]) for v in (e.score, _known(e.low), _known(e.high)))]
        for m in measures
    ]
    legend = f'<div class="l2v-legend"><span>{_sample(answer.left, 0)}{escape(names[0])}</span><span>{_sample(answer.right, 1)}{escape(names[1])}</span></div>'
    said = "".join(f"<dt>{escape(copy.MEASURES[m][0])}</dt><dd>{escape(copy.MEASURES[m][1])}</dd>" for m in measures)
    return figure_card(
        f"How well are {count} known questions answered? (0 to 1, more is better)"
        if answer.ours
        else f"Do {count} of your texts find the others of their label? (0 to 1, more is better)",
        f'{"".join(parts)}<dl class="l2v-search-words">{said}<dt>the line</dt><dd>95% interval: where the score would '
        "mostly lie with other questions of this kind</dd></dl>",
        name="search-scores",
        notice=_score_notice(names, ahead[MEASURE], count),
        columns=columns,
        rows=rows,
        legend=legend,
        elem_id="search-scores",
    )


def rank_chart(answer: Answer) -> str:
    """A slope for each query: from the rank of its first answer on the left to that on the right."""
    names = _names(answer)
    left, right = answer.left.scores.first_ranks, answer.right.scores.first_ranks
    worst = int(max(left.max(), right.max()))
    ticks = [tick for tick in TICKS if tick <= worst * 1.6] if worst > 1 else [1, 3]
    last = max(worst, ticks[-1])
    x0, x1, top, bottom = 58, 330, 44, 306

    def y(rank: float) -> float:
        return top + (bottom - top) * math.log(rank) / math.log(last)

    wins = int((right < left).sum()), int((left < right).sum())
    same = len(left) - sum(wins)
    label = f"{names[1]} is first for {wins[0]} queries, {names[0]} for {wins[1]}, {same} are level"
    parts = [f'<svg class="l2v-svg" viewBox="0 0 360 318" role="img" aria-label="{escape(label)}">']
    for tick in ticks:
        parts.append(
            f'<line x1="{x0 - 6}" x2="{x1 + 6}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="var(--line)"/>'
            f'<text x="{x0 - 12}" y="{y(tick) + 4:.1f}" font-size="11" class="q" text-anchor="end">{tick:,}</text>'
        )
    parts.append(f'<text x="{x0 - 12}" y="{top - 14}" font-size="11" class="q" text-anchor="end">rank</text>')
    # A line of its own for each: two long names do not fit beside each other.
    for at, line, side, name, anchor in (
        (x0, 14, answer.left, names[0], "start"),
        (x1, 30, answer.right, names[1], "end"),
    ):
        parts.append(
            f'<text x="{at + (-6 if anchor == "start" else 6)}" y="{line}" font-size="12" font-weight="600" text-anchor="{anchor}" '
            f'style="fill:{side.choice.color}">{escape(_short(name, TITLE_CHARACTERS))}</text>'
        )
    for (a, b), many in sorted(Counter(zip(left.tolist(), right.tolist(), strict=True)).items()):
        who, dash = (
            (answer.right.choice.color, "")
            if b < a
            else (answer.left.choice.color, "5 4")
            if a < b
            else ("var(--muted)", "1 4")
        )
        asked = [n for n, p, q in zip(answer.asked.names, left, right, strict=True) if (p, q) == (a, b)]
        title = f"rank {a:,} → {b:,}: " + "; ".join(_short(name, 70) for name in asked[:4])
        parts.append(
            f'<g class="l2v-search-slope"><title>{escape(title)}</title><line x1="{x0}" y1="{y(a):.1f}" x2="{x1}" '
            f'y2="{y(b):.1f}" stroke="{who}" stroke-width="{min(5.0, 1.1 + 0.7 * many):.1f}" stroke-dasharray="{dash}" '
            f'opacity=".75"/><circle cx="{x0}" cy="{y(a):.1f}" r="3" fill="{who}"/>'
            f'<circle cx="{x1}" cy="{y(b):.1f}" r="3" fill="{who}"/></g>'
        )
    parts.append("</svg>")
    # Questions whole, a visitor's texts in short.
    limit = max(map(len, answer.asked.names)) if answer.ours else 120
    order = np.argsort(right - left, kind="stable")
    rows = [[_short(answer.asked.names[i], limit), int(left[i]), int(right[i])] for i in order]
    legend = (
        f'<div class="l2v-legend"><span>{_line(answer.right.choice.color, "")}{escape(names[1])} higher: {wins[0]}</span>'
        f"<span>{_line(answer.left.choice.color, '5 4')}{escape(names[0])} higher: {wins[1]}</span>"
        f"<span>{_line('var(--muted)', '1 4')}level: {same}</span></div>"
    )
    return figure_card(
        "Where does each question find its first answer? (rank, 1 is best, log scale)",
        "".join(parts),
        name="search-queries",
        notice=_rank_notice(answer, names, wins, same),
        columns=["question", f"rank: {names[0]}", f"rank: {names[1]}"],
        rows=rows,
        legend=legend,
        elem_id="search-queries",
    )


def _score_notice(names: tuple[str, str], ahead: Estimate, count: int) -> str:
    measure = copy.MEASURES[MEASURE][0]
    if math.isnan(ahead.low) or ahead.score == 0 == ahead.low == ahead.high:
        return (
            f"Both have the same {measure}." if ahead.score == 0 else f"One question alone says little about {measure}."
        )
    better, worse = (names[1], names[0]) if ahead.score > 0 else (names[0], names[1])
    size = abs(ahead.score)
    low, high = sorted((abs(ahead.low), abs(ahead.high)))
    if ahead.low > 0 or ahead.high < 0:
        return (
            f"{escape(better)} is {size:.3f} above {escape(worse)} in {measure}. With other questions of this kind the lead "
            f"would mostly lie between {low:.3f} and {high:.3f}: more than the luck of these {count}."
        )
    return (
        f"{escape(better)} is {size:.3f} above {escape(worse)} in {measure}, but the interval of the difference goes from "
        f"{ahead.low:.3f} to {ahead.high:.3f} and so includes 0: these {count} questions cannot tell which is better."
    )


def _rank_notice(answer: Answer, names: tuple[str, str], wins: tuple[int, int], same: int) -> str:
    left, right = answer.left.scores.first_ranks, answer.right.scores.first_ranks
    ten = int((left <= 10).sum()), int((right <= 10).sum())
    parts = [
        f"A line that rises to the right is a question whose answer {escape(names[1])} puts higher: {wins[0]} of {len(left)}; "
        f"{wins[1]} fall, {same} are level. Among the first ten: {ten[0]} with {escape(names[0])}, {ten[1]} with {escape(names[1])}."
    ]
    gain = np.log(left) - np.log(right)
    for at, name, sign in ((int(gain.argmax()), names[1], 1), (int(gain.argmin()), names[0], -1)):
        if sign * gain[at] > 0:
            parts.append(
                f"{escape(name)} gains most on <em>{escape(_short(answer.asked.names[at], 90))}</em> "
                f"(rank {left[at]:,} on the left, {right[at]:,} on the right)."
            )
    return " ".join(parts)


def _names(answer: Answer) -> tuple[str, str]:
    left, right = answer.left.choice.label, answer.right.choice.label
    return (left, right) if left != right else (f"{left} (left)", f"{right} (right)")


def _whisker(side: Side, found: Estimate, y: float, x: Callable[[float], float], place: int, name: str) -> str:
    color = side.choice.color
    line = ""
    if not math.isnan(found.low):
        line = (
            f'<line x1="{x(found.low):.1f}" x2="{x(found.high):.1f}" y1="{y}" y2="{y}" stroke="{color}" stroke-width="2.5" '
            'opacity=".6"/>'
        )
    # The number stands beside the line where there is room for it.
    end = x(_end(found))
    at, anchor = (end + 7, "start") if end < 310 else (x(found.low if line else found.score) - 7, "end")
    return (
        f"<g><title>{escape(name)}: {found.score:.3f} [{found.low:.3f}, {found.high:.3f}]</title>{line}"
        f'<g transform="translate({x(found.score):.1f} {y})" style="fill:{color}">{_point(place)}</g>'
        f'<text x="{at:.1f}" y="{y + 4}" font-size="12" text-anchor="{anchor}" style="fill:{color}">{found.score:.3f}</text></g>'
    )


def _point(place: int) -> str:
    return '<circle r="5"/>' if place == 0 else '<path d="M0 -6 L6 0 L0 6 L-6 0z"/>'


def _sample(side: Side, place: int) -> str:
    return f'<svg viewBox="-7 -7 14 14" aria-hidden="true" style="fill:{side.choice.color}">{_point(place)}</svg>'


def _line(color: str, dash: str) -> str:
    return (
        '<svg viewBox="0 0 14 14" aria-hidden="true"><line x1="0" x2="14" y1="7" y2="7" stroke-width="2.5" '
        f'stroke="{color}" stroke-dasharray="{dash}"/></svg>'
    )


def _spoken(names: tuple[str, str], found: dict[str, list[Estimate]]) -> str:
    return "; ".join(
        f"{copy.MEASURES[m][0]}: {names[0]} {pair[0].score:.3f}, {names[1]} {pair[1].score:.3f}"
        for m, pair in found.items()
    )


def _end(found: Estimate) -> float:
    return found.score if math.isnan(found.high) else found.high


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _short(name: str, limit: int = 24) -> str:
    return name if len(name) <= limit else name[: limit - 1].rstrip() + "…"
