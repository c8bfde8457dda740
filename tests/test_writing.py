from __future__ import annotations

import errno
from pathlib import Path

import pytest

from llm2vec_core.writing import replace_model, write_whole


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    file = tmp_path / "new" / "a.json"
    write_whole(file, "old")

    def full(self, text, **_):
        self.open("w").write(text[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(file, "a longer one")
    monkeypatch.undo()
    assert {path.name: path.read_text() for path in file.parent.iterdir()} == {"a.json": "old"}
    write_whole(file, "new")
    assert {path.name: path.read_text() for path in file.parent.iterdir()} == {"a.json": "new"}


def contents(folder: Path) -> dict[str, str]:
    return {str(f.relative_to(folder)): f.read_text() for f in folder.rglob("*") if f.is_file()}


def filled(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(folder.name)
    return folder


OLD = [
    "config.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
    "2_Dense/model.safetensors",
    "adapter_config.json",
    "tokenizer.model",
]
MINE = ["notes.txt", "data/model.json", "1_Results/table.csv", "figure.png"]
NEW = ["config.json", "model.safetensors", "1_Pooling/config.json", "README.md"]


def test_a_model_replaces_the_one_that_was_there_and_nothing_else(tmp_path):
    folder, stage = filled(tmp_path / "old", OLD + MINE), filled(tmp_path / "new", NEW)
    replace_model(stage, folder)
    assert contents(folder) == dict.fromkeys(MINE, "old") | dict.fromkeys(NEW, "new")
    assert not (folder / "2_Dense").exists()


@pytest.mark.parametrize("failing", [1, 3, len(OLD) + 1, len(OLD) + 3])
def test_a_move_that_fails_puts_everything_back(tmp_path, monkeypatch, failing):
    folder, stage = filled(tmp_path / "old", OLD + MINE), filled(tmp_path / "new", NEW)
    replace, count = Path.replace, 0

    def replace_or_fail(self, target):
        nonlocal count
        count += 1
        if count == failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", replace_or_fail)
    with pytest.raises(OSError, match="No space left"):
        replace_model(stage, folder)
    assert contents(folder) == dict.fromkeys(OLD + MINE, "old")
    assert sorted(path.name for path in folder.iterdir()) == sorted({name.split("/")[0] for name in OLD + MINE})
    monkeypatch.undo()
    replace_model(stage, folder)
    assert contents(folder) == dict.fromkeys(MINE, "old") | dict.fromkeys(NEW, "new")
