"""What the page shows before anything has been computed: the first tab, painted beforehand.

Loading the model and its adapters takes seconds; the first visitor should not look at an empty page
meanwhile. ``python -m llm2vec_core.ui.opening`` paints the stored files anew, one for each model that the page can open
with; a test holds their numbers against the live models.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from llm2vec_core.bundled_data import pair_presets
from llm2vec_core.constants import STORED_PRESETS
from llm2vec_core.presets import ASSETS, BUNDLED, SMOLLM2
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.session import Session

FOLDER = ASSETS / "figures"
PAIR = pair_presets()[0]
# Layer and head whose attention is shown first. SmolLM2's is the one in which, once adapted, "bank" gives most of its
# attention to the words that say which bank it is.
FIRST_HEAD = {BUNDLED.key: (2, 1), SMOLLM2.key: (24, 6)}
# Read first by the logit lens: the shared word, in Sentence B.
FIRST_VECTOR = "b:word"
BEGINNING = "The bank was"
ENDINGS = ("steep and muddy.", "robbed at noon.")


class Opening(NamedTuple):
    """What the See it tab shows at first, part by part."""

    spine: str
    lens: str
    strips: str
    code: str
    endings: str
    picture: str
    grid: str


def stored_opening(key: str) -> Opening:
    """The painted panels, from the file.

    Args:
        key: of the preset; one of :data:`llm2vec_core.constants.STORED_PRESETS`.
    """
    return Opening(**json.loads(_file(key).read_text(encoding="utf-8")))


def paint_opening(context: AppContext) -> Opening:
    """The same panels, computed now."""
    # Here and not above: the tab itself imports this module.
    from llm2vec_core.ui.tabs.see import view

    stage, session = context.preset.default.key, Session(context.preset.key)
    pair = {"a": PAIR.a, "b": PAIR.b, "stage": stage}
    found = view.lesson(context, session, **pair, step=1)
    found |= view.workshop(context, session, **pair, pooling="mean", vector=FIRST_VECTOR)
    bars = view.endings(context, session, BEGINNING, *ENDINGS, stage, "cosine")["bars"]
    layer, head = FIRST_HEAD[context.preset.key]
    heads = view.attention(context, session, **pair, which="a", layer=layer, head=head)
    return Opening(**found, endings=bars, picture=heads["picture"], grid=heads["grid"]["value"])


def _file(key: str) -> Path:
    return FOLDER / f"opening-{key}.json"


if __name__ == "__main__":
    for preset in STORED_PRESETS:
        panels = paint_opening(AppContext(preset))._asdict()
        _file(preset.key).write_text(json.dumps(panels, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
