"""What a visitor does in Map, and what they read."""

from __future__ import annotations

import json

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from llm2vec_core.bundled_data import passages
from llm2vec_core.projection import neighbor_label_accuracy, neighbor_overlap
from llm2vec_core.ui.context import AppContext
from tests.ui.conftest import open_tab

UMAP_MILLISECONDS = 240_000  # the very first fit on a machine compiles
HOSTILE = "<img src=x onerror=alert(1)>"


def ready(page: Page, kind: str = "umap", dimensions: int = 2) -> None:
    page.wait_for_selector(f'#map-numbers[data-kind={kind}][data-dimensions="{dimensions}"]', timeout=UMAP_MILLISECONDS)


@pytest.fixture
def map_page(page):
    open_tab(page, "Map")
    for side in ("left", "right"):
        page.wait_for_selector(f"#{side}-map[data-drawn]", timeout=UMAP_MILLISECONDS)
    return page


def rows_drawn(page: Page, side: str) -> list[int]:
    """Rows of all marks, as the drawing library holds them."""
    return page.evaluate(
        f"document.querySelector('#{side}-map').data.filter(t => t.customdata).flatMap(t => Array.from(t.customdata))"
    )


def rings(page: Page, side: str) -> dict[str, int]:
    return page.evaluate(
        f"""Object.fromEntries(document.querySelector('#{side}-map').data.filter(t => !t.customdata)
        .map(t => [t.uid, t.x.length]))"""
    )


def place_of(page: Page, side: str, nth: int) -> tuple[float, float]:
    """The middle of a mark, in page coordinates, as plotly itself places it."""
    find = f"document.querySelectorAll('#{side}-map .scatterlayer .point')[{nth}]"
    page.evaluate(f"{find}.scrollIntoView({{block: 'center'}})")
    page.wait_for_timeout(300)
    return page.evaluate(
        f"(() => {{ const r = {find}.getBoundingClientRect(); return [r.x + r.width/2, r.y + r.height/2]; }})()"
    )


def test_both_maps_hold_every_passage_and_the_numbers_are_those_of_the_vectors(map_page):
    assert sorted(rows_drawn(map_page, "left")) == sorted(rows_drawn(map_page, "right")) == list(range(len(passages())))
    ready(map_page)
    expect(map_page.locator("[data-side=left] h3").first).to_have_text("Causal (UMAP)")
    expect(map_page.locator("[data-side=right] .l2v-map-caption")).to_contain_text(
        "UMAP of 324 texts: n_neighbors 15, min_dist 0.1, cosine, seed 0. Turned onto the left map"
    )
    context = AppContext()
    last = context.preset.default.key
    labels = np.array([p.topic for p in passages()])
    shown = [
        float(v)
        for v in map_page.eval_on_selector_all(
            "[data-measure=neighbour] [data-full]", "all => all.map(e => e.dataset.full)"
        )
    ]
    measured = [neighbor_label_accuracy(context.collection(key), labels) for key in ("causal", last)]
    assert shown == pytest.approx(measured, abs=0.007)  # a tie or two
    overlap = float(map_page.locator("#map-numbers").get_attribute("data-overlap"))
    assert overlap == pytest.approx(
        neighbor_overlap(context.collection("causal"), context.collection(last)).mean(), abs=0.005
    )
    expect(map_page.locator("#map-numbers")).to_contain_text(
        f"{1 - overlap:.0%} of a text's 10 nearest neighbours are replaced"
    )
    legend = map_page.locator("#map-legend").inner_text()
    assert all(p.topic in legend for p in passages())
    # None of plotly's buttons sends a figure anywhere.
    titles = map_page.eval_on_selector_all("#left-map .modebar-btn", "all => all.map(b => b.dataset.title)")
    assert titles == ["Pan", "Box Select", "Lasso Select", "Zoom in", "Zoom out", "Reset axes"]


def test_rest_click_select_and_find(map_page):
    ready(map_page)
    x, y = place_of(map_page, "left", 5)
    map_page.mouse.move(x - 30, y)
    map_page.mouse.move(x, y, steps=5)
    expect(map_page.locator("#left-map .hoverlayer .hovertext")).to_have_count(1)
    map_page.mouse.down()
    map_page.mouse.up()
    map_page.wait_for_selector("#map-picked")
    row = int(map_page.locator("#map-picked").get_attribute("data-row"))
    shared = int(map_page.locator("#map-picked").get_attribute("data-shared"))
    expect(map_page.locator("#map-picked .l2v-map-text")).to_have_text(passages()[row].text)
    sides = [
        map_page.eval_on_selector_all(
            f"#map-picked [data-side={side}] li", "all => all.map(e => Number(e.dataset.row))"
        )
        for side in ("left", "right")
    ]
    assert [len(side) for side in sides] == [10, 10]
    assert len(set(sides[0]) & set(sides[1])) == shared
    # Both panels ring the same texts: shared ones, those of one side, those of the other.
    map_page.wait_for_function("document.querySelector('#right-map').data.some(t => t.uid === 'inner')")
    sizes = {"both": shared, "one": 10 - shared, "other": 10 - shared, "inner": 1, "outer": 1}
    expected = {name: size for name, size in sizes.items() if size}
    assert rings(map_page, "left") == rings(map_page, "right") == expected
    # By keyboard: from a list to the next text.
    mover = map_page.locator("#map-movers [data-pick]").first
    mover.focus()
    map_page.keyboard.press("Enter")
    expect(map_page.locator("#map-picked")).to_have_attribute("data-row", mover.get_attribute("data-pick"))
    map_page.locator(".l2v-map-lines").check()
    map_page.wait_for_function("document.querySelector('#right-map').data.some(t => t.uid === 'ways')")
    assert rings(map_page, "right")["ways"] == 90  # from, to, gap

    # A box around a part of the left map.
    map_page.locator("#left-map .modebar-btn[data-val=select]").click()
    box = map_page.locator("#left-map .nsewdrag").first.bounding_box()
    map_page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.1 * box["height"])
    map_page.mouse.down()
    map_page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.6 * box["height"], steps=6)
    map_page.mouse.up()
    heading = map_page.locator("#map-selected h3")
    expect(heading).to_contain_text("from the map")
    count = map_page.locator("#map-selected tbody tr").count()
    assert 0 < count < 324
    expect(heading).to_have_text(f"Selection: {count} {'text' if count == 1 else 'texts'} from the map")

    map_page.locator("#map-find input, #map-find textarea").first.fill("bats night")
    map_page.locator("#map-find button").click()
    rows = [p.text for p in passages() if all(w in p.text.lower() for w in ("bats", "night"))]
    expect(heading).to_contain_text("with “bats night”")
    assert map_page.locator("#map-selected tbody tr").count() == len(rows)
    with map_page.expect_download() as download:
        map_page.locator("#map-selected [data-export=csv]").click()
    assert rows[0][:60] in download.value.path().read_text(encoding="utf-8-sig")
    map_page.locator("#map-find input, #map-find textarea").first.fill("")
    map_page.locator("#map-find button").click()
    expect(map_page.locator("#map-select-notice")).to_contain_text("Type a word")
    assert map_page.locator("#map-selected tbody tr").count() == len(rows)


def test_zoom_outlives_colours_and_encoders_and_the_third_dimension_is_drawn(map_page):
    ready(map_page)
    span = "document.querySelector('#left-map').layout.xaxis.range"
    whole = map_page.evaluate(span)
    map_page.locator("#left-map .modebar-btn[data-title='Zoom in']").click()
    map_page.wait_for_function(f"{span}[1] - {span}[0] < {0.6 * (whole[1] - whole[0])}")
    zoomed = map_page.evaluate(span)
    map_page.locator("#map-color").get_by_text("k-means").click()
    expect(map_page.locator("#map-legend")).to_contain_text("cluster 12")
    map_page.locator("#map-right input").click()
    map_page.get_by_role("option", name="Static token embeddings").click()
    expect(map_page.locator("[data-side=right] h3").first).to_have_text(
        "Static token embeddings (UMAP)", timeout=UMAP_MILLISECONDS
    )
    ready(map_page)
    assert map_page.evaluate(span) == pytest.approx(zoomed)

    map_page.locator("#map-color").get_by_text("Cosine with a text").click()
    expect(map_page.locator("#map-legend")).to_contain_text("Each side has its own scale")
    expect(map_page.locator("#left-map .colorbar")).to_have_count(1)
    map_page.locator("#map-query input, #map-query textarea").first.fill("")
    map_page.locator("#map-query button").click()
    expect(map_page.locator("#map-notice")).to_contain_text("The text to compare with is empty")
    assert len(rows_drawn(map_page, "left")) == len(passages())

    map_page.locator("#map-color").get_by_text("Label").click()
    map_page.locator("#map-kind").get_by_text("PCA only").click()
    ready(map_page, "pca")
    map_page.locator("#map-dim").get_by_text("3-D").click()
    ready(map_page, "pca", 3)
    expect(map_page.locator("[data-side=left] .l2v-map-caption")).to_contain_text("of the variance")
    webgl = map_page.evaluate("Boolean(document.createElement('canvas').getContext('webgl'))")
    kind = map_page.evaluate("document.querySelector('#left-map').data[0].type")
    assert kind == ("scatter3d" if webgl else "scatter")
    map_page.locator("[data-side=left] .l2v-data summary").click()
    table = map_page.locator("[data-side=left] .l2v-data tr")
    expect(table).to_have_count(len(passages()) + 1)
    assert table.first.inner_text().split("\t")[:4] == ["number", "x", "y", "z"]


def test_a_wrong_setting_is_named_and_the_map_stays(map_page):
    ready(map_page)
    map_page.locator("#map-expert button").first.click()
    for field, value, told in (
        ("neighbors", "1", "n_neighbors is 1"),
        ("neighbors", "15", ""),
        ("min-dist", "7", "min_dist is 7"),
        ("min-dist", "0.1", ""),
        ("seed", "", "The seed is empty"),
    ):
        map_page.locator(f"#map-{field} input").fill(value)
        map_page.locator(f"#map-{field} input").press("Enter")
        if told:
            expect(map_page.locator("#map-notice")).to_contain_text(told)
        else:
            expect(map_page.locator("#map-notice .l2v-notice")).to_be_empty()
        assert len(rows_drawn(map_page, "left")) == len(passages())


def test_own_texts_hostile_and_few(map_page, tmp_path):
    dialogs = []
    map_page.on("dialog", lambda d: (dialogs.append(d.message), d.dismiss()))
    ready(map_page)
    map_page.locator("#map-source").get_by_text("Your texts").click()
    expect(map_page.locator("#map-notice")).to_contain_text("There are no texts of yours yet")
    map_page.locator("#map-pasted textarea").fill("one\ntwo\nthree")
    map_page.locator("#map-use").click()
    expect(map_page.locator("#map-notice")).to_contain_text("3 texts are too few for a map")
    assert len(rows_drawn(map_page, "left")) == len(passages())
    file = tmp_path / "evil.jsonl"
    rows = [{"text": f"{HOSTILE} river number {i}", "label": HOSTILE if i % 2 else "=1+1"} for i in range(12)]
    rows.append({"text": "a bank without a label", "label": None})
    file.write_text("\n".join(map(json.dumps, rows)))
    map_page.locator("#map-upload input[type=file]").set_input_files(file)
    expect(map_page.locator("#map-legend")).to_contain_text("no label 1", timeout=UMAP_MILLISECONDS)
    map_page.wait_for_function("document.querySelector('#left-map').data.filter(t => t.customdata).length === 3")
    expect(map_page.locator("[data-side=left] .l2v-map-caption")).to_contain_text("of 13 texts")
    x, y = place_of(map_page, "left", 0)
    map_page.mouse.move(x - 20, y)
    map_page.mouse.move(x, y, steps=4)
    expect(map_page.locator("#left-map .hoverlayer .hovertext")).to_have_count(1)
    ready(map_page)
    map_page.locator("#map-movers [data-pick]").first.click()
    expect(map_page.locator("#map-picked")).to_contain_text("river number")
    assert map_page.locator("#tab-map img").count() == 0
    assert dialogs == []
