"""Training objectives, registered by name. To add one, write one file and name it in ``OBJECTIVES``."""

from collections.abc import Mapping
from inspect import signature
from typing import Any

from llm2vec_core.errors import InputError
from llm2vec_core.training.objectives.base import Objective
from llm2vec_core.training.objectives.contrastive import ContrastiveObjective
from llm2vec_core.training.objectives.mntp import MNTP
from llm2vec_core.training.objectives.simcse import SimCSE
from llm2vec_core.training.objectives.supervised import Supervised

OBJECTIVES: dict[str, type[Objective]] = {"mntp": MNTP, "simcse": SimCSE, "supervised": Supervised}


def make_objective(name: str, options: Mapping[str, Any]) -> Objective:
    """An objective by its name.

    Args:
        name: a key of :data:`OBJECTIVES`.
        options: its arguments.

    Raises:
        InputError: for a name or an option that does not exist, or a value out of its range.

    Example:
        >>> make_objective("mntp", {"mask_probability": 0.3}).mask_probability
        0.3
    """
    if name not in OBJECTIVES:
        raise InputError(f"unknown objective {name!r}; choose one of {', '.join(OBJECTIVES)}")
    known = signature(OBJECTIVES[name]).parameters
    unknown = [option for option in options if option not in known]
    if unknown:
        raise InputError(f"{name} has no option {unknown[0]!r}; choose of {', '.join(known)}")
    return OBJECTIVES[name](**options)


__all__ = ["MNTP", "OBJECTIVES", "ContrastiveObjective", "Objective", "SimCSE", "Supervised", "make_objective"]
