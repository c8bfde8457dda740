"""HTML from Jinja2 templates. They escape by themselves, and a name that is missing is an error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup

from llm2vec_core.charts.markers import line_sample, sample, topic_sample
from llm2vec_core.ui.glossary import term
from llm2vec_core.ui.user_texts import shortened

HERE = Path(__file__).parent
Cell = str | int | float | None


def render(name: str, /, **values: Any) -> Markup:
    """A template with these values.

    Args:
        name: of a file in ``ui/templates``, or with the tab before it: "search/hits.html".
        values: what the template names. Only :class:`markupsafe.Markup` is not escaped.

    Raises:
        jinja2.UndefinedError: for a name that has no value.
    """
    return Markup(ENVIRONMENT.get_template(name).render(values).strip())  # noqa: S704 - rendered with autoescape


def figure(
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
) -> Markup:
    """A figure with everything that a figure here has: title, what to notice, its numbers, downloads.

    The buttons need no server: ``page.js`` saves the whole card as a picture and its table as CSV, in the browser.

    Args:
        title: what is shown, with units.
        body: the picture.
        name: of the downloaded files, without an ending.
        notice: what to look at.
        columns: headings of the table of numbers; without them there is no table.
        rows: its rows, plain values.
        legend: above the picture.
        elem_id: of the card.
        beside: whether what to notice stands to the right of a narrow figure where there is room.
    """
    return render("figure_card.html", **locals())


def card(body: str) -> Markup:
    """A card around some HTML."""
    return render("card.html", body=body)


def written(value: Cell) -> str:
    """A number or text as a table shows it.

    Example:
        >>> written(None), written(0.123456), written(3)
        ('–', '0.1235', '3')
    """
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def number(value: float, form: str) -> str:
    """A number with a true minus sign.

    Example:
        >>> number(-0.5, "%.2f"), number(0.5, "%+.1f")
        ('−0.50', '+0.5')
    """
    return (form % value).replace("-", "−")


def _environment() -> Environment:
    folders = {folder.parent.name: folder for folder in (HERE / "tabs").glob("*/templates")}
    folders["layout"] = HERE / "layout" / "templates"
    loaders = {name: FileSystemLoader(folder) for name, folder in folders.items()}
    environment = Environment(
        loader=ChoiceLoader([FileSystemLoader(HERE / "templates"), PrefixLoader(loaders)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals |= {"sample": sample, "topic_sample": topic_sample, "line_sample": line_sample, "term": term}
    environment.filters |= {"shortened": shortened, "written": written, "number": number, "commas": "{:,}".format}
    return environment


ENVIRONMENT = _environment()
