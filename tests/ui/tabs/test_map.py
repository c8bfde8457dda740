from __future__ import annotations

import time

import pytest
from playwright.sync_api import expect

from llm2vec_core.bundled_data import passages
from llm2vec_core.ui.context import AppContext
from tests.ui.conftest import open_tab

UMAP_MILLISECONDS = 240_000  # the very first fit on a machine compiles


def drawn_points(page, side: str) -> int:
    return page.evaluate(f"document.querySelector('#{side}-map .l2v-plot').data.reduce((n, t) => n + t.x.length, 0)")


@pytest.fixture
def map_page(page):
    open_tab(page, "Map")
    for side in ("left", "right"):
        page.wait_for_selector(f"#{side}-map .l2v-plot[data-drawn]")
    return page


def test_every_passage_is_drawn_on_both_sides_at_once_and_umap_follows(map_page):
    assert drawn_points(map_page, "left") == drawn_points(map_page, "right") == len(passages())
    map_page.wait_for_selector("#map-numbers[data-kind=umap]", timeout=UMAP_MILLISECONDS)
    expect(map_page.locator("#left-map .gtitle")).to_have_text("Causal (UMAP)")
    assert drawn_points(map_page, "right") == len(passages())
    shown = [int(map_page.locator(f"#map-numbers b.{c}").inner_text().rstrip("%")) for c in "cb"]
    context = AppContext()
    assert shown == [pytest.approx(100 * context.topic_accuracy(key), abs=1) for key in ("causal", "simcse")]


def test_resting_on_a_mark_shows_its_passage(map_page):
    map_page.wait_for_selector("#map-numbers[data-kind=umap]", timeout=UMAP_MILLISECONDS)
    map_page.locator("#left-map").scroll_into_view_if_needed()
    # The zoom-free centre of a mark, in page coordinates, as plotly itself places it.
    box = map_page.evaluate(
        """() => { const plot = document.querySelector('#left-map .l2v-plot');
        const mark = plot.querySelector('.scatterlayer .point').getBoundingClientRect();
        return [mark.x + mark.width / 2, mark.y + mark.height / 2]; }"""
    )
    map_page.mouse.move(box[0] - 30, box[1])
    map_page.mouse.move(*box, steps=5)
    expect(map_page.locator("#left-map .hoverlayer .hovertext")).to_have_count(1)
    shown = map_page.locator("#left-map .hoverlayer").text_content()
    assert any(p.topic in shown for p in passages())


def test_zoom_survives_a_new_encoder_on_the_other_side(map_page):
    map_page.wait_for_selector("#map-numbers[data-kind=umap]", timeout=UMAP_MILLISECONDS)
    map_page.evaluate("Plotly.relayout(document.querySelector('#left-map .l2v-plot'), {'xaxis.range': [0, 1]})")
    map_page.locator("#map-right input").click()
    map_page.get_by_role("option", name="+ MNTP", exact=True).click()
    expect(map_page.locator("#right-map .gtitle")).to_contain_text("+ MNTP", timeout=UMAP_MILLISECONDS)
    time.sleep(0.5)
    zoom = map_page.evaluate("document.querySelector('#left-map .l2v-plot').layout.xaxis.range")
    assert zoom == [0, 1]


def test_the_legend_names_every_topic(map_page):
    legend = map_page.locator(".l2v-legend").inner_text()
    assert all(p.topic in legend for p in passages())
