"""A model of the Hub, as a visitor brings it: the page's server asks a stand-in Hub."""

from __future__ import annotations

import shutil

import pytest
from playwright.sync_api import expect
from transformers import MambaConfig, MambaForCausalLM

from llm2vec_core.presets import BUNDLED
from tests.running_app import running_app
from tests.stand_in_hub import serving
from tests.test_hub_layouts import REFERENCE
from tests.ui.conftest import open_tab, quiet, visitors_own


@pytest.fixture(scope="module")
def hub_page(browser, tmp_path_factory):
    """A page whose server reaches a Hub with a small Llama, a damaged model and one that reads in one direction."""
    folder = tmp_path_factory.mktemp("hub")
    shutil.copytree(REFERENCE / "models" / "llama", folder / "owner" / "tiny")
    shutil.copytree(REFERENCE / "models" / "llama", folder / "owner" / "damaged")
    (folder / "owner" / "damaged" / "model.safetensors").write_bytes(b"no weights")
    shutil.copytree(REFERENCE / "models" / "llama", folder / "owner" / "recurrent")
    small = MambaConfig(vocab_size=512, hidden_size=16, num_hidden_layers=1, state_size=4)
    MambaForCausalLM(small).save_pretrained(folder / "owner" / "recurrent")
    cache = str(tmp_path_factory.mktemp("cache"))
    with (
        serving(folder) as (hub, _),
        running_app("hub-server.log", HF_ENDPOINT=hub, HF_HOME=cache, HF_HUB_OFFLINE="0") as address,
    ):
        context = visitors_own(browser)
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("#prefix-badge")
        page.locator("[data-l2v=sidebar]").click()
        page.get_by_role("button", name="Another model from the Hub").click()
        page.wait_for_selector("#use-hub")
        quiet(page)
        yield page
        context.close()


def ask_for(page, name: str) -> None:
    page.locator("#hub-id input, #hub-id textarea").first.fill(name)
    page.locator("#use-hub").click()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("owner/nothing", "no public Hub repository 'owner/nothing'"),
        ("gated/model", "accept its licence"),
        ("owner/damaged", "owner/damaged"),
        ("owner/recurrent", "mamba"),
        ("../../etc/passwd", "is no Hub id"),
    ],
)
def test_what_cannot_be_used_says_why_and_the_bundled_model_stays(hub_page, name, told):
    ask_for(hub_page, name)
    expect(hub_page.locator("#model-notice")).to_contain_text(told)
    expect(hub_page.locator("#model-notice")).to_contain_text(f"You are still using {BUNDLED.label}.")
    expect(hub_page.locator("#model-notice")).not_to_contain_text("Traceback")
    expect(hub_page.locator("#in-use")).to_contain_text(BUNDLED.label)


def test_a_model_of_the_hub_is_used_in_the_tabs_and_left_again(hub_page):
    ask_for(hub_page, "owner/tiny")
    expect(hub_page.locator("#model-status")).to_contain_text("owner/tiny is in use in every tab.")
    expect(hub_page.locator("#in-use")).to_contain_text("owner/tiny")
    expect(hub_page.locator("#use-model")).to_be_enabled()  # the bundled one, which the list still shows
    hub_page.locator("#sidebar .toggle-button").click()
    open_tab(hub_page, "Compare")
    hub_page.locator("#compare-texts textarea").fill("A dog barks.\nThe dog is loud.\nSnow fell.")
    hub_page.locator("#compare-run").click()
    expect(hub_page.locator("#compare-nearest")).to_contain_text("Snow fell.")
    expect(hub_page.locator("#compare-matrices")).to_contain_text("Bidirectional, untrained")
    open_tab(hub_page, "Export")
    hub_page.locator("#away-run").click()
    expect(hub_page.locator(".l2v-away-made")).to_be_visible()
    hub_page.locator("[data-l2v=sidebar]").click()
    hub_page.locator("#use-model").click()
    expect(hub_page.locator("#in-use")).to_contain_text(BUNDLED.label)
