from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.ui.conftest import open_tab
from tests.ui.tabs.test_see import strips


def set_steps(page, steps: int) -> None:
    box = page.locator("#steps input[type=number]")
    box.fill(str(steps))
    box.press("Enter")


def test_train_use_in_compare_and_nobody_else_sees_it(open_page):
    page = open_page()
    open_tab(page, "Train")
    set_steps(page, 20)
    page.locator("#train-button").click()
    page.wait_for_selector("#loss-plot .l2v-plot[data-drawn]")
    expect(page.locator("#training-status")).to_contain_text("Done. Step 20 of 20", timeout=120_000)
    status = page.locator("#training-status").inner_text()
    before, after = map(float, re.search(r"Held-out loss: ([\d.]+) before, ([\d.]+) after", status).groups())
    assert after < before
    curve = page.evaluate("document.querySelector('#loss-plot .l2v-plot').data.map(t => t.y.length)")
    assert curve[:2] == [20, 20]
    assert curve[2] >= 3
    open_tab(page, "See it")
    expect(page.locator("#stage input")).to_have_value("Your adapter")
    page.locator("#compare-button").click()
    expect(page.locator("#prefix")).to_contain_text("Your adapter")
    assert list(strips(page))[-1] == "own"
    assert strips(page)["own"] != strips(page)["bidirectional"]

    other = open_page()
    other.locator("#stage input").click()
    expect(other.get_by_role("option")).to_have_count(3)
    assert "Your adapter" not in other.content()


def test_stop_keeps_the_last_step(page):
    open_tab(page, "Train")
    page.locator("#objective").get_by_text("SimCSE").click()
    set_steps(page, 400)
    page.locator("#train-button").click()
    expect(page.locator("#training-status")).to_contain_text("Step ", timeout=120_000)
    page.locator("#stop-button").click()
    expect(page.locator("#training-status")).to_contain_text("Stopped. The adapter keeps its last step (SimCSE,")
    open_tab(page, "See it")
    expect(page.locator("#stage input")).to_have_value("Your adapter")
    # The queue is free again: a second run starts.
    open_tab(page, "Train")
    set_steps(page, 10)
    page.locator("#train-button").click()
    expect(page.locator("#training-status")).to_contain_text("Done. Step 10 of 10", timeout=120_000)


def test_wrong_input_is_named(page):
    open_tab(page, "Train")
    page.locator("#own-texts textarea").fill("one\ntwo\n")
    page.locator("#train-button").click()
    expect(page.locator("#train-notice")).to_contain_text("2 texts are too few to learn from; give at least 16")
    page.locator("#own-texts textarea").fill("")
    page.get_by_text("Expert settings").click()
    page.locator("#learning-rate input").fill("5")
    page.locator("#train-button").click()
    expect(page.locator("#train-notice")).to_contain_text("The learning rate is 5")
    expect(page.locator("#training-status")).to_contain_text("Nothing trained yet")


def test_own_texts_are_trained_on(page):
    open_tab(page, "Train")
    page.locator("#own-texts textarea").fill("\n".join(f"<b>Line {i}</b> about rivers and banks" for i in range(24)))
    set_steps(page, 10)
    page.locator("#train-button").click()
    expect(page.locator("#training-status")).to_contain_text("Done. Step 10 of 10", timeout=120_000)
