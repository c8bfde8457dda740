from __future__ import annotations

import json

from llm2vec_core.manifest import MANIFEST, measure, refresh
from llm2vec_core.presets import ASSETS


def test_the_manifest_tells_the_truth_about_every_file():
    manifest = json.loads((ASSETS / MANIFEST).read_text())
    assert manifest["files"] == measure(ASSETS)
    for group in manifest["groups"]:
        assert group["license"]
        assert group["made_by"]


def test_weights_stay_small():
    files = measure(ASSETS)
    assert sum(entry["bytes"] for entry in files.values()) < 64e6
    assert max(entry["bytes"] for entry in files.values()) < 9.5e6
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pkl", ".ckpt"))]


def test_refresh_measures_anew_and_names_what_is_not_described(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("abc")
    (tmp_path / "b.txt").write_text("")
    (tmp_path / MANIFEST).write_text(json.dumps({"groups": [{"files": ["data/*"]}], "files": {}}))
    assert refresh(tmp_path) == ["b.txt"]
    files = json.loads((tmp_path / MANIFEST).read_text())["files"]
    assert files["data/a.txt"] == {
        "bytes": 3, "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }  # fmt: skip
