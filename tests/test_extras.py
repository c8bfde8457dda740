from __future__ import annotations

import sys

import pytest

from llm2vec_core.errors import MissingPackageError
from llm2vec_core.evaluation.tasks import all_tasks
from llm2vec_core.extras import require
from llm2vec_core.training.data import HubDataset, read_texts


def test_what_is_missing_is_called_as_pip_calls_it(monkeypatch):
    for module in ("sklearn", "umap"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingPackageError) as caught:
        require("map", "numpy", "sklearn", "umap", what="the map")
    assert str(caught.value) == "the map needs scikit-learn, umap-learn: pip install '.[map]' in the project's folder"


def test_data_sets_and_tasks_name_their_extra(monkeypatch):
    for module in ("datasets", "sklearn"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingPackageError, match=r"'o/n' needs datasets: .*\[train\]"):
        next(read_texts(HubDataset("o/n")))
    all_tasks.cache_clear()
    with pytest.raises(MissingPackageError, match=r"needs scikit-learn: .*\[evaluate\]"):
        all_tasks()
