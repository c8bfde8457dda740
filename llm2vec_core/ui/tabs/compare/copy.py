"""What this tab says. Plain words first; a technical term is explained where it first appears."""

from __future__ import annotations

from llm2vec_core.ui.tabs.compare.model import COSINE, PERCENTILE

INTRO = """
<div class="l2v"><h2>Every text against every other</h2>
<p>An encoder turns each text into a vector. The <em>cosine</em> of two vectors says how far they point the same way: 1 is
the same direction, 0 is nothing in common. Below are the cosines of all pairs, under two encoders, and what changes from
the one to the other.</p></div>
"""

MEASURES = [("raw cosine", COSINE), ("percentile among unrelated pairs", PERCENTILE)]

WHY_PERCENTILE = (
    "Some encoders give any two texts a high cosine, because all their vectors lie in one narrow cone (<em>anisotropy</em>). "
    "The <em>percentile</em> says how many of 80 pairs of unrelated sentences this pair is above, under the same "
    "encoder: that can be compared between encoders. 100 means above all of them, so it cannot tell very alike from alike."
)
POOLINGS = """
<div class="l2v"><h2>From word vectors to one vector: every pooling</h2>
<p>A decoder gives a vector to each token (a word or a piece of one). <em>Pooling</em> makes one vector of them: their mean, a
mean in which later tokens count more, or the last or first token alone. Choose two texts here, or tap a cell above.</p></div>
"""
OWN = "Your own texts: from a file, or those you use in Search, Map and Train"
