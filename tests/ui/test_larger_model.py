"""The page as it opens where SmolLM2 is on the machine."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from llm2vec_core.constants import stored_constants
from llm2vec_core.presets import BUNDLED, SMOLLM2
from llm2vec_core.ui.opening import FIRST_HEAD
from llm2vec_core.ui.tabs.train.copy import length_info
from tests.running_app import running_app
from tests.ui.conftest import copied_link, fill_field, open_tab, visitors_own


@pytest.fixture(scope="module")
def address():
    with running_app("larger-model.log", HF_HUB_OFFLINE="1", LLM2VEC_MODEL="") as found:
        yield found


def test_it_opens_with_the_larger_model_and_follows_a_link_to_the_other(browser, address):
    context = visitors_own(browser)
    page, problems = context.new_page(), []
    page.on("pageerror", lambda e: problems.append(str(e)))
    page.goto(address)
    expect(page.locator("#in-use")).to_contain_text(SMOLLM2.label)
    layer, head = FIRST_HEAD[SMOLLM2.key]
    expect(page.locator("#attention-picture")).to_contain_text(f"Attention in layer {layer}, head {head}")
    expect(page.locator("#badge")).to_contain_text("in all 30 layers")
    page.locator("#see-next").click()
    expect(page.locator("#see-lesson-card")).to_have_attribute("data-step", "2")

    # Known questions are answered with what is stored: opening breaks it, training mends it.
    open_tab(page, "Climb the ladder")
    areas = {stage.key: stored_constants(SMOLLM2.key).pair_cosines(stage.key).area() for stage in SMOLLM2.stages}
    assert areas["bidirectional"] < 0.7 < 0.95 < areas["mntp"]
    expect(page.locator("body")).to_contain_text(f"separation {areas['bidirectional']:.3f}")
    open_tab(page, "Train")
    page.get_by_text("Expert settings").click()
    expect(page.locator("#train-steps input")).to_have_value("8")
    expect(page.locator("#loss-plot")).to_contain_text("the starting point, “Bidirectional, untrained”")
    expect(page.locator("#train-length")).to_contain_text(length_info(SMOLLM2))
    assert f"model={SMOLLM2.key}" in copied_link(page)

    # A link that names a model alone shows that model's lesson.
    page.goto(f"{address}/?model={BUNDLED.key}")
    expect(page.locator("#in-use")).to_contain_text(BUNDLED.label)
    # The fields stay as they were drawn, as far as this model has layers: four.
    expect(page.locator("#attention-picture")).to_contain_text(f"Attention in layer 4, head {head}")

    page.goto(f"{address}/?tab=search&model={BUNDLED.key}&search_right=supervised")
    expect(page.locator("#in-use")).to_contain_text(BUNDLED.label)
    expect(page.locator("#search-note")).to_contain_text("LLM2Vec + supervised")
    expect(page.locator("#link-notice")).to_be_hidden()
    open_tab(page, "Train")
    page.get_by_text("Expert settings").click()
    expect(page.locator("#train-steps input")).to_have_value("18")
    expect(page.locator("#train-length")).to_contain_text(length_info(BUNDLED))
    # What a link says of the fields counts.
    page.goto(f"{address}/?tab=train&model={BUNDLED.key}&train_steps=3")
    page.get_by_text("Expert settings").click()
    expect(page.locator("#train-steps input")).to_have_value("3")
    expect(page.locator("#loss-plot")).to_contain_text("the starting point, “Bidirectional, untrained”")
    # A run goes on while another model is looked at: its status says which it trains, and where the adapter will be.
    fill_field(page, "train-steps", "300")
    page.locator("#train-button").click()
    told = page.locator("#training-status")
    expect(told).to_contain_text(f"{BUNDLED.label} · Step ")
    page.locator("#other-model").click()
    expect(page.locator("#in-use")).to_contain_text(SMOLLM2.label)
    expect(told).to_contain_text(f"use {BUNDLED.label} again to find it in every tab")
    page.locator("#stop-button").click()
    expect(told).to_contain_text("(you stopped it)")
    expect(told).to_contain_text(f"{BUNDLED.label} · Stopped after step ")
    expect(page.locator("#own-adapter")).to_contain_text(f"in every tab while {BUNDLED.label} is in use")
    open_tab(page, "Compare")
    open_tab(page, "Train")
    expect(page.locator("#train-length")).to_contain_text(length_info(SMOLLM2))
    expect(told).to_contain_text(f"{BUNDLED.label} · Stopped after step ")
    page.locator("#other-model").click()
    expect(page.locator("#in-use")).to_contain_text(BUNDLED.label)
    open_tab(page, "Compare")
    page.locator("#compare-right input").click()
    expect(page.get_by_role("option", name="Your adapter")).to_be_visible()
    context.close()
    assert problems == []
