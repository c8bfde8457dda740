from __future__ import annotations

from pathlib import Path

import pytest

from llm2vec_core.checkpoints import resolve
from llm2vec_core.errors import InputError
from llm2vec_core.presets import PRESETS, find_stage
from llm2vec_core.settings import EncoderSettings


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda p: p.key)
def test_rows_are_whole(preset):
    keys = [stage.key for stage in preset.stages]
    assert len(set(keys)) == len(keys)
    assert not preset.stages[0].bidirectional
    assert not preset.stages[0].adapters
    assert preset.license
    assert preset.stage(keys[-1]) is preset.stages[-1]
    assert preset.default in preset.stages
    assert preset.parameters > 10**6
    assert "GB of memory" in preset.needs
    assert preset.bundled or preset.gguf or preset.base.count("/") == 1
    assert ("licence" in preset.needs) == preset.gated
    EncoderSettings(**preset.settings)
    for stage in preset.stages:
        assert stage.label
        assert stage.meaning


def test_the_bundled_files_are_there():
    assert (Path(PRESETS["mini"].base) / "config.json").is_file()
    for stage in (*PRESETS["mini"].stages, *PRESETS["smollm2"].stages):
        for adapter in stage.adapters:
            assert (Path(adapter) / "adapter_model.safetensors").is_file()


def test_the_bundled_size_is_the_model_s(bundled):
    assert PRESETS["mini"].parameters == sum(p.numel() for p in bundled.model.parameters())


def test_stages_by_name():
    assert find_stage("mini")[1].key == "simcse"
    assert find_stage("mini:bidirectional")[1].key == "bidirectional"
    assert find_stage("mistral-7b:supervised")[1].adapters[-1].endswith("-mntp-supervised")
    with pytest.raises(InputError, match="unknown preset 'maxi'"):
        find_stage("maxi")
    with pytest.raises(InputError, match="no stage 'echo'; choose one of causal"):
        find_stage("mini:echo")


@pytest.mark.parametrize("stage", [s for s in PRESETS["mini"].stages if s.adapters], ids=lambda s: s.key)
def test_a_bundled_adapter_leads_to_its_base_and_the_adapters_below_it(stage):
    found = resolve(stage.adapters[-1])
    assert Path(found.base).resolve() == Path(PRESETS["mini"].base).resolve()
    assert [Path(name).resolve() for name in found.adapters] == [Path(name).resolve() for name in stage.adapters]
