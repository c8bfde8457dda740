"""Keep ``assets/MANIFEST.json`` true: what made each file, its size, its sha256.

``python -m llm2vec_core.manifest`` measures every file under ``assets`` anew and keeps what people wrote
about it (the fields other than size and sha256). A file nobody has described yet is an error.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from llm2vec_core.presets import ASSETS

MANIFEST = "MANIFEST.json"


def measure(assets: Path) -> dict[str, dict[str, Any]]:
    """Size in bytes and sha256 of every file, by its path below ``assets``."""
    files = sorted(f for f in assets.rglob("*") if f.is_file() and f.name != MANIFEST)
    return {
        f.relative_to(assets).as_posix(): {
            "bytes": f.stat().st_size,
            "sha256": hashlib.sha256(f.read_bytes()).hexdigest(),
        }
        for f in files
    }


def refresh(assets: Path = ASSETS) -> list[str]:
    """Write the measured values into the manifest.

    Args:
        assets: folder with ``MANIFEST.json``: {"groups": [{"files": [pattern, ...], ...}], "files": {...}}.

    Returns:
        Files that no group describes.
    """
    file = assets / MANIFEST
    manifest = json.loads(file.read_text(encoding="utf-8"))
    manifest["files"] = measure(assets)
    file.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    patterns = [pattern for group in manifest["groups"] for pattern in group["files"]]
    return [name for name in manifest["files"] if not any(Path(name).match(pattern) for pattern in patterns)]


if __name__ == "__main__":
    undescribed = refresh()
    for name in undescribed:
        print(f"no group in {MANIFEST} describes {name}", file=sys.stderr)
    sys.exit(1 if undescribed else 0)
