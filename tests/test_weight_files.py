"""Nothing but safetensors of the model's own folder is opened, whatever an index or a configuration says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import ModelError
from llm2vec_core.loading import weight_bytes
from llm2vec_core.weight_files import INDEX, WEIGHTS, shards, weight_files

BASE = Path(__file__).parent / "data" / "reference" / "models" / "llama"


@pytest.fixture
def base(tmp_path) -> Path:
    return Path(shutil.copytree(BASE, tmp_path / "base"))


@pytest.fixture
def weights(base) -> dict[str, torch.Tensor]:
    """Taken out of the folder."""
    found = load_file(base / WEIGHTS)
    (base / WEIGHTS).rename(base.parent / "elsewhere.safetensors")
    return found


def write_index(base: Path, weights, file: object) -> None:
    index = {"metadata": {}, "weight_map": dict.fromkeys(weights, file)}
    (base / INDEX).write_text(json.dumps(index))


def write_config(base: Path, **changes) -> None:
    file = base / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize(
    "name", ["weights.bin", "../elsewhere.safetensors", "/etc/passwd", "a\\..\\b.safetensors", "config.json", 7, ""]
)
def test_an_index_that_names_something_else(base, weights, name):
    torch.save(weights, base / "weights.bin")
    save_file({"other": torch.zeros(1)}, base / "other.safetensors")
    write_index(base, weights, name)
    with pytest.raises(ModelError, match=r"model\.safetensors\.index\.json names .*own folder only"):
        LLM2Vec.from_pretrained(base)


def test_an_absolute_path_to_good_weights_is_elsewhere_too(base, weights):
    write_index(base, weights, str(base.parent / "elsewhere.safetensors"))
    with pytest.raises(ModelError, match="own folder only"):
        LLM2Vec.from_pretrained(base)


@pytest.mark.parametrize("name", ["weights.bin", "../elsewhere.safetensors", "weights.safetensors"])
def test_a_configuration_that_names_its_weights(base, weights, name):
    torch.save(weights, base / "weights.bin")
    write_config(base, transformers_weights=name)
    with pytest.raises(ModelError, match="transformers_weights"):
        LLM2Vec.from_pretrained(base)


def test_other_names_inside_the_folder_are_read(base, weights):
    (base / "parts").mkdir()
    save_file(weights, base / "parts" / "all.safetensors", metadata={"format": "pt"})
    write_index(base, weights, "parts/all.safetensors")
    expected = LLM2Vec.from_pretrained(BASE).encode("A river bank.")
    assert (LLM2Vec.from_pretrained(base).encode("A river bank.") == expected).all()


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"weight_map": []}', '{"weight_map": {}}', '{"weight_map": 3}', "[" * 100_000]
)
def test_a_damaged_index(base, weights, content):
    (base / INDEX).write_text(content)
    with pytest.raises(ModelError, match=r"index\.json"):
        LLM2Vec.from_pretrained(base)


def test_a_shard_that_is_not_there(base, weights):
    write_index(base, weights, "model-00001-of-00001.safetensors")
    with pytest.raises(ModelError, match=r"model-00001-of-00001.safetensors.*unfinished"):
        LLM2Vec.from_pretrained(base)


def test_an_index_from_the_hub_is_looked_at_before_its_files_are_fetched(base, weights):
    write_index(base, weights, "weights.bin")
    with pytest.raises(ModelError, match="own folder only"):
        shards(base / INDEX)
    write_index(base, weights, "a.safetensors")
    assert [str(path) for path in shards(base / INDEX)] == ["a.safetensors"]


def test_weights_without_an_index_are_named(base, weights):
    save_file(weights, base / "consolidated.safetensors")
    with pytest.raises(ModelError, match=r"consolidated.safetensors, but neither"):
        LLM2Vec.from_pretrained(base)


def test_only_what_is_loaded_is_counted(base):
    alone = weight_bytes(str(base), torch.float32)
    for name in ("consolidated.safetensors", "adapter_model.safetensors", "model-00001-of-00002.safetensors"):
        shutil.copy(base / WEIGHTS, base / name)
    assert weight_bytes(str(base), torch.float32) == alone
    assert weight_files(base) == [base / WEIGHTS]
