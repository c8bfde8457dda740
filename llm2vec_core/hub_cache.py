"""What the Hub's client keeps on this disk: how large a download is, whether there is room, and how to make some."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from llm2vec_core.loading import weight_bytes

STORED_BYTES = 2  # of a number in most repositories, where the Hub does not tell


def cache_folder() -> Path:
    """Where the Hub's client keeps what it downloads."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def free_disk() -> int:
    """Bytes that are free where downloads go."""
    folder = cache_folder().absolute()
    return shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.exists())).free


def download_bytes(base: str, parameters: int) -> int:
    """What has to be downloaded of a model; 0 for one that lies on this machine.

    Args:
        base: folder or Hub id.
        parameters: of the model, for a repository whose size the Hub does not tell.
    """
    from huggingface_hub import try_to_load_from_cache

    if Path(base).is_dir():
        return 0
    for name in ("model.safetensors", "model.safetensors.index.json"):
        if isinstance(try_to_load_from_cache(base, name), str):
            return 0
    return weight_bytes(base, "auto") or parameters * STORED_BYTES


def delete_from_cache(names: Collection[str]) -> None:
    """Delete repositories from the folder of downloads; what is not there is passed over."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    if not names:
        return
    try:
        found = scan_cache_dir(cache_folder())
    except CacheNotFound:
        return
    old = [revision.commit_hash for repo in found.repos if repo.repo_id in names for revision in repo.revisions]
    found.delete_revisions(*old).execute()
