from __future__ import annotations

from pathlib import Path

import pytest

from llm2vec_core.presets import PRESETS


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda p: p.key)
def test_rows_are_whole(preset):
    keys = [stage.key for stage in preset.stages]
    assert len(set(keys)) == len(keys)
    assert not preset.stages[0].bidirectional
    assert not preset.stages[0].adapters
    assert preset.license
    assert preset.stage(keys[-1]) is preset.stages[-1]
    for stage in preset.stages:
        assert stage.label
        assert stage.meaning


def test_the_bundled_files_are_there():
    preset = PRESETS["mini"]
    assert (Path(preset.base) / "config.json").is_file()
    for stage in preset.stages:
        for adapter in stage.adapters:
            assert (Path(adapter) / "adapter_model.safetensors").is_file()
