"""What can be measured: one file a task, found by itself.

base.py                  what a task is
sts.py                   semantic textual similarity: Spearman correlation
pair_classification.py   do two sentences mean the same? average precision
classification.py        logistic regression on a few examples a label: accuracy
clustering.py            k-means: V-measure
retrieval.py             nDCG@10 and recall
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules

from llm2vec_core.evaluation.tasks.base import Task
from llm2vec_core.extras import require


@lru_cache
def all_tasks() -> dict[str, Task]:
    """Every task by its kind, in the order of tables.

    Example:
        >>> list(all_tasks())
        ['sts', 'pair_classification', 'classification', 'clustering', 'retrieval']
    """
    require("evaluate", "sklearn", what="evaluation")
    names = [module.name for module in iter_modules(__path__) if module.name != "base"]
    tasks = [import_module(f"{__name__}.{name}").TASK for name in names]
    return {task.kind: task for task in sorted(tasks, key=lambda task: task.place)}
