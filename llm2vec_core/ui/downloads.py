"""Files that a visitor may fetch, each in a folder whose name nobody can guess."""

from __future__ import annotations

import re
import secrets
import unicodedata
from pathlib import Path

from gradio.utils import get_upload_folder

LONGEST_NAME = 80
# Windows opens devices by these names, whatever the ending.
_DEVICES = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def offer(name: str, data: bytes) -> str:
    """Write a file that a ``gr.DownloadButton`` or ``gr.File`` can hand out.

    It lies below gradio's own folder of uploads: gradio serves it without a copy, and removes it after the
    time that ``delete_cache`` of the page gives. The folder's random name keeps it from other visitors.

    Args:
        name: as the visitor will see it; made safe by :func:`safe_name`.
        data: the whole file.

    Returns:
        Its path, to be returned as the component's value.

    Example:
        >>> path = offer("numbers.csv", b"a,b")
        >>> Path(path).name, Path(path).read_bytes()
        ('numbers.csv', b'a,b')
    """
    file = folder_for_download() / safe_name(name)
    file.write_bytes(data)
    return str(file)


def folder_for_download() -> Path:
    """A fresh folder, for a file that is too large to be held in memory; name the file with :func:`safe_name`."""
    folder = Path(get_upload_folder()) / secrets.token_hex(20)
    folder.mkdir(parents=True)
    return folder


def safe_name(name: str) -> str:
    """A file name without folders, control characters or anything that a system or shell takes specially.

    Example:
        >>> safe_name("../../etc/passwd"), safe_name("Über uns: 50%.csv"), safe_name("..")
        ('passwd', 'Uber_uns_50.csv', 'download')
    """
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    plain = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode()
    stem, dot, ending = re.sub(r"[^A-Za-z0-9._-]+", "_", plain).rpartition(".")
    if not dot:
        stem, ending = ending, ""
    stem, ending = stem.strip("._-")[:LONGEST_NAME], re.sub(r"[^A-Za-z0-9]", "", ending)[:12]
    found = f"{stem or 'download'}.{ending}" if ending else stem or "download"
    return f"_{found}" if _DEVICES.match(found) else found
