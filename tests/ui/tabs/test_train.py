from __future__ import annotations

import re
import zipfile

import pytest
from playwright.sync_api import expect

from llm2vec_core.presets import ASSETS
from llm2vec_core.ui.tabs.train.settings import RECIPES, SHORT
from tests.ui.conftest import choose, fill_field, open_tab, quiet, until
from tests.ui.tabs.test_see import strips

PATIENCE = 240_000


def shorten(page, steps: int) -> None:
    fold = page.locator("#train-expert > .label-wrap")
    if "open" not in fold.get_attribute("class").split():
        fold.click()
    for name, value in (("steps", steps), ("batch-size", 4), ("max-length", 16)):
        fill_field(page, f"train-{name}", str(value))


def status(page):
    return page.locator("#training-status")


def points(page) -> list[list[float]]:
    page.wait_for_selector("#loss-plot .l2v-plot[data-drawn]")
    return page.evaluate("document.querySelector('#loss-plot .l2v-plot').data.map(t => [...t.y])")


def end_of_axis(page) -> float:
    return page.evaluate("document.querySelector('#loss-plot .l2v-plot').layout.xaxis.range")[1]


def test_before_anything_is_trained_the_chart_shows_what_a_run_begins_with(page):
    open_tab(page, "Train")
    told = page.locator("#loss-plot .l2v-notice-line")
    expect(told).to_contain_text("the starting point, “Bidirectional, untrained”", timeout=PATIENCE)
    *batches, held_out, unrelated, look_alike, longer = points(page)
    assert batches == [[], []]
    assert [len(held_out), len(unrelated), len(look_alike)] == [1, 1, 1]
    assert longer[0] == longer[1] < held_out[0]
    numbers = re.search(r"held-out loss ([\d.]+), separation ([\d.]+) ", told.inner_text()).groups()
    assert [float(number) for number in numbers] == pytest.approx([held_out[0], unrelated[0]], abs=1e-3)
    expect(page.locator("#before-after")).to_contain_text("Our held-out pairs before training")
    expect(page.locator("#before-after svg.l2v-svg circle")).to_have_count(40)
    # Another objective begins elsewhere, and its run is as long as its own recipe says.
    page.locator("#objective").get_by_text("SimCSE").click()
    expect(told).to_contain_text("the starting point, “+ MNTP”", timeout=PATIENCE)
    assert points(page)[2] != held_out
    until(page, lambda: end_of_axis(page), pytest.approx(1.02 * RECIPES["simcse"].steps[SHORT]))


def test_a_link_brings_objective_settings_and_starting_point_back(open_page):
    page = open_page(query="tab=train&train_objective=supervised&train_start=simcse&train_steps=7&train_rank=8")
    told = page.locator("#loss-plot .l2v-notice-line")
    expect(told).to_contain_text("the starting point, “LLM2Vec (+ MNTP + SimCSE)”", timeout=PATIENCE)
    expect(page.locator("#train-pairs-source")).to_be_visible()
    expect(page.locator("#train-source")).to_be_hidden()
    until(page, lambda: end_of_axis(page), 1.02 * 7)
    page.get_by_text("Expert settings").click()
    expect(page.locator("#train-rank input")).to_have_value("8")
    expect(page.locator("#start-stage input")).to_have_value("LLM2Vec (+ MNTP + SimCSE)")


def test_train_use_everywhere_download_and_nobody_else_sees_it(open_page, tmp_path):
    page, other = open_page(), open_page()
    open_tab(other, "Train")  # beforehand, so that the run is still going on when this one asks
    open_tab(page, "Train")
    shorten(page, 40)
    page.locator("#train-button").click()
    expect(status(page)).to_contain_text("Step ", timeout=PATIENCE)
    # A second visitor waits, is told so, and may leave the queue.
    other.locator("#train-button").click()
    expect(status(other)).to_contain_text("Waiting: another visitor is training")
    other.locator("#stop-button").click()
    expect(status(other)).to_contain_text("You left the queue")

    expect(status(page)).to_contain_text("Done. Step 40 of 40", timeout=PATIENCE)
    before, after = map(float, re.search(r"loss: ([\d.]+) before, ([\d.]+) after", status(page).inner_text()).groups())
    assert after < before
    until(page, lambda: [len(curve) for curve in points(page)[:2]], [40, 40])
    _, _, held_out, *others = points(page)
    assert len(held_out) >= 3
    assert [len(curve) for curve in others] == [6, 6]
    expect(page.locator("#before-after [data-separation][data-after]")).to_have_count(2)
    expect(page.locator("#before-after svg.l2v-svg circle")).to_have_count(2 * 40)
    expect(page.locator("#own-adapter")).to_contain_text("MNTP, 40 steps from Bidirectional, untrained")
    with page.expect_download() as download:
        page.locator("#train-download").click()
    download.value.save_as(tmp_path / "adapter.zip")
    assert len(zipfile.ZipFile(tmp_path / "adapter.zip").namelist()) == 4

    open_tab(page, "See it")
    expect(page.locator("#stage input")).to_have_value("Your adapter")
    page.locator("#compare-button").click()
    expect(page.locator("#see-lesson-card")).to_have_attribute("data-stage", "own")
    expect(page.locator('.l2v-strip[data-stage="own"]')).to_be_visible()
    assert list(strips(page))[-1] == "own"
    assert strips(page)["own"] != strips(page)["bidirectional"]

    # A run that fails leaves it in use, and everything on the screen.
    open_tab(page, "Train")
    page.locator("#train-learning-rate input").fill("5")
    page.locator("#train-button").click()
    expect(page.locator("#train-notice")).to_contain_text("The learning rate is 5")
    quiet(page)
    expect(status(page)).to_contain_text("Done. Step 40 of 40")
    expect(page.locator("#own-adapter")).to_contain_text("MNTP, 40 steps")
    expect(page.locator("#before-after svg.l2v-svg circle")).to_have_count(2 * 40)

    open_tab(other, "See it")
    other.locator("#stage input").click()
    expect(other.get_by_role("option", name="Bidirectional, untrained")).to_be_visible()
    quiet(other)
    assert "Your adapter" not in other.content()


def test_stop_keeps_the_last_step_and_an_uploaded_adapter_takes_its_place(page):
    open_tab(page, "Train")
    page.locator("#objective").get_by_text("SimCSE").click()
    page.get_by_text("Expert settings").click()
    # Fields that are folded away follow the objective too.
    expect(page.locator("#train-steps input")).to_have_value(str(RECIPES["simcse"].steps[SHORT]))
    expect(page.locator("#start-stage input")).to_have_value("+ MNTP")
    shorten(page, 300)
    page.locator("#train-button").press("Enter")
    expect(status(page)).to_contain_text("Step ", timeout=PATIENCE)
    # The button that was pressed can be pressed no more; a screen reader hears how far the run is.
    expect(page.locator("#stop-button")).to_be_focused()
    page.keyboard.press("Enter")
    expect(status(page)).to_contain_text("(you stopped it)", timeout=PATIENCE)
    expect(page.locator("#l2v-live")).to_contain_text("Your adapter is now an encoder in every tab")
    steps = int(re.search(r"after step (\d+) of 300", status(page).inner_text()).group(1))
    expect(page.locator("#own-adapter")).to_contain_text(f"SimCSE, {steps} step")
    expect(page.locator("#train-button")).to_be_enabled()

    page.get_by_text("Use your own adapter").click()
    page.locator("#load-adapter").click()
    expect(page.locator("#load-notice")).to_contain_text("adapter_config.json is missing")
    folder = ASSETS / "adapters" / "llm2vec-mini" / "mntp"
    page.locator("#adapter-files input[type=file]").set_input_files(
        [folder / "adapter_config.json", folder / "adapter_model.safetensors"]
    )
    expect(page.locator("#adapter-files")).to_contain_text("adapter_model")
    choose(page, "start-stage", "Bidirectional, untrained")
    page.locator("#load-adapter").click()
    expect(page.locator("#own-adapter")).to_contain_text("loaded from your files, on Bidirectional, untrained")
    expect(page.locator("#train-download")).to_be_hidden()
    open_tab(page, "See it")
    page.locator("#compare-button").click()
    expect(page.locator("#see-lesson-card")).to_have_attribute("data-stage", "own")
    expect(page.locator('.l2v-strip[data-stage="own"]')).to_be_visible()
    assert abs(strips(page)["own"] - strips(page)["mntp"]) < 1e-4


def test_own_texts_and_own_pairs(page, tmp_path):
    open_tab(page, "Train")
    shorten(page, 3)
    page.locator("#train-source").get_by_text("Your texts").click()
    page.locator("#train-pasted textarea").fill("one\ntwo\n")
    page.locator("#train-use").click()
    expect(page.locator("#train-own")).to_contain_text("2 texts from your lines")
    page.locator("#train-button").click()
    expect(page.locator("#train-notice")).to_contain_text("2 different texts are too few to train on")
    page.locator("#train-pasted textarea").fill("\n".join(f"<b>Line {i}</b> about rivers" for i in range(24)))
    page.locator("#train-use").click()
    expect(page.locator("#train-own")).to_contain_text("24 texts")
    page.locator("#train-button").click()
    expect(status(page)).to_contain_text("Done. Step 3 of 3", timeout=PATIENCE)

    page.locator("#objective").get_by_text("Supervised").click()
    quiet(page)  # the recipe is in the fields
    page.locator("#train-pairs-source").get_by_text("Your pairs").click()
    file = tmp_path / "pairs.csv"
    rows = "query,positive\n" + "".join(f"<i>q{i}</i>,ответ {i}\n" for i in range(90))
    file.write_bytes(rows.encode("cp1251"))
    page.locator("#train-pairs-file input[type=file]").set_input_files(file)
    shown = page.locator("#train-pairs-preview")
    expect(page.locator("#train-notice")).to_contain_text("choose its encoding below")
    choose(page, "train-pairs-encoding", "cp1251", exact=False)
    expect(shown.locator("tr").nth(1)).to_contain_text("ответ 0")
    expect(shown.locator("i:text('q0')")).to_have_count(0)
    for name, value in (("steps", 2), ("batch-size", 4)):
        page.locator(f"#train-{name} input").fill(str(value))
    page.locator("#train-button").click()
    expect(status(page)).to_contain_text("Done. Step 2 of 2", timeout=PATIENCE)
    expect(page.locator("#before-after h3")).to_contain_text("Your held-out pairs")
    expect(page.locator("#before-after i:text('q0')")).to_have_count(0)
