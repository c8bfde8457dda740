"""Training objectives, registered by name. To add one, write one file and name it in ``OBJECTIVES``."""

from llm2vec_core.training.objectives.base import Objective
from llm2vec_core.training.objectives.contrastive import ContrastiveObjective
from llm2vec_core.training.objectives.mntp import MNTP
from llm2vec_core.training.objectives.simcse import SimCSE
from llm2vec_core.training.objectives.supervised import Supervised

OBJECTIVES: dict[str, type[Objective]] = {"mntp": MNTP, "simcse": SimCSE, "supervised": Supervised}

__all__ = ["MNTP", "OBJECTIVES", "ContrastiveObjective", "Objective", "SimCSE", "Supervised"]
