from __future__ import annotations

import re

import numpy as np
import pytest

from llm2vec_core.presets import BUNDLED, SMOLLM2
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.opening import paint_opening, stored_opening
from llm2vec_core.ui.tabs.see.class_sheet import MINUTES, SHEET, class_sheet

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


def test_the_teachers_sheet_tells_what_the_page_says():
    stored, fresh = SHEET.read_text(encoding="utf-8"), class_sheet()
    assert NUMBER.sub("#", stored) == NUMBER.sub("#", fresh), "run python -m llm2vec_core.ui.tabs.see.class_sheet"
    numbers = [[float(n) for n in NUMBER.findall(text)] for text in (stored, fresh)]
    np.testing.assert_allclose(*numbers, atol=0.11)  # percents are told to one decimal
    assert sum(MINUTES) == 35


@pytest.mark.parametrize("preset", [BUNDLED, SMOLLM2], ids=lambda preset: preset.key)
def test_what_is_stored_is_what_the_model_says(preset):
    """Same words and marks; numbers within what another machine's rounding may do."""
    stored, live = stored_opening(preset.key), paint_opening(AppContext(preset))
    for name, panel in stored._asdict().items():
        fresh = getattr(live, name)
        assert NUMBER.sub("#", panel) == NUMBER.sub("#", fresh), f"{name}: run python -m llm2vec_core.ui.opening"
        np.testing.assert_allclose(
            [float(n) for n in NUMBER.findall(panel)], [float(n) for n in NUMBER.findall(fresh)], atol=1.01
        )
        exact = [re.findall(r'data-\w+="([\d.]+)"', p) for p in (panel, fresh)]
        np.testing.assert_allclose(np.array(exact[0], float), np.array(exact[1], float), atol=2e-3)
