from __future__ import annotations

import errno

import pytest

from llm2vec_core.writing import write_whole


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
