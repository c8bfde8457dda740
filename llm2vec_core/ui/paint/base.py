"""The frame that every figure on the page has: title, what to notice, the numbers as a table, downloads."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

Cell = str | int | float | None


def card(body: str) -> str:
    """A sheet of paper."""
    return f'<div class="l2v l2v-card">{body}</div>'


def key(stage: str) -> str:
    """Which colour is which direction."""
    return (
        '<div class="l2v-key"><span><i style="background:var(--causal)"></i>causal</span>'
        f'<span><i style="background:var(--bidi)"></i>{escape(stage)}</span></div>'
    )


def figure_card(
    title: str,
    body: str,
    *,
    name: str,
    notice: str = "",
    columns: Sequence[str] = (),
    rows: Sequence[Sequence[Cell]] = (),
    legend: str = "",
    elem_id: str = "",
    beside: bool = False,
) -> str:
    """A painted figure with everything that a figure here has.

    The buttons need no server: ``page.js`` makes a PNG or SVG of the first ``<svg>`` in the card and a CSV of
    its table, in the browser.

    Args:
        title: what is shown, with units (plain text).
        body: painted HTML or SVG, already escaped.
        name: of the downloaded files, without an ending.
        notice: what to look at, as HTML that is already escaped.
        columns: headings of the table of numbers; without them there is no table.
        rows: its rows, plain values.
        legend: painted HTML above the figure.
        elem_id: of the card.
        beside: whether what to notice stands to the right of a narrow figure where there is room.

    Returns:
        HTML.
    """
    ident = f' id="{escape(elem_id)}"' if elem_id else ""
    told = f'<p class="l2v-notice-line"><b>What to notice.</b> {notice}</p>' if notice else ""
    shown = f'<div class="l2v-beside"><div>{legend}{body}</div>{told}</div>' if beside else f"{legend}{body}{told}"
    return (
        f'<section class="l2v l2v-card l2v-figure" data-name="{escape(name)}"{ident} aria-label="{escape(title)}">'
        f"<h3>{escape(title)}</h3>{shown}{tools('<svg' in body, bool(columns))}"
        f"{data_table(columns, rows) if columns else ''}</section>"
    )


def tools(picture: bool, table: bool) -> str:
    """The row of download buttons under a figure."""
    kinds = (["png", "svg"] if picture else []) + (["csv"] if table else [])
    buttons = "".join(
        f'<button type="button" data-export="{kind}" aria-label="Download as {kind.upper()}">{kind.upper()}</button>'
        for kind in kinds
    )
    return f'<div class="l2v-tools" aria-label="Download this figure">{buttons}</div>' if kinds else ""


def data_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """The numbers of a figure, folded away, for readers of tables and of screens read aloud."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row) + "</tr>" for row in rows)
    return (
        '<details class="l2v-data"><summary>The numbers as a table</summary><div class="l2v-scroll">'
        f'<table class="plain"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details>'
    )


def _cell(value: Cell) -> str:
    if value is None:
        return "–"
    return escape(f"{value:.4g}" if isinstance(value, float) else str(value))
