"""Pictures of embeddings: layouts in two or three dimensions, aligned, measured against the full vectors."""

from llm2vec_core.extras import require

require("map", "sklearn", "umap", what="the map")

from llm2vec_core.projection.alignment import align, disparity, leveled
from llm2vec_core.projection.base import METRICS, MIN_POINTS, prepared
from llm2vec_core.projection.clusters import NO_CLUSTER, hdbscan_clusters, kmeans_clusters, matched_clusters
from llm2vec_core.projection.density import density_grid
from llm2vec_core.projection.neighbors import (
    Neighbor,
    Neighborhoods,
    exact_neighbors,
    neighbor_overlap,
    neighbor_ranks,
    neighborhoods,
)
from llm2vec_core.projection.pca import PcaLayout, pca_2d, pca_layout
from llm2vec_core.projection.quality import (
    MapQuality,
    label_silhouette,
    map_quality,
    neighbor_label_accuracy,
    neighborhood_trust,
)
from llm2vec_core.projection.umap_layout import umap_2d, umap_layout
from llm2vec_core.projection.words import NamedGroup, class_tfidf, cluster_words, named_groups

__all__ = [
    "METRICS",
    "MIN_POINTS",
    "NO_CLUSTER",
    "MapQuality",
    "NamedGroup",
    "Neighbor",
    "Neighborhoods",
    "PcaLayout",
    "align",
    "class_tfidf",
    "cluster_words",
    "density_grid",
    "disparity",
    "exact_neighbors",
    "hdbscan_clusters",
    "kmeans_clusters",
    "label_silhouette",
    "leveled",
    "map_quality",
    "matched_clusters",
    "named_groups",
    "neighbor_label_accuracy",
    "neighbor_overlap",
    "neighbor_ranks",
    "neighborhood_trust",
    "neighborhoods",
    "pca_2d",
    "pca_layout",
    "prepared",
    "umap_2d",
    "umap_layout",
]
