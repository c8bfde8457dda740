# ruff: noqa: E501 (markup and prose, as in paint.py)
"""Lists and tables of texts: neighbours, who moved most, a selection. Numbers in them can be pressed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from llm2vec_core.ui.paint.base import card, tools
from llm2vec_core.ui.tabs.map import copy
from llm2vec_core.ui.tabs.map.model import Measures, View
from llm2vec_core.ui.tabs.map.picking import Neighbor, Picked
from llm2vec_core.ui.tabs.map.space import NEIGHBORS, Space
from llm2vec_core.ui.user_texts import Texts

SHOWN_MOVERS = 8
SIDES = ("left", "right")
MAPS = {"left": "first", "right": "second"}
SNIPPET = 75
CELL = 300


def neighbors(texts: Texts, spaces: tuple[Space, Space], found: Picked) -> str:
    """A picked text and its neighbours on both sides."""
    shared = found.shared
    count = len(found.sides[0])
    columns = "".join(
        f'<div><h4 class="{space.choice.css}">{escape(space.choice.label)}</h4>'
        f'<ol class="l2v-map-list" data-side="{name}">'
        f"{''.join(_neighbor(texts, n, '○' if n.row in shared else shape, other) for n in side)}</ol></div>"
        for name, other, shape, space, side in zip(SIDES, SIDES[::-1], ("□", "◇"), spaces, found.sides, strict=True)
    )
    label = f' <span class="muted">{escape(_label(texts, found.row))}</span>' if texts.labels else ""
    return card(
        f'<div id="map-picked" data-row="{found.row}" data-shared="{len(shared)}"><h3>Nearest to text {found.row + 1}{label}</h3>'
        f'<p class="l2v-map-text">{escape(_cut(texts.texts[found.row], 600))}</p>'
        f"<p><b>{len(shared)} of {count}</b> nearest neighbours are the same on both sides. On the maps: "
        "<b>○</b> in both, <b>□</b> only in the first map, <b>◇</b> only in the second; the numbers are ranks there.</p>"
        f'<div class="l2v-split">{columns}</div></div>'
    )


def _neighbor(texts: Texts, n: Neighbor, sign: str, other: str) -> str:
    both = sign == "○"
    return (
        f'<li data-row="{n.row}" data-other="{n.other_rank}"><span class="rank">{n.rank}</span><div>{_button(n.row)} '
        f"{escape(_cut(texts.texts[n.row], SNIPPET))}<div class='muted'><b class='{'l2v-map-both' if both else ''}'>{sign}</b> "
        f"rank {n.other_rank:,} in the {MAPS[other]} map · cosine {n.cosine:.3f}{_told_label(texts, n.row)}</div></div></li>"
    )


def movers(view: View, measures: Measures) -> str:
    """Those whose neighbours changed most."""
    if not measures.movers:
        return card("<h3>Who moved most</h3><p>No text has other neighbours in the second map: nothing moved.</p>")
    count = min(NEIGHBORS, len(view.texts) - 1)
    items = "".join(
        f'<li data-row="{row}"><div>{_button(row)} {escape(_cut(view.texts.texts[row], SNIPPET))}'
        f'<div class="muted"><b>{round(float(measures.overlap[row]) * count)} of {count}</b> kept; those of the first map have '
        f"mean rank {measures.ranks[row]:,.0f} in the second map"
        f"{_told_label(view.texts, row)}</div></div></li>"
        for row in measures.movers[:SHOWN_MOVERS]
    )
    return card(
        f'<h3>Who moved most</h3><p class="muted">Fewest of the {count} nearest neighbours in common, by the full vectors; '
        "among equals, whose neighbours in the first map are farthest away in the second. Press a number to see both neighbourhoods.</p>"
        f'<ol class="l2v-map-list" id="map-movers">{items}</ol>'
    )


def selection(texts: Texts, rows: Sequence[int], how: str) -> str:
    """Selected texts as a table that can be taken away as csv."""
    if not rows:
        return hint("Selection: nothing", copy.SELECT_HINT)
    columns = ["number", *(["label"] if texts.labels else []), f"text (first {CELL} characters)"]
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(
        f"<tr><td>{_button(row)}</td>"
        + (f"<td>{escape(_label(texts, row))}</td>" if texts.labels else "")
        + f"<td>{escape(_cut(texts.texts[row], CELL))}</td></tr>"
        for row in rows
    )
    return (
        '<section class="l2v l2v-card l2v-figure" data-name="map-selection" id="map-selected" aria-label="Selection">'
        f"<h3>Selection: {len(rows):,} {'text' if len(rows) == 1 else 'texts'} {escape(how)}</h3>"
        '<div class="l2v-data l2v-scroll" tabindex="0" role="group" aria-label="Table of the selection"><table class="plain">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{tools(False, True)}</section>"
    )


def hint(title: str, words: str) -> str:
    """An empty place that says how it is filled."""
    return card(f'<h3>{escape(title)}</h3><p class="muted">{escape(words)}</p>')


def _button(row: int) -> str:
    return f'<button type="button" class="l2v-map-row" data-pick="{row}" aria-label="Neighbours of text {row + 1}">{row + 1}</button>'


def _label(texts: Texts, row: int) -> str:
    return (texts.labels[row] or "no label") if texts.labels else ""


def _told_label(texts: Texts, row: int) -> str:
    return f" · {escape(_label(texts, row))}" if texts.labels else ""


def _cut(words: str, limit: int) -> str:
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"
