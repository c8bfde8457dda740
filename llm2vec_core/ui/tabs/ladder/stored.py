"""What the tab opens with, made beforehand: tokens of the bundled pairs, and the filled example sentences.

So the first view needs no model. ``python -m llm2vec_core.ui.tabs.ladder`` makes the files anew; a test compares them
with the live models.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from llm2vec_core.constants import STORED_PRESETS
from llm2vec_core.filling import Blank, Prediction
from llm2vec_core.presets import ASSETS

FOLDER = ASSETS / "figures"
DIGITS = 6


@dataclass(frozen=True)
class LadderOpening:
    """Stored results of one preset; empty for one that has no file.

    Attributes:
        tokens: by encoder, tokens that it reads for all bundled pairs.
        blanks: by sentence and expected words, then by stage: its predictions.
    """

    tokens: Mapping[str, int]
    blanks: Mapping[tuple[str, tuple[str, ...]], Mapping[str, tuple[Blank, ...]]]


@cache
def stored_opening(key: str) -> LadderOpening:
    """What is stored for a preset, from the file."""
    if key not in [preset.key for preset in STORED_PRESETS]:  # a Hub id is no file name
        return LadderOpening({}, {})
    found = json.loads(file_of(key).read_text(encoding="utf-8"))
    blanks = {
        (entry["text"], tuple(entry["expected"])): {
            stage: tuple(_blank(values) for values in answers) for stage, answers in entry["stages"].items()
        }
        for entry in found["blanks"]
    }
    return LadderOpening(found["tokens"], blanks)


def as_json(opening: LadderOpening) -> dict[str, Any]:
    """The inverse of :func:`stored_opening`, one entry per sentence."""
    entries = [
        {
            "text": text,
            "expected": list(expected),
            "stages": {stage: [asdict(_rounded(blank)) for blank in answers] for stage, answers in stages.items()},
        }
        for (text, expected), stages in opening.blanks.items()
    ]
    return {"tokens": dict(opening.tokens), "blanks": entries}


def file_of(key: str) -> Path:
    """Where a preset's results are stored."""
    return FOLDER / f"blanks-{key}.json"


def _rounded(blank: Blank) -> Blank:
    rounded = tuple(replace(p, probability=round(p.probability, DIGITS)) for p in blank.predictions)
    probability = None if blank.probability is None else round(blank.probability, DIGITS)
    return replace(blank, predictions=rounded, probability=probability)


def _blank(values: dict[str, Any]) -> Blank:
    predictions = tuple(Prediction(**each) for each in values["predictions"])
    return Blank(**{**values, "predictions": predictions})
