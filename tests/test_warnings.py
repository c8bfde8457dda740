"""The suite's own settings: a warning from our modules is an error whatever its kind, one from a library is not."""

from __future__ import annotations

import warnings

import pytest

KINDS = [UserWarning, FutureWarning, DeprecationWarning, PendingDeprecationWarning, RuntimeWarning, ResourceWarning]


def warn(kind: type[Warning], module: str) -> None:
    warnings.warn_explicit("said by a test", kind, "file.py", 1, module=module)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("module", ["llm2vec_core", "llm2vec_core.training.loop", "llm2vec_core.ui.app"])
def test_our_own_warnings_are_errors(kind, module):
    with pytest.raises(kind, match="said by a test"):
        warn(kind, module)


def test_our_own_warnings_are_errors_whatever_their_words():
    with pytest.raises(FutureWarning):
        warnings.warn_explicit("is_gradient_checkpointing", FutureWarning, "file.py", 1, module="llm2vec_core.x")


@pytest.mark.parametrize("module", ["umap.umap_", "gradio.blocks", "torch"])
def test_deprecations_of_libraries_are_theirs(module):
    with warnings.catch_warnings(record=True) as seen:
        warn(DeprecationWarning, module)
    assert seen == []
