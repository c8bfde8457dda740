from __future__ import annotations

import shutil

import pytest

from llm2vec_core import hub_cache
from llm2vec_core.presets import BUNDLED


def in_the_cache(place, name: str, size: int) -> None:
    """A repository as the Hub's client stores it."""
    repo = place / f"models--{name.replace('/', '--')}"
    # The client deletes by commit: each repository has its own.
    commit = name.encode().hex().ljust(40, "0")[:40]
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(commit)
    (repo / "snapshots" / commit).mkdir(parents=True)
    (repo / "blobs").mkdir()
    (repo / "blobs" / "abc").write_bytes(bytes(size))
    (repo / "snapshots" / commit / "model.safetensors").symlink_to(repo / "blobs" / "abc")


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(hub_cache, "cache_folder", lambda: tmp_path / "hub")
    return tmp_path / "hub"


def test_repositories_are_deleted_by_name_and_others_stay(folder):
    hub_cache.delete_from_cache(["owner/old"])  # there is no folder yet
    folder.mkdir()
    for name in ("owner/old", "owner/other"):
        in_the_cache(folder, name, 1000)
    hub_cache.delete_from_cache([])
    assert len(list(folder.glob("models--*"))) == 2
    hub_cache.delete_from_cache(["owner/old", "owner/unknown"])
    assert [path.name for path in folder.glob("models--*")] == ["models--owner--other"]


def test_room_is_that_of_the_disk_on_which_the_folder_will_be(folder):
    assert not folder.exists()
    assert hub_cache.free_disk() == pytest.approx(shutil.disk_usage(folder.parent).free, rel=0.05)


def test_a_download_is_as_large_as_the_hub_says_or_as_its_numbers_are(monkeypatch):
    told = {"owner/told": 7}
    monkeypatch.setattr(hub_cache, "weight_bytes", lambda base, dtype: told.get(base))
    assert hub_cache.download_bytes(BUNDLED.base, 10**9) == 0
    assert hub_cache.download_bytes("owner/told", 10**9) == 7
    assert hub_cache.download_bytes("owner/silent", 10**9) == 2 * 10**9
