"""Journeys in the browser wait for what they look at: on a busy machine it comes later."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "ui"
JOURNEYS = [file for file in sorted(FOLDER.rglob("*.py")) if "playwright" in file.read_text(encoding="utf-8")]
# Each has its own word of Playwright's `expect`, which waits.
AT_ONCE = re.compile(r"wait_for_timeout|(assert|until)\b.*\.(count|is_(visible|hidden|checked|enabled|disabled))\(\)")


@pytest.mark.parametrize("file", JOURNEYS, ids=lambda file: file.stem)
def test_nothing_is_slept_for_or_looked_at_once(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    assert [f"{number}: {line}" for number, line in enumerate(lines, 1) if AT_ONCE.search(line)] == []
