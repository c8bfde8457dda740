from __future__ import annotations

import pytest
from playwright.sync_api import expect

from llm2vec_core.bundled_data import queries
from tests.ui.conftest import open_tab


@pytest.fixture
def search(page):
    open_tab(page, "Search")
    expect(page.locator("#left-hits li")).to_have_count(8)
    expect(page.locator("#right-hits li")).to_have_count(8)
    return page


def ids(page, side: str) -> list[str]:
    return page.eval_on_selector_all(f"#{side}-hits li", "all => all.map(li => li.dataset.id)")


def test_two_ranked_lists_are_there_when_the_tab_opens(search):
    assert ids(search, "left") != ids(search, "right")
    for side in ("left", "right"):
        cosines = search.eval_on_selector_all(
            f"#{side}-hits .meta", "all => all.map(e => parseFloat(e.innerText.slice(4)))"
        )
        assert cosines == sorted(cosines, reverse=True)
    left, right = (float(search.locator(f"#{s}-hits .ndcg").inner_text()) for s in ("left", "right"))
    assert 0 < left < right < 1


def test_rank_changes_agree_with_the_other_list(search):
    left, right = ids(search, "left"), ids(search, "right")
    moves = search.eval_on_selector_all("#right-hits .meta", "all => all.map(e => e.innerText.split('\\n')[1])")
    for rank, (name, move) in enumerate(zip(right, moves, strict=True)):
        if name in left:
            change = left.index(name) - rank
            assert move == ("=" if change == 0 else f"{'▲' if change > 0 else '▼'} {abs(change)}")


def test_a_typed_question(search):
    before = ids(search, "right")
    search.locator("#query textarea, #query input").first.fill("Why does money buy less than it used to?")
    search.locator("#search-button").click()
    expect(search.locator("#search-note")).to_contain_text("Why does money buy less")
    expect(search.locator("#search-note")).to_contain_text("are known and marked")
    assert ids(search, "right") != before
    search.locator("#query textarea, #query input").first.fill("something without labels <b>bold</b>")
    search.locator("#search-button").click()
    expect(search.locator("#search-note")).to_contain_text("No labels exist")
    assert search.locator("#search-note b").count() == 0


def test_an_example_and_another_encoder(search):
    expect(search.locator("#right-hits li").first).to_contain_text("answers it")
    search.get_by_text("ways to haul people up a steep mountainside").first.click()
    search.locator("#search-button").click()
    expect(search.locator("#search-note")).to_contain_text("mountainside")
    expect(search.locator("#right-hits li").first).to_contain_text("answers it")
    search.locator("#left-encoder input").click()
    search.get_by_role("option", name="LLM2Vec").click()
    expect(search.locator("#left-hits h3")).to_contain_text("LLM2Vec")
    assert ids(search, "left") == ids(search, "right")


def test_a_lone_surrogate_is_no_trouble(search):
    search.locator("#query textarea, #query input").first.evaluate(
        "(box, text) => { box.value = text; box.dispatchEvent(new Event('input', {bubbles: true})); }", "rivers \ud83d"
    )
    search.locator("#search-button").click()
    expect(search.locator("#search-note")).to_contain_text("rivers \ufffd")
    expect(search.locator("#right-hits li")).to_have_count(8)


def test_an_empty_question(search):
    before = ids(search, "left")
    search.locator("#query textarea, #query input").first.fill("")
    search.locator("#search-button").click()
    expect(search.locator("#search-notice")).to_contain_text("The question is empty")
    assert ids(search, "left") == before


def test_the_labelled_queries_are_the_ones_the_page_counts(search):
    expect(search.locator("#left-hits")).to_contain_text(f"all {len(queries())} labelled queries")
