"""What a group of texts is said to show, and whether an encoder's stages show it.

A group in ``assets/data/text_groups.json`` names its claim; a test holds every claim against the bundled model,
so that a group that stops making its point (new weights) is found and dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from llm2vec_core.bundled_data import TextGroup
from llm2vec_core.errors import InputError
from llm2vec_core.protocol import Encoder
from llm2vec_core.similarity.matrices import Structure, cosine_matrix, separation_of_structure

# (separation by stage in the order of the recipe, causal first; separation of bare token embeddings) -> does it hold?
Claim = Callable[[Mapping[str, float], float], bool]
# Groups hold some dozen comparisons: a smaller difference than this is one or two of them, and decides nothing.
CLEAR = 0.05


def structure_of(group: TextGroup) -> Structure:
    """The labels of a group as a structure."""
    return Structure(group.meanings, group.wordings)


def separations_of_group(encoders: Mapping[str, Encoder], group: TextGroup) -> dict[str, float]:
    """How far meaning decides over wording in a group, by encoder (see ``separation_of_structure``).

    Args:
        encoders: by key; each pools as it is set to.
        group: the texts and what is known about them.
    """
    structure = structure_of(group)
    return {
        key: separation_of_structure(cosine_matrix(encoder.encode(list(group.texts))), structure)
        for key, encoder in encoders.items()
    }


def _recipe_helps(stages: Mapping[str, float], static: float) -> bool:
    causal, *_, last = stages.values()
    return last >= causal + CLEAR


def _opening_helps(stages: Mapping[str, float], static: float) -> bool:
    causal, *others = stages.values()
    return min(others) >= causal + CLEAR


def _nothing_changes(stages: Mapping[str, float], static: float) -> bool:
    causal, *_, last = stages.values()
    return abs(last - causal) <= 2 * CLEAR


def _wording_wins(stages: Mapping[str, float], static: float) -> bool:
    return max(*stages.values(), static) < 0.5


def _meaning_wins(stages: Mapping[str, float], static: float) -> bool:
    return list(stages.values())[-1] > 0.5 + CLEAR


CLAIMS: dict[str, Claim] = {
    "the last stage follows meaning more than the causal one": _recipe_helps,
    "every bidirectional stage follows meaning more than the causal one": _opening_helps,
    "the causal and the last stage follow meaning alike": _nothing_changes,
    "every encoder follows wording": _wording_wins,
    "the last stage follows meaning": _meaning_wins,
}


def claim_holds(claim: str, stages: Mapping[str, float], static: float) -> bool:
    """Whether a claim is true of these separations.

    Args:
        claim: a key of :data:`CLAIMS`.
        stages: separation by stage, in the order of the recipe, causal first.
        static: separation of bare token embeddings.

    Raises:
        InputError: for an unknown claim, or fewer than two stages.

    Example:
        >>> claim_holds("every encoder follows wording", {"causal": 0.1, "simcse": 0.3}, 0.2)
        True
    """
    if claim not in CLAIMS:
        raise InputError(f"unknown claim {claim!r}; choose one of {', '.join(CLAIMS)}")
    if len(stages) < 2:
        raise InputError("a claim compares at least two stages")
    return CLAIMS[claim](stages, static)
