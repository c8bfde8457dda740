"""Charts as SVG: primitives that escape by themselves, and the markers that charts and scripts share."""

from llm2vec_core.charts.markers import MARKERS, sample
from llm2vec_core.charts.svg import circle, element, group, line, path, rect, svg, text, ticks, title

__all__ = ["MARKERS", "circle", "element", "group", "line", "path", "rect", "sample", "svg", "text", "ticks", "title"]
