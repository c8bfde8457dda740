"""A plotly figure in the page that keeps its zoom, served by the app itself.

``gr.Plot`` is made anew at each update (zoom is lost) and brings an older plotly.js than the Python
package writes for. This component takes a figure's JSON as its value and hands it to ``Plotly.react``;
plotly's own packaged script is loaded once, when the first figure of the page has something to show.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import plotly
import plotly.graph_objects as go

from llm2vec_core.ui.templates import render

PLOTLY_FILE = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
SCRIPT_FILE = Path(__file__).parent / "static" / "plot.js"


def plot_value(
    figure: go.Figure,
    *,
    name: str,
    notice: str = "",
    columns: Sequence[str] = (),
    rows: Sequence[Sequence[str | int | float | None]] = (),
) -> str:
    """What :func:`plot_view` shows: a figure and what stands around it.

    Args:
        figure: any plotly figure.
        name: of downloaded files, without an ending.
        notice: what to look at, plain text.
        columns: headings of the table of numbers; without them there is no table.
        rows: its rows.

    Returns:
        JSON.
    """
    value = json.loads(figure.to_json())
    value["meta"] = {"name": name, "notice": notice}
    if columns:
        value["meta"] |= {"columns": list(columns), "rows": [list(row) for row in rows]}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def plot_view(height: int, **options: Any) -> gr.HTML:
    """A place for a figure; its value comes from :func:`plot_value`.

    Args:
        height: in pixels.
        options: further arguments of ``gr.HTML``.
    """
    script = SCRIPT_FILE.read_text(encoding="utf-8").replace("= HEIGHT", f"= {height}")
    template = render("plot_view.html", height=height)
    return gr.HTML(html_template=template, js_on_load=script, apply_default_css=False, **options)
