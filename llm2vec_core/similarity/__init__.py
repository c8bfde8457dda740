"""All pairs of several texts: cosines, percentiles, nearest texts, and whether meaning or wording decides."""

from llm2vec_core.similarity.claims import CLAIMS, claim_holds, separations_of_group, structure_of
from llm2vec_core.similarity.matrices import (
    Nearest,
    Structure,
    cosine_matrix,
    nearest_texts,
    percentiles,
    separation_of_structure,
    unrelated_cosines,
)

__all__ = [
    "CLAIMS",
    "Nearest",
    "Structure",
    "claim_holds",
    "cosine_matrix",
    "nearest_texts",
    "percentiles",
    "separation_of_structure",
    "separations_of_group",
    "structure_of",
    "unrelated_cosines",
]
