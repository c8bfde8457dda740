"""What this tab says. Plain words first; a technical term is explained where it first appears."""

from __future__ import annotations

from llm2vec_core.ui.tabs.map.model import Measures, View
from llm2vec_core.ui.tabs.map.space import NEIGHBORS

INTRO = """
<div class="l2v"><h2>The texts as two maps</h2>
<p>Each mark is a text, and texts that the encoder finds alike lie close together. Both maps show the same texts; the second one
is turned to lie on the first one as well as it can (<em>Procrustes alignment</em>), so a mark that lies elsewhere has other
neighbours now. <em>PCA</em> is the flat view of the vectors that keeps most of their variance; <em>UMAP</em> bends space to
keep neighbours together.</p></div>
"""

CANNOT = """
<div class="l2v l2v-map-cannot"><p><b>What such a map cannot tell.</b> Hundreds of directions do not fit into two or three:
on a UMAP map the gaps between groups, their sizes and their density mean little, and another seed draws another picture.
Trust the numbers that are measured on the full vectors; take the picture as a way to find things to look at.</p></div>
"""

KINDS = [("UMAP", "umap"), ("PCA", "pca")]
COLORS = [
    ("Label", "label"),
    ("k-means", "kmeans"),
    ("HDBSCAN", "hdbscan"),
    ("Cosine with a text", "query"),
]
CLUSTERS = "Clusters are found on the full vectors of each side; equal numbers share most texts."
QUERY = "Which animals hunt at night?"
NEIGHBORS_INFO = "How many neighbours shape the map: few show fine grain, many the large form."
MIN_DIST_INFO = "How close marks may lie, from 0 (clumps) to 1 (spread out)."
METRIC_INFO = "Cosine: the direction of a vector alone counts. Euclidean: its length counts too. For neighbours, PCA, UMAP and clusters alike."
SEED_INFO = "Of UMAP and k-means: the same seed repeats the picture as long as the vectors are equal to the last digit. Try another to see what is chance."
LINES = "Show the 30 who moved most, with lines from their place in the first map to their place in the second"
HINT = "Click a mark for its neighbours. Lasso or box (buttons at the top of each map) to select. Scroll or pinch to zoom, double-click to go back."
PICK_HINT = "Click a mark on either map, or a number in a list: here stand its nearest neighbours in both spaces."
SELECT_HINT = "Select marks with lasso or box, or type words: the texts come here as a table."

SILHOUETTE = (
    "Does a text lie nearer to its own group than to the next? 1 far apart, 0 on the border, below 0 among strangers."
)
ACCURACY = f"For how many texts do the {NEIGHBORS} nearest vote for the right label?"
TRUST = f"Are a mark's {NEIGHBORS} nearest marks near it in the full vectors too? 1: all are, about 0.5: chance."


def caption(view: View, side: int) -> str:
    """What one panel shows, with its settings."""
    settings, count = view.settings, len(view.texts)
    if view.explained is not None:
        shares = view.explained[side]
        parts = " + ".join(f"{share:.0%}" for share in shares)
        told = (
            f"PCA of {count:,} texts ({settings.metric}): the axes hold {parts} = {shares.sum():.0%} of the variance."
        )
    else:
        neighbors = min(settings.n_neighbors, count - 1)
        told = (
            f"UMAP of {count:,} texts: n_neighbors {neighbors}, min_dist {settings.min_dist:g}, {settings.metric}, "
            f"seed {settings.seed}."
        )
        if neighbors < settings.n_neighbors:
            told += f" ({count:,} texts have no more than {neighbors} neighbours.)"
    if not view.points[side].any():
        return f"{told} All vectors are equal: there is one place for all marks."
    if side == 1:
        told += (
            f" Turned onto the first map; what alignment could not mend: {view.disparity:.0%} (0%: the same picture)."
        )
    return f"{told} Laid out beforehand by the same code." if view.stored else told


def findings(view: View, measures: Measures) -> str:
    """What the numbers say, whichever way they point. Plain text."""
    left, right = (space.choice.label for space in view.spaces)
    if view.spaces[0].choice.key == view.spaces[1].choice.key:
        return "Both panels show the same encoder: nothing moves. Choose another one on one side."
    new = 1 - float(measures.overlap.mean())
    count = min(NEIGHBORS, len(view.texts) - 1)
    told = f"From the first map to the second {new:.0%} of a text's {count} nearest neighbours are replaced."
    a, b = (quality.accuracy for quality in measures.quality)
    if a is not None and b is not None:
        # A vote or two more of a few hundred is no finding, nor is a difference that the shown numbers hide.
        if abs(b - a) < 0.01:
            told += f" The neighbours' vote is right about equally often in both ({min(a, b):.1%} and {max(a, b):.1%})."
        else:
            better, worse = (right, left) if b > a else (left, right)
            told += (
                f" {better} keeps equal labels together better: the vote is right for {max(a, b):.0%} of the texts, "
                f"with {worse} for {min(a, b):.0%} (on the full vectors)."
            )
    drawn = [quality.trust for quality in measures.quality]
    if all(value is not None for value in drawn):
        told += f" The pictures' trustworthiness is {drawn[0]:.2f} in the first map and {drawn[1]:.2f} in the second."
    return told
