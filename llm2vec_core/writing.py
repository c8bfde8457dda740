"""Files that are whole: a kill or a full disk leaves what was there before."""

from __future__ import annotations

from pathlib import Path


def write_whole(file: Path, text: str) -> None:
    """Write a text file to its end, or leave the old one as it was.

    Args:
        file: replaced in one step; its folder is made if it does not exist.
        text: all of it.

    Raises:
        OSError: if it cannot be written; nothing is left behind then.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_whole(Path(folder) / "new" / "a.txt", "whole")
        ...     (Path(folder) / "new" / "a.txt").read_text()
        'whole'
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.writing")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
