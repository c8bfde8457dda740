"""What this tab says. Plain words first; a technical term is explained where it first appears."""

from __future__ import annotations

from llm2vec_core.ui.tabs.map.model import Measures, View
from llm2vec_core.ui.tabs.map.settings import CLUSTERINGS, NEIGHBORS

KINDS = [("UMAP", "umap"), ("PCA", "pca")]
COLORS = [
    ("Label", "label"),
    ("k-means", "kmeans"),
    ("HDBSCAN", "hdbscan"),
    ("Cosine with a text", "query"),
]
CLUSTERS = (
    "Clusters are computed on each encoder's full vectors; equal numbers are the clusters that share the most texts. Words: "
    "the most characteristic of the cluster's texts on the first map (class-based TF-IDF)."
)
QUERY = "Which animals hunt at night?"
NEIGHBORS_INFO = (
    "Number of neighbours that UMAP preserves: low values show local detail, high values the overall shape."
)
MIN_DIST_INFO = "Minimum distance between marks, from 0 (tight clumps) to 1 (spread out)."
METRIC_INFO = (
    "Cosine compares only the direction of the vectors; Euclidean also their length. Applies to neighbours, PCA, UMAP and "
    "clusters."
)
SEED_INFO = (
    "For UMAP and k-means. The same seed repeats the picture on this machine; try others to see what is due to chance."
)
CLUSTER_COUNT_INFO = "Number of centres for k-means. HDBSCAN chooses its own number of clusters."
WORDS = "Words and density contours"
LINES = "The 30 texts that moved most, with lines from their place on the first map to their place on the second"
HINT = "Click a mark to see its neighbours. Scroll or pinch to zoom: closer up, smaller groups get words. Double-click to reset. Buttons above each map: lasso and box selection."
PICK_HINT = "Click a mark on either map or a number in a list to see its nearest neighbours for both encoders."
SELECT_HINT = "Select marks with lasso or box, or search for words, to list the texts here."

SILHOUETTE = "Is a text closer to its own group than to the next one? 1: far apart, 0: on the border, below 0: in the wrong group."
ACCURACY = f"For how many texts does the majority of the {NEIGHBORS} nearest neighbours have the right label?"
TRUST = f"Are a mark's {NEIGHBORS} nearest marks also near it in the full vectors? 1: all of them, about 0.5: chance."


def caption(view: View, side: int) -> str:
    """What one panel shows, with its settings."""
    settings, count = view.settings, len(view.texts)
    if view.explained is not None:
        shares = view.explained[side]
        parts = " + ".join(f"{share:.0%}" for share in shares)
        told = f"PCA of {count:,} texts ({settings.metric}): the axes explain {parts} = {shares.sum():.0%} of the variance."
    else:
        neighbors = min(settings.n_neighbors, count - 1)
        told = (
            f"UMAP of {count:,} texts: n_neighbors {neighbors}, min_dist {settings.min_dist:g}, {settings.metric}, "
            f"seed {settings.seed}."
        )
        if neighbors < settings.n_neighbors:
            told += f" ({count:,} texts have at most {neighbors} neighbours.)"
    if not view.points[side].any():
        return f"{told} All vectors are equal, so all marks are in one place."
    if side == 1:
        told += f" Matched to the first map; remaining mismatch after alignment: {view.disparity:.0%} (0%: identical)."
    if any(view.groups[side]):
        told += " Words: the most characteristic in each group of marks (class-based TF-IDF)."
    if view.has_density(side):
        told += " Lines: density of the marks."
    return f"{told} Precomputed." if view.stored else told


def findings(view: View, measures: Measures) -> str:
    """What the numbers say, whichever way they point. Plain text."""
    left, right = (space.choice.label for space in view.spaces)
    if view.spaces[0].choice.key == view.spaces[1].choice.key:
        return "Both maps show the same encoder, so nothing moves. Choose a different one for one side."
    new = 1 - float(measures.overlap.mean())
    count = min(NEIGHBORS, len(view.texts) - 1)
    told = f"On average, {new:.0%} of a text's {count} nearest neighbours differ between the two encoders."
    if len(view.texts) <= NEIGHBORS + 1:
        # Two lists of all other texts hold the same texts, whatever the encoders.
        told = f"With {len(view.texts)} texts, all others are a text's nearest neighbours: only their order can differ."
    a, b = (quality.accuracy for quality in measures.quality)
    if a is not None and b is not None:
        # A vote or two more of a few hundred is no finding, nor is a difference that the shown numbers hide.
        if abs(b - a) < 0.01:
            told += f" The neighbour vote is right about equally often for both ({min(a, b):.1%} and {max(a, b):.1%})."
        else:
            better, worse = (right, left) if b > a else (left, right)
            told += (
                f" By the neighbour vote {better} keeps equal labels together better: on the full vectors it is right for "
                f"{max(a, b):.0%} of the texts, against {min(a, b):.0%} with {worse}."
            )
        # Two measures of the labels can disagree, and then neither is the answer. (Clusters are each encoder's own.)
        c, d = (quality.silhouette for quality in measures.quality)
        by_label = view.settings.color not in CLUSTERINGS
        if by_label and c is not None and d is not None and (d - c) * (b - a) < 0 and round(c, 2) != round(d, 2):
            told += (
                f" The silhouette, which compares whole groups, says the opposite: it is higher with "
                f"{right if d > c else left} ({max(c, d):.2f}, against {min(c, d):.2f})."
            )
    drawn = [quality.trust for quality in measures.quality]
    if all(value is not None for value in drawn):
        told += f" Trustworthiness of the pictures: {drawn[0]:.2f} (first map) and {drawn[1]:.2f} (second map)."
    return told
