"""What a visitor does in Map, and what they read."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from llm2vec_core.bundled_data import passages
from llm2vec_core.presets import BUNDLED
from llm2vec_core.projection import named_groups, neighbor_label_accuracy, neighbor_overlap
from tests.ui.conftest import FRAMES, choose, fill_field, open_tab, quiet, until

UMAP_MILLISECONDS = 240_000  # the very first fit on a machine compiles
HOSTILE = "<img src=x onerror=alert(1)>"
PICKED = "() => [...document.querySelectorAll('#map-selected [data-pick]')].map(e => Number(e.dataset.pick))"
TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))"


def ready(page: Page, kind: str = "umap", dimensions: int = 2) -> None:
    page.wait_for_selector(f'#map-numbers[data-kind={kind}][data-dimensions="{dimensions}"]', timeout=UMAP_MILLISECONDS)
    quiet(page)


def with_maps(page: Page) -> Page:
    open_tab(page, "Map")
    for side in ("left", "right"):
        page.wait_for_selector(f"#{side}-map[data-drawn]", timeout=UMAP_MILLISECONDS)
    return page


@pytest.fixture(scope="module")
def map_page(visitor) -> Page:
    return with_maps(visitor)


def rows_drawn(page: Page, side: str) -> list[int]:
    """Rows of all marks, as the drawing library holds them."""
    return page.evaluate(
        f"document.querySelector('#{side}-map').data.filter(t => t.customdata).flatMap(t => Array.from(t.customdata))"
    )


def expect_rings(page: Page, side: str, expected: dict[str, int]) -> None:
    """Wait until these highlights are drawn over the marks, by name and number of points."""
    page.wait_for_function(
        f"""expected => {{
          const drawn = document.querySelector('#{side}-map').data.filter(t => !t.customdata && t.type !== 'contour');
          const found = Object.fromEntries(drawn.map(t => [t.uid, t.x.length])), names = Object.keys(expected);
          return Object.keys(found).length === names.length && names.every(name => found[name] === expected[name]);
        }}""",
        arg=expected,
    )


def places_and_texts(page: Page) -> tuple[np.ndarray, list[str]]:
    """What the left map shows, by row."""
    found = page.evaluate(
        """document.querySelector('#left-map').data.filter(t => t.customdata)
           .flatMap(t => Array.from(t.customdata, (row, i) => [row, t.x[i], t.y[i]]))"""
    )
    return np.array(sorted(found))[:, 1:], [passage.text for passage in passages()]


def place_of(page: Page, selector: str, nth: int = 0) -> list[float]:
    """The middle of what is drawn, in page coordinates, once it is in sight and rests."""
    page.evaluate("window.calm = 0")
    return page.wait_for_function(
        f"""([selector, nth]) => {{
          const mark = document.querySelectorAll(selector)[nth];
          if (!mark) return false;
          mark.scrollIntoView({{block: 'center'}});
          const box = mark.getBoundingClientRect(), middle = [box.x + box.width / 2, box.y + box.height / 2];
          window.calm = String(middle) === window.place ? window.calm + 1 : 0;
          window.place = String(middle);
          return window.calm > {FRAMES} && middle;
        }}""",
        arg=[selector, nth],
    ).json_value()


def point_at(page: Page, side: str, nth: int) -> int:
    """Move the mouse to a mark and wait until it is pointed at, as a press counts then; gives its row."""
    row = rows_drawn(page, side)[nth]
    x, y = place_of(page, f"#{side}-map .scatterlayer .point", nth)
    page.mouse.move(x - 30, y)
    page.mouse.move(x, y, steps=5)
    expect(page.locator(f"#{side}-map .hoverlayer .hovertext")).to_have_count(1)
    page.wait_for_function(f"row => document.querySelector('#{side}-map')._hoverdata?.[0]?.customdata === row", arg=row)
    return row


def inside(page: Page, side: str, box: dict[str, float]) -> tuple[set[int], set[int]]:
    """Rows whose marks lie in a box of page coordinates: surely, and at most (a mark on the line may go either way)."""
    found = page.eval_on_selector(
        f"#{side}-map",
        """(map, box) => {
          const area = map.querySelector('.nsewdrag').getBoundingClientRect(), {xaxis, yaxis} = map._fullLayout, found = [];
          for (const trace of map.data.filter(t => t.customdata)) trace.customdata.forEach((row, i) => {
            const x = area.x + xaxis.l2p(trace.x[i]), y = area.y + yaxis.l2p(trace.y[i]);
            found.push([row, Math.min(x - box.x, box.x + box.width - x, y - box.y, box.y + box.height - y)]);
          });
          return found;
        }""",
        box,
    )
    return {row for row, depth in found if depth > 3}, {row for row, depth in found if depth > -3}


# Whether the marks of a selector stand where these do, but for one way that all have moved: the page may have scrolled.
SAME_PLACES = """([selector, places]) => {
  const found = [...document.querySelectorAll(selector)].slice(0, places.length).map(m => m.getBoundingClientRect());
  if (found.length < places.length) return false;
  const moved = found.map((r, i) => [r.x + r.width / 2 - places[i][0], r.y + r.height / 2 - places[i][1]]);
  return [0, 1].every(axis => {
    const all = moved.map(m => m[axis]), mean = all.reduce((a, b) => a + b) / all.length;
    return all.every(value => Math.abs(value - mean) < 2);
  });
}"""


def test_the_picture_is_there_before_the_drawing_library_and_in_the_same_places(page):
    """The library is held back: what is seen without it is the picture that was made beforehand."""
    held = []
    page.route("**/plotly.min.js", lambda route: held.append(route))
    open_tab(page, "Map")
    sketched = "#{}-map[data-sketched] path[d]"
    for side, title in (("left", "Causal (UMAP)"), ("right", f"{BUNDLED.default.label} (UMAP)")):
        expect(page.locator(sketched.format(side))).to_have_count(len(passages()))
        expect(page.locator(f"[data-side={side}] h3").first).to_have_text(title)
        expect(page.locator(f"#{side}-map[data-drawn]")).to_have_count(0)
    # In one task of the browser: the sketch is made anew with the answer, and marks that are gone have no place.
    middles = """selector => [...document.querySelectorAll(selector)].map(m => m.getBoundingClientRect())
      .map(r => [r.x + r.width / 2, r.y + r.height / 2])"""
    before = {side: page.evaluate(middles, sketched.format(side)) for side in ("left", "right")}
    assert all(len(places) == len(passages()) for places in before.values())
    page.wait_for_function(
        "document.querySelector('#map-summary').innerText.includes('Neighbour vote')", timeout=120_000
    )
    for route in held:
        route.continue_()
    for side, places in before.items():
        page.wait_for_selector(f"#{side}-map[data-drawn]")
        # Over 12 topics the text that moved most and its neighbours.
        page.wait_for_function(f"document.querySelectorAll('#{side}-map .scatterlayer .trace').length >= 12 + 3")
        # Drawn once more at the width of its place, on a busy machine somewhat later.
        page.wait_for_function(SAME_PLACES, arg=[f"#{side}-map .scatterlayer .point", places])


def test_both_maps_hold_every_passage_and_the_numbers_are_those_of_the_vectors(map_page, context):
    assert sorted(rows_drawn(map_page, "left")) == sorted(rows_drawn(map_page, "right")) == list(range(len(passages())))
    ready(map_page)
    expect(map_page.locator("[data-side=left] h3").first).to_have_text("Causal (UMAP)")
    expect(map_page.locator("[data-side=right] .l2v-map-caption")).to_contain_text(
        "UMAP of 324 texts: n_neighbors 15, min_dist 0.1, cosine, seed 0. Matched to the first map"
    )
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
        f"{1 - overlap:.0%} of a text's 10 nearest neighbours differ"
    )
    # Who moved most keeps fewest neighbours, and stands beside with the neighbourhoods from the start.
    kept = neighbor_overlap(context.collection("causal"), context.collection(last))
    movers = [int(v) for v in map_page.eval_on_selector_all("#map-movers li", "all => all.map(e => e.dataset.row)")]
    assert [kept[row] for row in movers] == pytest.approx(np.sort(kept)[: len(movers)], abs=0.1001)  # a tie or two
    expect(map_page.locator("#map-picked")).to_have_attribute("data-row", str(movers[0]))
    expect(map_page.locator(".l2v-map-told")).to_contain_text(f"Ringed: text {movers[0] + 1}.")
    legend = map_page.locator("#map-legend").inner_text()
    assert all(p.topic in legend for p in passages())
    # None of plotly's buttons sends a figure anywhere.
    titles = map_page.eval_on_selector_all("#left-map .modebar-btn", "all => all.map(b => b.dataset.title)")
    assert titles == ["Pan", "Box Select", "Lasso Select", "Zoom in", "Zoom out", "Reset axes"]


def test_rest_click_select_and_find(map_page):
    ready(map_page)
    row = point_at(map_page, "left", 5)
    map_page.mouse.down()
    map_page.mouse.up()
    expect(map_page.locator("#map-picked")).to_have_attribute("data-row", str(row))
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
    sizes = {"both": shared, "one": 10 - shared, "other": 10 - shared, "inner": 1, "outer": 1}
    expected = {name: size for name, size in sizes.items() if size}
    for side in ("left", "right"):
        expect_rings(map_page, side, expected)
    expect(map_page.locator(".l2v-map-told")).to_contain_text(f"Ringed: text {row + 1}. ○ {shared} of its 10 nearest")
    # By keyboard: from a list to the next text.
    mover = map_page.locator("#map-movers [data-pick]").first
    mover.focus()
    map_page.keyboard.press("Enter")
    expect(map_page.locator("#map-picked")).to_have_attribute("data-row", mover.get_attribute("data-pick"))
    # In large type marks are where the mouse is, and a field's list is as wide as the field.
    map_page.locator("#present").click()
    alone = map_page.wait_for_function(  # the mark that is farthest from all others, once nothing moves any more
        """() => {
          const map = document.querySelector('#left-map'), zoomed = map.getBoundingClientRect().width / map._fullLayout.width;
          const rows = map.data.filter(t => t.customdata).flatMap(t => [...t.customdata]);
          const places = [...map.querySelectorAll('.scatterlayer .point')].slice(0, rows.length)
            .map(mark => mark.getBoundingClientRect()).map(r => [r.x + r.width / 2, r.y + r.height / 2]);
          window.still = Math.abs(zoomed - 1.3) < 0.01 && window.places === String(places) ? window.still + 1 : 0;
          window.places = String(places);
          const room = places.map(([x, y]) => places.map(([u, v]) => Math.hypot(u - x, v - y)).sort((a, b) => a - b)[1]);
          return window.still > 20 && [room.indexOf(Math.max(...room))];
        }"""
    ).json_value()
    row = point_at(map_page, "left", alone[0])
    map_page.mouse.down()
    map_page.mouse.up()
    expect(map_page.locator("#map-picked")).to_have_attribute("data-row", str(row))
    map_page.locator("#map-left input").click()

    def across(selector: str) -> list[float]:
        box = map_page.locator(selector).bounding_box()
        return [box["x"], box["width"]]

    until(map_page, lambda: across(".options:has([role=listbox])"), pytest.approx(across("#map-left"), abs=3))
    map_page.keyboard.press("Escape")
    map_page.locator("#present").click()
    map_page.locator(".l2v-map-lines").check()
    map_page.wait_for_function("document.querySelector('#right-map').data.some(t => t.uid === 'ways')")
    ways = map_page.evaluate("document.querySelector('#right-map').data.find(t => t.uid === 'ways').x.length")
    assert ways == 90  # from, to, gap

    # A box on the left map, a lasso on the right one: the table holds the marks that lie in them.
    heading, picked = map_page.locator("#map-selected h3"), map_page.evaluate(PICKED)
    for side, tool, corners in (
        ("left", "select", ((0.25, 0.3), (0.6, 0.75))),
        ("right", "lasso", ((0.2, 0.2), (0.2, 0.7), (0.55, 0.7), (0.55, 0.2))),
    ):
        map_page.locator(f"#{side}-map .modebar-btn[data-val={tool}]").click()
        place_of(map_page, f"#{side}-map .nsewdrag")
        area = map_page.locator(f"#{side}-map .nsewdrag").first.bounding_box()
        path = [(area["x"] + x * area["width"], area["y"] + y * area["height"]) for x, y in corners]
        map_page.mouse.move(*path[0])
        map_page.mouse.down()
        for start, end in pairwise(path):
            for way in np.linspace(start, end, 9)[1:]:
                map_page.mouse.move(*way)
                # A busy browser joins the moves of a frame into one, and would cut a corner.
                map_page.evaluate(TWO_FRAMES)
        (left, right), (top, bottom) = ((min(way), max(way)) for way in zip(*path, strict=True))
        box = {"x": left, "y": top, "width": right - left, "height": bottom - top}
        surely, at_most = inside(map_page, side, box)
        map_page.mouse.up()
        assert 5 < len(surely) < 320
        # The table still lists what the other map gave until the answer is there.
        map_page.wait_for_function(
            f"([least, before]) => {{ const now = ({PICKED})(); return now.length >= least && `${{now}}` !== `${{before}}`; }}",
            arg=[len(surely), picked],
        )
        picked = map_page.evaluate(PICKED)
        assert surely <= set(picked) <= at_most
        expect(heading).to_have_text(f"Selection: {len(picked)} texts from the map")

    map_page.locator("#map-find input, #map-find textarea").first.fill("bats night")
    map_page.locator("#map-find button").click()
    rows = [p.text for p in passages() if all(w in p.text.lower() for w in ("bats", "night"))]
    expect(heading).to_contain_text("with “bats night”")
    expect(map_page.locator("#map-selected tbody tr")).to_have_count(len(rows))
    with map_page.expect_download() as download:
        map_page.locator("#map-selected [data-export=csv]").click()
    assert rows[0][:60] in download.value.path().read_text(encoding="utf-8-sig")
    map_page.locator("#map-find input, #map-find textarea").first.fill("")
    map_page.locator("#map-find button").click()
    expect(map_page.locator("#map-select-notice")).to_contain_text("Type a word")
    quiet(map_page)
    expect(map_page.locator("#map-selected tbody tr")).to_have_count(len(rows))


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
        fill_field(map_page, f"map-{field}", value)
        map_page.locator(f"#map-{field} input").press("Enter")
        if told:
            expect(map_page.locator("#map-notice")).to_contain_text(told)
        else:
            expect(map_page.locator("#map-notice .l2v-notice")).to_be_empty()
        quiet(map_page)
        assert len(rows_drawn(map_page, "left")) == len(passages())
    for field, value in (("neighbors", "5"), ("min-dist", "0.5"), ("seed", "3")):
        map_page.locator(f"#map-{field} input").fill(value)
    map_page.locator("#map-metric").get_by_text("Euclidean", exact=True).click()
    map_page.locator("#map-draw").click()
    expect(map_page.locator("[data-side=left] .l2v-map-caption")).to_contain_text(
        "UMAP of 324 texts: n_neighbors 5, min_dist 0.5, euclidean, seed 3.", timeout=UMAP_MILLISECONDS
    )


def test_own_texts_hostile_and_few(map_page, tmp_path):
    dialogs = []
    map_page.on("dialog", lambda d: (dialogs.append(d.message), d.dismiss()))
    ready(map_page)
    map_page.locator("#map-source").get_by_text("Your texts").click()
    expect(map_page.locator("#map-notice")).to_contain_text("You have not loaded any texts yet")
    map_page.locator("#map-pasted textarea").fill("one\ntwo\nthree")
    map_page.locator("#map-use").click()
    expect(map_page.locator("#map-notice")).to_contain_text("3 texts are too few for a map")
    quiet(map_page)
    assert len(rows_drawn(map_page, "left")) == len(passages())
    file = tmp_path / "evil.jsonl"
    rows = [{"text": f"{HOSTILE} river number {i}", "label": HOSTILE if i % 2 else "=1+1"} for i in range(12)]
    rows.append({"text": "a bank without a label", "label": None})
    file.write_text("\n".join(map(json.dumps, rows)))
    map_page.locator("#map-upload input[type=file]").set_input_files(file)
    expect(map_page.locator("#map-legend")).to_contain_text("no label 1", timeout=UMAP_MILLISECONDS)
    map_page.wait_for_function("document.querySelector('#left-map').data.filter(t => t.customdata).length === 3")
    expect(map_page.locator("[data-side=left] .l2v-map-caption")).to_contain_text("of 13 texts")
    ready(map_page)
    point_at(map_page, "left", 0)
    map_page.locator("#map-movers [data-pick]").first.click()
    expect(map_page.locator("#map-picked")).to_contain_text("river number")
    expect(map_page.locator("#tab-map img")).to_have_count(0)
    assert dialogs == []


@pytest.mark.parametrize(
    ("name", "content", "place", "told"),
    [
        ("many.txt", "\n".join(f"line {i}" for i in range(5001)), "#map-notice", "many.txt has 5,001 texts; a map can show at most 5,000"),
        ("broken.parquet", "PAR1 and no more", "#map-own-notice", "broken.parquet"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_shown_is_refused_and_the_picture_stays(page, tmp_path, name, content, place, told):
    map_page = with_maps(page)
    before = rows_drawn(map_page, "left")
    map_page.locator("#map-source").get_by_text("Your texts").click()
    (tmp_path / name).write_text(content)
    map_page.locator("#map-upload input[type=file]").set_input_files(tmp_path / name)
    expect(map_page.locator(place)).to_contain_text(told)
    quiet(map_page)
    assert rows_drawn(map_page, "left") == before


def test_zoom_outlives_colours_and_encoders_and_the_third_dimension_is_drawn(page, context):
    map_page = with_maps(page)
    ready(map_page)
    span = "document.querySelector('#left-map').layout.xaxis.range"
    whole = map_page.evaluate(span)
    coarse = map_page.locator("#left-map").get_attribute("data-words")
    map_page.locator("#left-map .modebar-btn[data-title='Zoom in']").click()
    map_page.wait_for_function(f"{span}[1] - {span}[0] < {0.6 * (whole[1] - whole[0])}")
    zoomed = map_page.evaluate(span)
    # Closer up, groups within groups have words; none stands on another.
    fine = {" · ".join(group.words) for group in named_groups(*places_and_texts(map_page))[1]}
    expect(map_page.locator("#left-map")).not_to_have_attribute("data-words", coarse)
    words = map_page.locator("#left-map").get_attribute("data-words").split("|")
    assert set(words) <= fine
    expect(map_page.locator("#left-map .annotation text")).to_have_text(words)
    boxes = map_page.eval_on_selector_all(
        "#left-map .annotation rect.bg",
        "all => all.map(e => e.getBoundingClientRect()).map(r => [r.x, r.y, r.right, r.bottom])",
    )
    assert len(boxes) == len(words)
    for i, (left, top, right, bottom) in enumerate(boxes):
        assert all(right <= a or c <= left or bottom <= b or d <= top for a, b, c, d in boxes[:i])
    map_page.locator(".l2v-map-words").uncheck()
    expect(map_page.locator("#left-map .annotation")).to_have_count(0)
    assert map_page.evaluate(span) == pytest.approx(zoomed)
    map_page.locator("#map-color").get_by_text("k-means").click()
    expect(map_page.locator("#map-legend")).to_contain_text("cluster 12")
    choose(map_page, "map-right", "Static token embeddings", exact=False)
    expect(map_page.locator("[data-side=right] h3").first).to_have_text(
        "Static token embeddings (UMAP)", timeout=UMAP_MILLISECONDS
    )
    ready(map_page)
    assert map_page.evaluate(span) == pytest.approx(zoomed)

    map_page.locator("#map-color").get_by_text("Cosine with a text").click()
    expect(map_page.locator("#map-legend")).to_contain_text("Each map has its own scale")
    expect(map_page.locator("#left-map .colorbar")).to_have_count(1)
    # The stars are the ten texts with the highest cosine.
    query = context.encoder("causal").encode("Which animals hunt at night?")
    rows = context.collection("causal")
    cosines = rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
    stars = map_page.evaluate(
        "Array.from(document.querySelector('#left-map').data.find(t => t.name === 'the nearest').customdata)"
    )
    assert np.sort(cosines[stars]) == pytest.approx(np.sort(cosines)[-10:], abs=1e-3)
    map_page.locator("#map-query input, #map-query textarea").first.fill("")
    map_page.locator("#map-query button").click()
    expect(map_page.locator("#map-notice")).to_contain_text("The text to compare with is empty")
    quiet(map_page)
    assert len(rows_drawn(map_page, "left")) == len(passages())

    map_page.locator("#map-color").get_by_text("Label", exact=True).click()
    map_page.locator("#map-kind").get_by_text("PCA", exact=True).click()
    ready(map_page, "pca")
    map_page.locator("#map-dim").get_by_text("3-D").click()
    ready(map_page, "pca", 3)
    expect(map_page.locator("[data-side=left] .l2v-map-caption")).to_contain_text("of the variance")
    webgl = map_page.evaluate("Boolean(document.createElement('canvas').getContext('webgl'))")
    kind = "document.querySelector('#left-map').data[0].type"
    until(map_page, lambda: map_page.evaluate(kind), "scatter3d" if webgl else "scatter")
    expect(map_page.locator(".l2v-map-words")).to_be_enabled(enabled=not webgl)
    map_page.locator("[data-side=left] .l2v-data summary").click()
    table = map_page.locator("[data-side=left] .l2v-data tr")
    expect(table).to_have_count(len(passages()) + 1)
    assert table.first.inner_text().split("\t")[:4] == ["number", "x", "y", "z"]
