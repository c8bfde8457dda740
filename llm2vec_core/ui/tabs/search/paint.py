"""Ranked lists as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from llm2vec_core.bundled_data import Passage
from llm2vec_core.figures import topic_style
from llm2vec_core.search import Hit
from llm2vec_core.ui.paint.base import card


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
    return card(
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
