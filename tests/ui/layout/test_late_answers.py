"""Answers that come late: what a visitor asked last is what they see last, however long the others take."""

from __future__ import annotations

import threading

import pytest
from playwright.sync_api import expect

from llm2vec_core.presets import BUNDLED
from llm2vec_core.ui.app import build_app, launch_settings
from llm2vec_core.ui.models import Models
from llm2vec_core.ui.tabs.compare import view as compare_view
from llm2vec_core.ui.tabs.search import model as search_model
from llm2vec_core.ui.tabs.see import model as see_model
from tests.running_app import free_port
from tests.ui.conftest import choose, open_tab, quiet, visitors_own


@pytest.fixture(scope="module")
def own_server():
    models = Models(presets={BUNDLED.key: BUNDLED})
    demo = build_app(models)
    port = free_port()
    demo.launch(
        server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, quiet=True, **launch_settings(models)
    )
    yield f"http://127.0.0.1:{port}"
    demo.close(verbose=False)


@pytest.fixture
def own_page(browser, own_server):
    context = visitors_own(browser)
    page = context.new_page()
    page.goto(own_server)
    page.wait_for_selector("#prefix-badge")
    yield page
    context.close()


class Held:
    """A function of the server whose first call ends when it is let go."""

    def __init__(self, monkeypatch, module, name: str) -> None:
        self.real, self.calls = getattr(module, name), 0
        self.begun, self.free, self.ended = threading.Event(), threading.Event(), threading.Event()
        monkeypatch.setattr(module, name, self)

    def __call__(self, *args):
        self.calls += 1
        first = self.calls == 1
        if first:
            self.begun.set()
            assert self.free.wait(240)
        try:
            return self.real(*args)
        finally:
            if first:
                self.ended.set()

    def let_go(self, page) -> None:
        """Let the first call end, and its answer arrive."""
        self.free.set()
        assert self.ended.wait(240)
        quiet(page)


@pytest.fixture
def held(monkeypatch):
    found = []

    def hold(module, name: str) -> Held:
        found.append(Held(monkeypatch, module, name))
        return found[-1]

    yield hold
    for each in found:
        each.free.set()


def test_ones_own_texts_are_not_covered_by_what_the_tab_opened_with(own_page, held):
    slow = held(compare_view, "compare")
    open_tab(own_page, "Compare")
    assert slow.begun.wait(120)
    own_page.locator("#compare-texts textarea").fill("A dog barks.\nThe dog is loud.\nSnow fell.")
    own_page.locator("#compare-run").click()
    expect(own_page.locator("#compare-nearest")).to_contain_text("Snow fell.")
    expect(own_page.locator("#compare-pool")).to_contain_text("1. A dog barks.")
    slow.let_go(own_page)
    expect(own_page.locator(".l2v-compare[data-count='3']")).to_be_visible()
    expect(own_page.locator("#compare-nearest")).to_contain_text("Snow fell.")
    expect(own_page.locator("#compare-pool")).to_contain_text("1. A dog barks.")
    expect(own_page.locator("#compare-texts textarea")).to_have_value("A dog barks.\nThe dog is loud.\nSnow fell.")
    # The other way round too: texts that are wrong leave the place to the answer that is on its way.
    slow = held(compare_view, "compare")
    own_page.locator("#compare-texts textarea").fill("A cat.\nA kitten.")
    own_page.locator("#compare-run").click()
    assert slow.begun.wait(120)
    own_page.locator("#compare-texts textarea").fill("alone")
    open_tab(own_page, "Search")
    open_tab(own_page, "Compare")
    expect(own_page.locator("#compare-texts-notice")).to_contain_text("There is 1 text in the box")
    slow.let_go(own_page)
    expect(own_page.locator(".l2v-compare[data-count='2']")).to_be_visible()
    expect(own_page.locator("#compare-texts-notice")).to_contain_text("There is 1 text in the box")


def test_ones_own_question_is_not_covered_by_what_the_tab_opened_with(own_page, held):
    slow = held(search_model, "search")
    open_tab(own_page, "Search")
    assert slow.begun.wait(120)
    own_page.locator("#search-query textarea, #search-query input").first.fill("a zebra in the rain")
    own_page.locator("#search-button").click()
    expect(own_page.locator("#search-note")).to_contain_text("a zebra in the rain")
    before = own_page.locator("#search-left-hits").inner_text()
    slow.let_go(own_page)
    expect(own_page.locator("#search-note")).to_contain_text("a zebra in the rain")
    assert own_page.locator("#search-left-hits").inner_text() == before


def test_a_step_and_a_head_that_were_chosen_meanwhile_stay(own_page, held):
    slow = held(see_model, "likenesses")
    own_page.locator("#sentence-b textarea").fill("The bank was closed.")
    own_page.locator("#compare-button").click()
    assert slow.begun.wait(120)
    own_page.get_by_role("button", name="Next →").click()
    expect(own_page.locator("#see-lesson-card")).to_have_attribute("data-step", "2")
    # A press while the same button's answer is on its way counts too.
    own_page.locator("#sentence-b textarea").fill("The bank was open at noon.")
    own_page.locator("#compare-button").click()
    slow.let_go(own_page)
    expect(own_page.locator('#see-spine [data-sentence="b"][aria-label^="at,"]')).to_be_visible()
    expect(own_page.locator("#see-lesson-card")).to_have_attribute("data-step", "2")
    quiet(own_page)
    slow = held(see_model, "heads")
    for elem_id, number in (("layer", "3"), ("head", "4")):
        choose(own_page, elem_id, number)
        assert slow.begun.wait(120)
    slow.let_go(own_page)
    expect(own_page.locator("#attention-picture")).to_contain_text("layer 3, head 4")
    expect(own_page.locator("#head input")).to_have_value("4")
