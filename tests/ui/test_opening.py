from __future__ import annotations

import re

import numpy as np
import pytest

from llm2vec_core.presets import BUNDLED, SMOLLM2
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.opening import paint_opening, stored_opening

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


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
