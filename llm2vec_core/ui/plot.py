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

_JS = """
function script() {
  if (!window.__l2vPlotly) {
    window.__l2vPlotly = new Promise((resolve, reject) => {
      const tag = document.createElement('script');
      tag.src = SOURCE;
      tag.onload = () => resolve(window.Plotly);
      tag.onerror = () => reject(new Error('the drawing library could not be loaded'));
      document.head.appendChild(tag);
    });
  }
  return window.__l2vPlotly;
}
function colors(layout) {
  const style = getComputedStyle(document.body);
  const ink = getComputedStyle(element).getPropertyValue('--ink').trim() || style.color;
  const line = getComputedStyle(element).getPropertyValue('--line').trim() || '#ccc';
  const paper = getComputedStyle(element).getPropertyValue('--paper').trim() || '#fff';
  layout.font = Object.assign({family: style.fontFamily, size: 13}, layout.font, {color: ink});
  layout.hoverlabel = Object.assign({}, layout.hoverlabel, {bgcolor: paper, bordercolor: line, font: {color: ink}});
  for (const axis of ['xaxis', 'yaxis']) {
    if (layout[axis]) Object.assign(layout[axis], {gridcolor: line, zerolinecolor: line, linecolor: line});
  }
  return layout;
}
async function draw() {
  const value = props.value;
  if (!value) return;
  try {
    const library = await script();
    const figure = JSON.parse(value);
    const target = element.querySelector('.l2v-plot');
    const layout = colors(figure.layout || {});
    layout.autosize = true;
    layout.height = HEIGHT;
    layout.uirevision = 'keep';
    await library.react(target, figure.data, layout, {responsive: true, displaylogo: false,
      modeBarButtonsToRemove: ['select2d', 'lasso2d', 'autoScale2d'],
      toImageButtonOptions: {format: 'svg'}});
    target.setAttribute('role', 'img');
    const title = layout.title && (layout.title.text || layout.title);
    if (title) target.setAttribute('aria-label', title);
    target.dataset.drawn = String(Number(target.dataset.drawn || 0) + 1);
  } catch (error) {
    const target = element.querySelector('.l2v-plot');
    target.textContent = 'This figure could not be drawn: ' + error.message;
  }
}
watch('value', draw);
draw();
new ResizeObserver(() => {
  const target = element.querySelector('.l2v-plot');
  if (window.Plotly && target && target.data && target.offsetParent) window.Plotly.Plots.resize(target);
}).observe(element);
"""


def plot_view(height: int, **options: Any) -> gr.HTML:
    """A place for a figure; its value is ``figure.to_json()``.

    Args:
        height: in pixels.
        options: further arguments of ``gr.HTML``.
    """
    source = f"/gradio_api/file={PLOTLY_FILE.as_posix()}"
    script = _JS.replace("SOURCE", repr(source)).replace("HEIGHT", str(height))
    template = f'<div class="l2v-plot" style="height:{height}px"></div>'
    return gr.HTML(html_template=template, js_on_load=script, apply_default_css=False, **options)


def allow_plotly_file() -> None:
    """Let the app serve plotly's script, and nothing else of that folder."""
    gr.set_static_paths([PLOTLY_FILE])
