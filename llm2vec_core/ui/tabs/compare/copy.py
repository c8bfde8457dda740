"""Labels of this tab; its prose stands in its templates."""

from __future__ import annotations

from llm2vec_core.ui.tabs.compare.model import COSINE, PERCENTILE

MEASURES = [("raw cosine", COSINE), ("percentile among our unrelated pairs", PERCENTILE)]
USER_TEXTS = "Your own texts: from a file, or those you use in Search, Map and Train"
# Of pooling modes, where there is little room.
SHORT = {"mean": "mean", "weighted_mean": "weighted", "last_token": "last", "first_token": "first"}
