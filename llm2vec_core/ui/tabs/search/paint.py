"""Ranked lists and their words as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from llm2vec_core.figures import topic_style
from llm2vec_core.ui.paint.base import card, figure_card
from llm2vec_core.ui.tabs.search import copy
from llm2vec_core.ui.tabs.search.indexes import Progress
from llm2vec_core.ui.tabs.search.model import Answer, Side

SHOWN_CHARACTERS = 320
SHAPES = {
    "circle": '<circle cx="7" cy="7" r="5"/>',
    "diamond": '<path d="M7 1l6 6-6 6-6-6z"/>',
    "square": '<rect x="2" y="2" width="10" height="10"/>',
    "x": '<path d="M3 1l4 4 4-4 2 2-4 4 4 4-2 2-4-4-4 4-2-2 4-4-4-4z"/>',
    "triangle-up": '<path d="M7 1l6 11H1z"/>',
    "star": '<path d="M7 1l1.8 4 4.2.4-3.2 2.9 1 4.3L7 10.3l-3.8 2.3 1-4.3L1 5.4 5.2 5z"/>',
}


def hit_column(answer: Answer, side: Side, top: int) -> str:
    """One ranked list under its encoder's name."""
    other = answer.right if side is answer.left else answer.left
    ranks = other.ranking.ranks()
    marks = {label: i for i, label in enumerate(sorted(set(answer.texts.labels or ())))}
    items = "".join(
        _hit(answer, hit.index, hit.rank, hit.cosine, int(ranks[hit.index]), marks) for hit in side.ranking.hits(top)
    )
    return card(
        f'<h3 class="{side.choice.css}">{escape(side.choice.label)}</h3>'
        f'<p class="muted l2v-search-meaning">{escape(side.choice.meaning)}</p>'
        f'<ol class="l2v-search-hits">{items}</ol>'
    )


def search_note(answer: Answer, top: int) -> str:
    """Above the lists: what was asked, what the example is about, and what came out."""
    fields = answer.fields
    point = next((e.point for e in copy.EXAMPLES if e.query.lower() == fields.query.lower()), "")
    told = f" with the instruction <em>{escape(_cut(fields.instruction, 120))}</em>" if fields.instruction else ""
    shown = min(top, len(answer.texts))
    return (
        f'<div class="l2v"><p class="l2v-search-asked">Nearest to <em>{escape(_cut(fields.query, 200))}</em>{told}, among '
        f"{len(answer.texts):,} texts.{' ' + escape(point) if point else ''}</p>"
        f'<p class="l2v-notice-line"><b>What to notice.</b> {_first_answers(answer)} '
        f"{answer.in_both(shown)} of the first {shown} are in both lists.</p>"
        f'<p class="muted">{escape(copy.RANKS_NOTE)}</p></div>'
    )


def hit_table(answer: Answer, top: int) -> str:
    """Both lists as one table, to read and to download."""
    rows = []
    for side, other in ((answer.left, answer.right), (answer.right, answer.left)):
        ranks = other.ranking.ranks()
        for hit in side.ranking.hits(top):
            label = answer.texts.labels[hit.index] if answer.texts.labels else ""
            known = "yes" if hit.index in answer.relevant else ""
            rows.append(
                (
                    side.choice.label,
                    hit.rank,
                    int(ranks[hit.index]),
                    f"{hit.cosine:.6f}",
                    hit.index + 1,
                    label,
                    known,
                    answer.texts.texts[hit.index],
                )
            )
    columns = ("encoder", "rank", "rank in the other list", "cosine", "row", "label", "known answer", "text")
    return figure_card(
        "Both lists, to take along", "", name="search-hits", columns=columns, rows=rows, elem_id="search-table"
    )


def progress_note(progress: Progress) -> str:
    """How far an indexing run is."""
    share = progress.done / progress.total
    return (
        '<div class="l2v l2v-search-progress" role="status">'
        f"<p>Indexing with <b>{escape(progress.label)}</b>: {progress.done:,} of {progress.total:,} vectors ({share:.0%}), "
        f"about {progress.seconds_left:,.0f} s left.</p>"
        f'<span class="track"><span style="width:{100 * share:.1f}%"></span></span></div>'
    )


def status_note(message: str) -> str:
    """A plain line in the place of the progress."""
    return f'<div class="l2v" role="status"><p>{escape(message)}</p></div>'


def _first_answers(answer: Answer) -> str:
    left, right = answer.left.choice.label, answer.right.choice.label
    if not answer.relevant:
        return "Nobody has told us which texts answer this question, so judge the lists yourself."
    ranks = answer.first_rank(answer.left), answer.first_rank(answer.right)
    first = "The text that answers it" if len(answer.relevant) == 1 else "The first of the texts that answer it"
    if ranks[0] == ranks[1]:
        return f"{first} (marked ✓) is at rank {ranks[0]} in both lists."
    if left == right:
        left, right = "the left list", "the right list"
    return (
        f"{first} (marked ✓) is at rank <b>{ranks[0]}</b> with {escape(left)} and at rank <b>{ranks[1]}</b> with "
        f"{escape(right)}: {escape(right if ranks[1] < ranks[0] else left)} puts it higher."
    )


def _hit(answer: Answer, row: int, rank: int, cosine: float, elsewhere: int, marks: dict[str, int]) -> str:
    label = answer.texts.labels[row] if answer.texts.labels else ""
    known = '<span class="rel">✓ answers it</span>' if row in answer.relevant else ""
    mark = _mark(label, marks[label]) if label else ""
    return (
        f'<li data-row="{row}" data-cosine="{cosine:.6f}" data-elsewhere="{elsewhere}"><span class="rank">{rank}</span>'
        f'<div><div class="l2v-search-meta">{mark}{known}<span class="numbers">{_moved(elsewhere - rank, elsewhere)}'
        f"<span>cos {cosine:.3f}</span></span></div><p>{escape(_cut(answer.texts.texts[row], SHOWN_CHARACTERS))}</p></div></li>"
    )


def _moved(change: int, elsewhere: int) -> str:
    if change == 0:
        return '<span class="same" title="the same rank in the other list">= same rank</span>'
    css, arrow, word = ("up", "▲", "higher") if change > 0 else ("down", "▼", "lower")
    title = f"{abs(change):,} places {word} than in the other list, where it is at rank {elsewhere:,}"
    return f'<span class="{css}" title="{title}" aria-label="{title}">{arrow} {abs(change):,}</span>'


def _mark(label: str, index: int) -> str:
    color, symbol = topic_style(index)
    return (
        f'<span class="topic"><svg viewBox="0 0 14 14" aria-hidden="true" style="fill:{color}">{SHAPES[symbol]}</svg>'
        f"{escape(label)}</span>"
    )


def _cut(words: str, limit: int) -> str:
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"


def columns(answer: Answer, top: int) -> Sequence[str]:
    """Both lists, left and right."""
    return hit_column(answer, answer.left, top), hit_column(answer, answer.right, top)
