"""What a visitor does in Compare, and what they read."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from llm2vec_core.bundled_data import text_groups
from llm2vec_core.presets import BUNDLED
from llm2vec_core.ui.encoders import encoder_options
from llm2vec_core.ui.tabs.compare import charts
from tests.ui.conftest import choose, open_tab, quiet, until

GROUP = text_groups()[0]


@pytest.fixture(scope="module")
def compare(visitor):
    page = visitor
    open_tab(page, "Compare")
    expect(page.locator(f".l2v-compare[data-count='{len(GROUP.texts)}']")).to_be_visible()
    # The first visitor may come while the yardsticks of all encoders are still being made.
    expect(page.locator("#compare-pool td[data-key]").first).to_be_visible(timeout=120_000)
    return page


def matrices(page: Page) -> tuple[np.ndarray, np.ndarray]:
    # In one task of the browser: they are drawn anew together.
    count, data = page.locator(".l2v-compare").evaluate(
        "e => [Number(e.dataset.count), JSON.parse(e.dataset.matrices)]"
    )
    first, second = (np.array(values).reshape(count, count) for values in data["values"])
    return first, second


def write(page: Page, text: str) -> None:
    page.locator("#compare-texts textarea").evaluate(
        "(box, text) => { box.value = text; box.dispatchEvent(new Event('input', {bubbles: true})); }", text
    )
    page.locator("#compare-run").click()


def test_a_group_is_there_and_its_cells_can_be_asked(compare):
    first, second = matrices(compare)
    np.testing.assert_allclose(first, first.T)
    box = compare.locator(".l2v-compare")
    pairs = np.triu_indices(len(first), 1)
    low, high = (float(box.get_attribute(f"data-{name}")) for name in ("low", "high"))
    assert low == pytest.approx(min(first[pairs].min(), second[pairs].min()), abs=1e-3)
    assert high == pytest.approx(max(first[pairs].max(), second[pairs].max()), abs=1e-3)
    span = float(box.get_attribute("data-span"))
    assert span == pytest.approx(np.abs(second - first)[pairs].max(), abs=1e-3)
    numbers = compare.locator("#compare-summary .l2v-numbers")
    assert float(numbers.get_attribute("data-first")) < float(numbers.get_attribute("data-second"))
    expect(compare.locator("#compare-summary [data-ahead]")).to_have_attribute("data-ahead", "second")
    # The neighbours are those of the matrices.
    np.fill_diagonal(first, -9)
    nearest = [int(v) - 1 for v in compare.eval_on_selector_all(
        ".l2v-compare-texts li", "rows => rows.map(row => row.dataset.first)")]  # fmt: skip
    assert nearest == first.argmax(axis=1).tolist()
    # By keyboard: the first matrix, from 1 and 2 one to the right and one down: 2 and 3.
    matrix = compare.locator(".l2v-compare-matrix").first
    matrix.focus()
    compare.keyboard.press("ArrowRight")
    compare.keyboard.press("ArrowDown")
    expect(compare.locator(".l2v-compare-read")).to_contain_text(GROUP.texts[2])
    expect(compare.locator(".l2v-compare-read")).to_contain_text(f"{first[1, 2]:.3f}".replace("-", "−"))
    compare.keyboard.press("Enter")
    expect(compare.locator("#compare-pool")).to_contain_text(f"3. {GROUP.texts[2]}")
    mean = compare.locator("#compare-pool td[data-key=causal][data-pooling=mean]")
    assert float(mean.get_attribute("data-cosine")) == pytest.approx(first[1, 2], abs=1e-3)
    # By pointer: the cell of row 4 and column 1.
    area = matrix.bounding_box()
    scale, side = area["width"] / charts.WIDTH, charts.SIDE / len(first)
    matrix.click(position={"x": (charts.LEFT + side / 2) * scale, "y": (charts.TOP + 3.5 * side) * scale})
    expect(compare.locator("#compare-pool")).to_contain_text(f"4. {GROUP.texts[3]}")


def test_percentiles_another_encoder_and_another_group(compare):
    compare.locator("#compare-measure").get_by_text("percentile among").click()
    expect(compare.locator("#compare-first h3")).to_contain_text("percentile among our unrelated pairs")
    box = compare.locator(".l2v-compare")
    expect(box).to_have_attribute("data-low", "0.0000")
    expect(box).to_have_attribute("data-high", "100.0000")
    first, _ = matrices(compare)
    assert first.min() >= 0
    assert first.max() <= 100
    assert np.unique(first).size > 3
    # The last one is the encoder-only model, wherever it is installed; Static has the page's own code below.
    rival = encoder_options(BUNDLED, baselines=True, encoder_only=True)[-1].label
    choose(compare, "compare-left", rival, exact=False)
    expect(compare.locator("#compare-first h3")).to_contain_text(rival)
    expect(compare.locator("#compare-neighbors")).to_contain_text(rival)
    choose(compare, "compare-left", "Static token embeddings", exact=False)
    expect(compare.locator("#compare-first h3")).to_contain_text("Static token embeddings")
    choose(compare, "compare-group", "Word order", exact=False)
    expect(compare.locator("#compare-summary h3")).to_have_text("Word order")
    # The same words in another order: bare token embeddings cannot tell them apart.
    compare.locator("#compare-measure").get_by_text("raw cosine").click()
    expect(compare.locator("#compare-first h3")).to_have_text("Static token embeddings: cosine")
    first, second = matrices(compare)
    assert first[0, 1] == pytest.approx(1.0, abs=1e-4)
    assert second[0, 1] < 0.9999
    compare.get_by_text("The same in Python").locator("visible=true").click()
    expect(compare.locator("#compare-code")).to_contain_text("BASELINES['static']")


def test_own_texts_bad_input_and_nothing_is_lost(compare):
    dialogs = []
    compare.on("dialog", lambda d: (dialogs.append(d.message), d.dismiss()))
    before = compare.locator("#compare-neighbors").inner_text()
    notice = compare.locator("#compare-texts-notice")
    for text, message in (
        ("", "There are no texts"),
        ("only one", "There is 1 text in the box"),
        ("x\n" * 41, "There are 41 texts in the box; at most 40"),
        ("a\n" + "word " * 20_000, "Text 2 has 99,999 characters; at most 20,000"),
    ):
        write(compare, text)
        expect(notice).to_contain_text(message)
        quiet(compare)
        assert compare.locator("#compare-neighbors").inner_text() == before
    write(compare, "<img src=x onerror=alert(1)>\n${alert(2)} {{constructor}} \ud83d")
    expect(compare.locator(".l2v-compare[data-count='2']")).to_be_visible()
    expect(notice.locator(".l2v-notice")).to_be_empty()
    expect(compare.locator("#compare-neighbors")).to_contain_text("<img src=x onerror=alert(1)>")
    strips = compare.locator("#compare-strips .l2v-strip")
    expect(strips).to_have_count(2)
    cosine = pytest.approx(matrices(compare)[0][0, 1], abs=1e-3)
    until(compare, lambda: float(strips.first.get_attribute("data-cosine")), cosine)
    compare.locator(".l2v-compare-matrix").first.focus()
    compare.keyboard.press("ArrowUp")
    expect(compare.locator(".l2v-compare-read")).to_contain_text("2. ${alert(2)}")
    expect(compare.locator("#tab-compare img")).to_have_count(0)
    write(compare, "the same\n" * 40)
    expect(compare.locator(".l2v-compare[data-count='40']")).to_be_visible()
    expect(compare.locator(".l2v-compare-texts [data-changed='0']")).to_have_count(40)
    # A file of one's own, with labels, takes the place of the box.
    head = compare.get_by_role("button", name="Your own texts: from a file")
    head.click()
    expect(compare.locator("#compare-take")).to_be_visible()
    expect(head).to_be_visible()
    compare.locator("#compare-upload input[type=file]").set_input_files(
        {
            "name": "mine.csv",
            "mimeType": "text/csv",
            "buffer": b"text,label\nThe river rose.,water\nThe stream was high.,water\nHe paid the bill.,money\n",
        }
    )
    expect(compare.locator("#compare-texts textarea")).to_have_value(
        "The river rose.\nThe stream was high.\nHe paid the bill."
    )
    expect(compare.locator("#compare-summary")).to_contain_text("a pair with the same label")
    expect(compare.locator("#compare-neighbors")).to_contain_text("✓ same label")
    assert dialogs == []


def test_texts_loaded_in_another_tab_are_there_and_said_to_be(page):
    open_tab(page, "Search")
    page.locator("#search-source").get_by_label("Your texts").check()
    page.locator("#search-pasted textarea").fill("a river\na bank\na boat")
    page.locator("#search-use").click()
    expect(page.locator("#search-own")).to_contain_text("3 texts from your lines")
    open_tab(page, "Compare")
    page.get_by_role("button", name="Your own texts").click()
    expect(page.locator("#compare-own")).to_contain_text("3 texts from your lines")
    open_tab(page, "Export")
    page.locator("#away-source").get_by_label("Your texts").check()
    expect(page.locator("#away-own")).to_contain_text("3 texts from your lines")
