from __future__ import annotations

import csv
import io
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from llm2vec_core.bundled_data import passages, queries
from llm2vec_core.presets import BUNDLED
from llm2vec_core.ui.limits import Limits
from llm2vec_core.ui.tabs.search import copy
from tests.ui.conftest import choose, open_tab, quiet

TOP = Limits().results


def with_hits(page):
    open_tab(page, "Search")
    for side in ("left", "right"):
        expect(page.locator(f"#search-{side}-hits li")).to_have_count(TOP)
    quiet(page)
    return page


@pytest.fixture(scope="module")
def search(visitor):
    return with_hits(visitor)


def rows(page, side: str) -> list[int]:
    return [
        int(row) for row in page.eval_on_selector_all(f"#search-{side}-hits li", "all => all.map(e => e.dataset.row)")
    ]


def ask(page, question: str) -> None:
    page.locator("#search-query textarea, #search-query input").first.fill(question)
    page.locator("#search-button").click()


def test_our_collection(search):
    # There when the tab opens: two lists, scores of all labelled questions, the rank of each one's answer.
    left, right = rows(search, "left"), rows(search, "right")
    assert left != right
    cosines = search.eval_on_selector_all("#search-right-hits li", "all => all.map(e => +e.dataset.cosine)")
    assert cosines == sorted(cosines, reverse=True)
    written = search.locator("#search-scores svg.l2v-svg g > text")
    expect(written).to_have_count(6)
    shown = [float(score) for score in written.all_text_contents()]
    assert all(0 < score < 1 for score in shown)
    expect(search.locator("#search-scores")).to_contain_text(f"{len(queries())} test questions")
    table = search.eval_on_selector_all(
        "#search-queries tbody tr", "all => all.map(r => [...r.cells].map(c => c.textContent))"
    )
    assert {row[0] for row in table} == {q.query for q in queries()}
    mrr = [np.mean([1 / int(row[column].replace(",", "")) for row in table]) for column in (1, 2)]
    assert shown[2:4] == pytest.approx(mrr, abs=6e-4)
    # The first example's claim is made of the numbers in the lists.
    note = search.locator("#search-note").inner_text()
    before, after = (int(x) for x in re.search(r"rank (\d+) with .* rank (\d+) with", note).groups())
    first = next(q for q in queries() if q.query == copy.EXAMPLES[0].query)
    answers = {i for i, p in enumerate(passages()) if p.id in first.relevant}
    marked = search.locator("#search-right-hits li", has_text="answers it")
    expect(marked).to_have_count(len(answers & set(right)))
    assert (min((right.index(i) + 1 for i in answers & set(right)), default=TOP + 1) == after) or after > TOP
    assert before > after

    # Both lists as csv.
    with search.expect_download() as found:
        search.locator("#search-table [data-export=csv]").click()
    lines = list(csv.reader(io.StringIO(found.value.path().read_text(encoding="utf-8-sig"))))
    assert [int(line[4]) - 1 for line in lines[1:]] == [*left, *right]

    # Another example, an instruction, another encoder.
    choose(search, "search-example", copy.EXAMPLES[1].query, exact=False)
    expect(search.locator("#search-note")).to_contain_text(copy.EXAMPLES[1].point)
    before = rows(search, "left")
    search.locator("#search-instruction textarea, #search-instruction input").first.fill("Find a passage <b>now</b>:")
    search.locator("#search-instruction textarea, #search-instruction input").first.press("Enter")
    expect(search.locator("#search-note")).to_contain_text("with the instruction Find a passage <b>now</b>:")
    assert rows(search, "left") != before
    choose(search, "search-right", "Causal")
    expect(search.locator("#search-right-hits h3")).to_have_text("Causal")
    assert rows(search, "left") == rows(search, "right")
    expect(search.locator("#search-queries")).to_contain_text(f"level: {len(queries())}")


def test_questions_that_are_no_questions(search):
    before = rows(search, "left")
    ask(search, "")
    expect(search.locator("#search-notice")).to_contain_text("The question is empty")
    quiet(search)
    assert rows(search, "left") == before
    search.locator("#search-query textarea, #search-query input").first.evaluate(
        "(box, text) => { box.value = text; box.dispatchEvent(new Event('input', {bubbles: true})); }", "rivers \ud83d"
    )
    search.locator("#search-button").click()
    expect(search.locator("#search-note")).to_contain_text("rivers \ufffd")
    ask(search, "<img src=x onerror=alert(1)> rivers")
    expect(search.locator("#search-note")).to_contain_text("<img src=x onerror=alert(1)> rivers")
    expect(search.locator("#search-note")).to_contain_text("no answer key")
    expect(search.locator("#search-note img")).to_have_count(0)
    ask(search, "x" * 20_001)
    expect(search.locator("#search-notice")).to_contain_text("at most 20,000 fit")
    expect(search.locator("#search-right-hits li")).to_have_count(TOP)
    ask(search, "rivers")
    expect(search.locator("#search-note")).to_contain_text("Nearest to rivers")


def test_an_example_replaces_the_question_only_when_another_one_is_chosen(page):
    search = with_hits(page)
    question = search.locator("#search-query textarea, #search-query input").first
    before = rows(search, "left")
    question.fill("How do zebras hide in tall grass?")
    # A list of choices tells that it was left, whether or not anything was chosen there.
    examples = search.locator("#search-example input")
    with search.expect_response(lambda answer: "/queue/join" in answer.url):
        examples.focus()
        examples.press("Escape")
        examples.press("Tab")
    quiet(search)
    search.locator("#search-button").click()
    expect(search.locator("#search-left-hits li").first).not_to_have_attribute("data-row", str(before[0]))
    expect(question).to_have_value("How do zebras hide in tall grass?")
    examples.click()
    search.get_by_role("option").filter(has_text=copy.EXAMPLES[1].query).click()
    expect(question).to_have_value(copy.EXAMPLES[1].query)


def test_texts_of_ones_own(search, tmp_path):
    search.get_by_label("Your texts").check()
    expect(search.locator("#search-notice")).to_contain_text("not loaded any texts yet")
    search.locator("#search-pasted textarea").fill(
        "a river in flood\n<b>a bank</b> that lends money\n\nbread and butter"
    )
    search.locator("#search-use").click()
    expect(search.locator("#search-note")).to_contain_text("among 3 texts")
    expect(search.locator("#search-right-hits li")).to_have_count(3)
    expect(search.locator("#search-right-hits li b")).to_have_count(0)
    expect(search.locator("#search-below")).to_contain_text("No scores")

    # More than are indexed without being asked: bare words take no time, a model can be stopped.
    words = ["river", "bank", "bread", "star", "train"]
    count = 4 * Limits().index_at_once
    file = tmp_path / "many.csv"
    rest = " of the many that come and go along the way" * 3  # so that there is something left to stop
    lines = (f"{words[i % 5]} number {i}{rest},{words[i % 5]}" for i in range(count))
    file.write_text("text,topic\n" + "\n".join(lines))
    for side in ("left", "right"):
        choose(search, f"search-{side}", "Static token embeddings", exact=False)
        expect(search.locator(f"#search-{side}-hits h3")).to_have_text("Static token embeddings")
    search.locator("#search-upload input[type=file]").set_input_files(file)
    expect(search.locator("#search-notice")).to_contain_text(f"{count:,} texts are loaded, but not yet indexed")
    expect(search.locator("#search-right-hits li")).to_have_count(3)
    search.locator("#search-index").click()
    expect(search.locator("#search-status")).to_contain_text(f"{count:,} texts are indexed")
    expect(search.locator("#search-note")).to_contain_text(f"among {count:,} texts")
    expect(search.locator("#search-scores")).to_contain_text(f"{Limits().scored_queries} of your texts")
    ask(search, "a train")
    expect(search.locator("#search-note")).to_contain_text("Nearest to a train")
    # Who cannot see that the lists are others is told.
    expect(search.locator("#l2v-live")).to_contain_text("of the first 8 are in both lists")
    assert set(search.locator("#search-right-hits .topic").all_inner_texts()) == {"train"}

    choose(search, "search-right", BUNDLED.default.label)
    expect(search.locator("#search-notice")).to_contain_text("not yet indexed with LLM2Vec")
    search.locator("#search-index").click()
    expect(search.locator("#search-status")).to_contain_text(re.compile(rf"[1-9]\d* of {count:,} vectors"))
    search.locator("#search-stop").click()
    expect(search.locator("#search-status")).to_contain_text("Stopped")
    # What was indexed before still answers.
    choose(search, "search-right", "Static token embeddings", exact=False)
    expect(search.locator("#search-notice")).not_to_contain_text("not yet indexed")
    ask(search, "a loaf of bread")
    expect(search.locator("#search-note")).to_contain_text("a loaf of bread")
    expect(search.locator("#search-right-hits .topic").first).to_have_text("bread")
