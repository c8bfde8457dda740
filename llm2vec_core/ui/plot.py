"""A plotly figure in the page that keeps its zoom, served by the app itself.

``gr.Plot`` is made anew at each update (zoom is lost) and brings an older plotly.js than the Python
package writes for. This component takes a figure's JSON as its value and hands it to ``Plotly.react``;
plotly's own packaged script is loaded once, when the first figure of the page has something to show.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import plotly

PLOTLY_FILE = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
SCRIPT_FILE = Path(__file__).with_name("plot.js")


def plot_view(height: int, **options: Any) -> gr.HTML:
    """A place for a figure; its value is ``figure.to_json()``.

    Args:
        height: in pixels.
        options: further arguments of ``gr.HTML``.
    """
    source = f"/gradio_api/file={PLOTLY_FILE.as_posix()}"
    script = (
        SCRIPT_FILE.read_text(encoding="utf-8").replace("SOURCE;", f"{source!r};").replace("= HEIGHT", f"= {height}")
    )
    template = f'<div class="l2v-plot" style="height:{height}px"></div>'
    return gr.HTML(html_template=template, js_on_load=script, apply_default_css=False, **options)


def allow_plotly_file() -> None:
    """Let the app serve plotly's script, and nothing else of that folder."""
    gr.set_static_paths([PLOTLY_FILE])
