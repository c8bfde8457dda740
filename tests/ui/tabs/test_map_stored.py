"""The layouts that the Map tab opens with: true to the model, there without it."""

from __future__ import annotations

import json
from dataclasses import astuple, replace

import numpy as np
import pytest

from llm2vec_core.constants import STORED_PRESETS
from llm2vec_core.presets import BUNDLED
from llm2vec_core.projection import neighborhood_trust, pca_layout, umap_layout
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.map import model, stored
from llm2vec_core.ui.tabs.map.charts import map_value
from llm2vec_core.ui.tabs.map.settings import KINDS, opening_settings

RENEW = "the model is another one: run python -m llm2vec_core.ui.tabs.map, then python -m llm2vec_core.manifest"


class NoModel(AppContext):
    """A server that has loaded nothing yet."""

    def encoder(self, stage_key):
        raise AssertionError(f"{stage_key} was asked for")


@pytest.mark.parametrize("preset", STORED_PRESETS, ids=lambda preset: preset.key)
def test_what_is_stored_is_what_the_model_says(preset):
    """PCA to what another machine's rounding may do; UMAP, which makes much of the last digit, as good as a new one."""
    context = NoModel(preset)
    settings = opening_settings(context.preset)
    keys = (settings.left, settings.right)
    maps = stored.stored_maps(preset.key)
    assert set(maps) == set(keys), RENEW
    for key, other in (keys, keys[::-1]):
        rows, pictures = context.collection(key), [maps[key][replace(settings, kind=k).layout_key()] for k in KINDS]
        umap, pca = (picture.layout for picture in pictures)
        for picture, points in zip(pictures, (umap, pca.points), strict=True):
            assert picture.groups == stored.groups_of(points), RENEW
            assert all(picture.groups)
            live = stored.quality_of(rows, points, settings.metric)
            assert astuple(picture.quality) == pytest.approx(astuple(live), abs=0.01), RENEW
        live = pca_layout(rows)
        np.testing.assert_allclose(pca.points, live.points, atol=2e-3, err_msg=RENEW)
        np.testing.assert_allclose(pca.explained, live.explained, atol=1e-3, err_msg=RENEW)
        fresh = neighborhood_trust(rows, umap_layout(rows))
        assert neighborhood_trust(rows, umap) == pytest.approx(fresh, abs=0.02), RENEW
        # Another model's layouts would be told from these.
        assert np.abs(pca.points - pca_layout(context.collection(other)).points).max() > 0.05
        assert neighborhood_trust(context.collection(other), umap) < fresh - 0.01


def test_the_first_picture_needs_no_model():
    context = NoModel()
    view = model.opening_view(context)
    assert view.stored
    assert "Precomputed" in map_value(view)
    step = next(model.draw(context, Session(), opening_settings(context.preset)))
    np.testing.assert_array_equal(step.view.points, view.points)
    value = map_value(view, with_texts=False)
    assert not stored.stored_maps("hub:owner/name")
    assert json.loads(value)["hover"] is None
    assert len(value) < 35_000  # it is part of the page


def test_the_command_writes_what_is_read_back(context, monkeypatch, tmp_path):
    monkeypatch.setattr(stored, "FOLDER", tmp_path)
    stored.write_layouts(context)
    stored.stored_maps.cache_clear()
    try:
        found = stored.stored_maps(BUNDLED.key)
        settings = opening_settings(context.preset)
        assert {(key, layout) for key, layouts in found.items() for layout in layouts} == {
            (key, replace(settings, kind=kind).layout_key())
            for key in (settings.left, settings.right)
            for kind in KINDS
        }
        rows, picture = context.collection(settings.left), found[settings.left]["pca", 2, "cosine"]
        np.testing.assert_allclose(picture.layout.points, pca_layout(rows).points, atol=1e-4)
        assert picture.groups == stored.groups_of(picture.layout.points)
        assert astuple(picture.quality) == pytest.approx(
            astuple(stored.quality_of(rows, picture.layout.points, "cosine")), abs=1e-4
        )
    finally:
        stored.stored_maps.cache_clear()
