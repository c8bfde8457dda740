"""The frame of every figure, for painters that still write HTML themselves: what they hand over is markup already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from llm2vec_core.ui import templates
from llm2vec_core.ui.templates import ENVIRONMENT, Cell


def card(body: str) -> Markup:
    """A card around some HTML."""
    return templates.card(Markup(body))  # noqa: S704


def key(stage: str) -> Markup:
    """Which colour is which direction."""
    return templates.render("direction_key.html", stage=stage)


def figure_card(title: str, body: str, *, notice: str = "", legend: str = "", **options: Any) -> Markup:
    """As :func:`llm2vec_core.ui.templates.figure`; body, notice and legend are HTML."""
    body, notice, legend = (Markup(html) for html in (body, notice, legend))  # noqa: S704
    return templates.figure(title, body, notice=notice, legend=legend, **options)


def _macros() -> Any:
    return ENVIRONMENT.get_template("figure.html").module


def tools(picture: bool, table: bool) -> Markup:
    """The row of download buttons under a figure."""
    return _macros().tools(picture, table)


def data_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Markup:
    """The numbers of a figure, folded away, for readers of tables and of screens read aloud."""
    return _macros().data_table(columns, rows)
