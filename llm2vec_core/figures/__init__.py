"""Figures: arrays in, plotly figures or SVG out. The only importer of plotly; one file a family of figures."""

from llm2vec_core.extras import require

require("evaluate", "plotly", what="drawing figures")

from llm2vec_core.figures.base import (
    BIDIRECTIONAL_COLOR,
    CAUSAL_COLOR,
    DIRECTION_COLORS,
    NEUTRAL_COLOR,
)
from llm2vec_core.figures.ladder import ladder_height, score_ladder
from llm2vec_core.figures.maps import STYLES, cosine_map, density_contours, map_style, scatter_map
from llm2vec_core.figures.published import published_height, published_scores
from llm2vec_core.figures.sample_efficiency import sample_efficiency
from llm2vec_core.figures.svg import ladder_svg, sample_efficiency_svg
from llm2vec_core.figures.training import loss_curve, running_mean, training_curves

__all__ = [
    "BIDIRECTIONAL_COLOR",
    "CAUSAL_COLOR",
    "DIRECTION_COLORS",
    "NEUTRAL_COLOR",
    "STYLES",
    "cosine_map",
    "density_contours",
    "ladder_height",
    "ladder_svg",
    "loss_curve",
    "map_style",
    "published_height",
    "published_scores",
    "running_mean",
    "sample_efficiency",
    "sample_efficiency_svg",
    "scatter_map",
    "score_ladder",
    "training_curves",
]
