"""What the page shows before anything has been computed: the first tab, painted beforehand.

Loading the model and its adapters takes seconds; the first visitor should not look at an empty page
meanwhile. ``python -m llm2vec_core.ui.opening`` paints the stored file anew; a test holds its numbers
against the live model.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from llm2vec_core.bundled_data import pair_presets
from llm2vec_core.presets import ASSETS
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.session import Session

FILE = ASSETS / "figures" / "opening.json"
PAIR = pair_presets()[0]
LAYER, HEAD = 2, 1
BEGINNING = "The bank was"
ENDINGS = ("steep and muddy.", "robbed at noon.")


class Opening(NamedTuple):
    """What the See it tab shows at first, part by part."""

    opening: str
    strips: str
    lesson: str
    code: str
    endings: str
    picture: str
    grid: str


def stored_opening() -> Opening:
    """The painted panels, from the file."""
    return Opening(**json.loads(FILE.read_text(encoding="utf-8")))


def paint_opening(context: AppContext) -> Opening:
    """The same panels, computed now."""
    # Here and not above: the tab itself imports this module.
    from llm2vec_core.ui.tabs.see import parts

    stage, session = context.preset.default.key, Session()
    found = parts.beginning(context, session, PAIR.a, PAIR.b, stage, "mean", 1)
    endings = parts.endings(context, session, BEGINNING, *ENDINGS, stage, "cosine")
    attention = parts.attention(context, session, PAIR.a, stage, LAYER, HEAD)
    return Opening(*found, endings, attention.picture, attention.grid)


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(
        json.dumps(paint_opening(AppContext())._asdict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
