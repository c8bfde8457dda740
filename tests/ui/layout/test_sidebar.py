"""Choosing a model: as a visitor does it, in a page of its own that offers tiny models."""

from __future__ import annotations

import re
from dataclasses import replace

import gradio as gr
import pytest
from playwright.sync_api import expect

from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.presets import BIDIRECTIONAL, BUNDLED, CAUSAL, SMOLLM2, ModelPreset
from llm2vec_core.ui.app import build_app, launch_settings
from llm2vec_core.ui.encoders import encoder_options
from llm2vec_core.ui.layout import facts
from llm2vec_core.ui.layout.sidebar import follow, settled, switch
from llm2vec_core.ui.models import Fit, Models
from llm2vec_core.ui.page import Page
from llm2vec_core.ui.session import Session
from tests.conftest import tiny_llama
from tests.running_app import free_port
from tests.ui.conftest import copied_link, open_tab, quiet, visitors_own


@pytest.fixture(scope="module")
def presets(tmp_path_factory) -> dict[str, ModelPreset]:
    folder = tmp_path_factory.mktemp("hub") / "tiny"
    tokenizer = LLM2Vec.from_pretrained(BUNDLED.base).tokenizer
    tiny_llama(vocab_size=len(tokenizer), num_hidden_layers=2).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    tiny = ModelPreset("tiny", "Tiny <b>model</b>", str(folder), "MIT", 50_000, (CAUSAL, BIDIRECTIONAL))
    huge = replace(tiny, key="huge", label="Huge", parameters=10**15)
    lost = replace(tiny, key="lost", label="Lost", base="owner/lost", gated=True)
    return {preset.key: preset for preset in (BUNDLED, tiny, huge, lost)}


@pytest.fixture(scope="module")
def models(presets) -> Models:
    return Models(presets=presets)


@pytest.fixture(scope="module")
def own_server(presets):
    # Not the other tests': which models are in memory would depend on who came first.
    models = Models(presets=presets)
    demo = build_app(models)
    port = free_port()
    demo.launch(
        server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, quiet=True, **launch_settings(models)
    )
    yield f"http://127.0.0.1:{port}"
    demo.close(verbose=False)


@pytest.fixture
def drawn(models):
    with gr.Blocks() as demo:
        page = Page(models, gr.State(Session()), demo)
        page.picker("any", baselines=True)
        page.picker("two-sided", causal=False)
    return page


def test_a_model_is_taken_into_use_and_pickers_never_show_what_is_gone(drawn, models):
    session = Session()
    told = list(switch(drawn, session, "tiny", ("causal", "simcse")))
    assert told[0][1].startswith("Reading")
    notice, status, same, stages, in_use, details, use, first, second = told[-1]
    assert (notice, status, same.model_key) == ("", "Tiny <b>model</b> is in use in every tab.", "tiny")
    assert "Tiny &lt;b&gt;model&lt;/b&gt;" in stages
    assert "<b>model" not in in_use + details + stages
    assert (use["value"], use["interactive"]) == ("In use", False)
    assert [key for _, key in first["choices"]] == ["causal", "bidirectional", "echo", "static"]
    assert "value" not in first  # "causal" is there too
    assert [key for _, key in second["choices"]] == ["bidirectional"]
    assert second["value"] == "bidirectional"
    list(switch(drawn, session, BUNDLED.key, ("echo", "bidirectional")))
    assert session.model_key == BUNDLED.key
    session.model_key = "tiny"
    updates = settled(drawn, session, ("mntp", "bidirectional"))
    assert updates[drawn.pickers[0].component]["value"] == "bidirectional"


def test_a_link_s_model_is_taken_if_it_is_in_memory(drawn, models):
    session = Session()
    for wanted in (None, BUNDLED.key, "huge", "nothing", "hub:owner/name", "../mini"):
        assert follow(drawn, session, wanted, ("causal", "simcse")) is None
        assert session.model_key == BUNDLED.key
    list(models.load("tiny"))
    notice, *_, second = follow(drawn, session, "tiny", ("causal", "simcse"))
    assert (notice, session.model_key, second["value"]) == ("", "tiny", "bidirectional")
    drawn.linked.update(any_left=drawn.pickers[0].component, any_right=drawn.pickers[1].component)
    found = drawn.fields_of(session)
    assert [key for _, key in found["any_right"].choices] == ["bidirectional"]
    assert [key for _, key in drawn.fields_of(Session())["any_right"].choices] == [
        stage.key for stage in BUNDLED.stages if stage.bidirectional
    ]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("huge", "Huge needs about .* GB are free"),
        ("lost", "the Hub is out of reach"),
        ("hub:assets/models", "nothing from this server's disk"),
        ("hub:", "is no Hub id"),
        ("nothing", "unknown model"),
    ],
)
def test_what_cannot_be_loaded_leaves_everything_as_it_was(drawn, models, wanted, message):
    session = Session()
    notice, status, same, stages, in_use, *_ = list(switch(drawn, session, wanted, ("causal", "simcse")))[-1]
    assert re.search(message, notice)
    assert notice.endswith("You are still using LLM2Vec-mini (bundled).")
    assert (status, same.model_key) == ("", BUNDLED.key)
    assert stages == gr.skip()
    assert "LLM2Vec-mini (bundled)" in in_use


def test_facts_of_a_model():
    preset = replace(BUNDLED, key="x", base="owner/x", gated=True, parameters=7_000_000_000, license="L<3>")
    assert "does not fit" in facts.model_details(preset, Fit(32_200_000_000, 8 * 10**9), False).lower()
    fits = facts.model_details(preset, Fit(10**9, 8 * 10**9), False)
    assert "Fits: it needs about 1.0 GB and 8.0 GB are free here. It is gated" in fits
    assert "L&lt;3&gt;" in fits
    copies = len({stage.adapters for stage in preset.stages}) - 1
    assert f"each of its {copies} trained stages takes the same again" in fits
    assert "In memory" in facts.model_details(BUNDLED, Fit(0, 1), True)
    assert facts.stage_meanings("m", encoder_options(BUNDLED)).count("<dt") == len(BUNDLED.stages)


def test_a_visitor_chooses_a_model_and_every_picker_follows(browser, own_server):
    context = visitors_own(browser)
    page = context.new_page()
    problems = []
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.goto(own_server)
    page.wait_for_selector("#prefix-badge")
    expect(page.locator("#in-use")).to_contain_text("LLM2Vec-mini")
    page.locator("[data-l2v=sidebar]").click()
    expect(page.locator("#sidebar .toggle-button")).to_be_focused()
    model = page.locator("#model input")
    model.click()
    page.locator("#model").get_by_role("option").filter(has_text="Huge").click()
    expect(page.locator("#model-details")).to_contain_text("Does not fit: it needs about 4600000.0 GB")
    expect(page.locator("#use-model")).to_be_disabled()
    model.click()
    page.locator("#model").get_by_role("option").filter(has_text="Lost").click()
    expect(page.locator("#model-details")).to_contain_text("It is gated")
    page.locator("#use-model").click()
    expect(page.locator("#model-notice")).to_contain_text("the Hub is out of reach")
    model.click()
    page.locator("#model").get_by_role("option").filter(has_text="Tiny").click()
    page.locator("#use-model").click()
    expect(page.locator("#model-status")).to_contain_text("Tiny <b>model</b> is in use in every tab.")
    expect(page.locator("#in-use")).to_contain_text("Tiny <b>model</b>")
    expect(page.locator("#stage-meanings")).not_to_contain_text("MNTP")
    expect(page.locator("#use-model")).to_have_text("In use")
    expect(page.locator("#use-model")).to_be_disabled()
    page.locator("#sidebar .toggle-button").click()
    expect(page.locator("[data-l2v=sidebar]")).to_be_focused()

    # The tab that is open is computed anew.
    heads = page.locator("#see-grid svg[role=group]")
    expect(heads).to_have_attribute("aria-label", re.compile(r"^2 layers"))

    open_tab(page, "Export")
    expect(page.locator("#away-encoder input")).to_have_value("Bidirectional, untrained")
    page.locator("#away-run").click()
    expect(page.locator(".l2v-away-made")).to_have_attribute("data-dimensions", "32")
    assert "model=tiny" in copied_link(page)
    # Another one is computed anew when it is opened.
    page.locator("[data-l2v=sidebar]").click()
    model.click()
    page.get_by_role("option").filter(has_text=BUNDLED.label).click()
    page.locator("#use-model").click()
    expect(page.locator("#in-use")).to_contain_text(BUNDLED.label)
    page.locator("#sidebar .toggle-button").click()
    open_tab(page, "See it")
    expect(heads).to_have_attribute("aria-label", re.compile(r"^4 layers"))

    other = context.new_page()
    other.goto(own_server + "/?tab=away&model=gone")
    expect(other.locator("#link-notice")).to_contain_text("was made with the model 'gone'")
    expect(other.locator("#in-use")).to_contain_text("LLM2Vec-mini")  # a visitor's choice is theirs alone
    other.goto(own_server + "/?tab=away&model=tiny")
    expect(other.locator("#in-use")).to_contain_text("Tiny <b>model</b>")
    quiet(other)
    expect(other.locator("#link-notice")).to_be_hidden()
    context.close()
    assert problems == []


def test_one_press_brings_the_larger_model_and_another_one_the_bundled_one_back(page):
    button = page.locator("#other-model")
    expect(button).to_have_text(f"Use {SMOLLM2.label}")
    button.click()
    expect(page.locator("#in-use")).to_contain_text(SMOLLM2.label)
    expect(button).to_have_text(f"Use {BUNDLED.label}")
    expect(page.locator("#badge")).to_be_visible()
    button.click()
    expect(page.locator("#in-use")).to_contain_text(BUNDLED.label)
    expect(button).to_have_text(f"Use {SMOLLM2.label}")
