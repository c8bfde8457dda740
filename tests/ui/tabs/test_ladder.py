from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from llm2vec_core.presets import BUNDLED
from llm2vec_core.published import MTEB
from llm2vec_core.ui.tabs.ladder import model
from tests.ui.conftest import choose, open_tab, quiet

# Milliseconds. The first visitor of a fresh server waits for every encoder, on a busy machine for long.
PATIENCE = 240_000
KEYS = [stage.key for stage in BUNDLED.stages]


@pytest.fixture(scope="module")
def ladder(visitor):
    open_tab(visitor, "Climb the ladder")
    visitor.wait_for_selector("#ladder-cloze", timeout=PATIENCE)
    return visitor


def unfold(page, name: str) -> None:
    """As a visitor does: by the table of contents, which also opens what is folded."""
    page.locator(f".l2v-ladder-toc a[href='#ladder-fold-{name}']").click()
    expect(page.locator(f"#ladder-fold-{name} .label-wrap")).to_have_class(re.compile("open"))


def shown(page, measure: str) -> float:
    return float(page.locator(f"#ladder-rung [data-measure={measure}]").get_attribute("data-value"))


def test_climbing_shows_each_rungs_own_numbers(ladder, context):
    expect(ladder.locator("#ladder-rung")).to_have_attribute("data-stage", BUNDLED.default.key)
    # By keyboard, as a slider: the arrow keys climb.
    ladder.locator(f"#ladder-stage input[value={KEYS[0]}]").focus()
    ladder.keyboard.press("Space")
    expect(ladder.locator("#ladder-rung")).to_have_attribute("data-stage", KEYS[0])
    for key in KEYS[1:]:
        ladder.keyboard.press("ArrowRight")
        expect(ladder.locator("#ladder-rung")).to_have_attribute("data-stage", key)
        expected = context.pair_cosines(key)
        # In the same panel as the rung's name.
        assert shown(ladder, "separation") == pytest.approx(expected.separation().score, abs=2e-3)
        assert shown(ladder, "unrelated") == pytest.approx(expected.mean("unrelated"), abs=1e-3)
    ladder.keyboard.press("ArrowDown")
    expect(ladder.locator("#ladder-rung")).to_have_attribute("data-stage", KEYS[-2])
    ladder.locator("#ladder-stage input[value=echo]").check()
    expect(ladder.locator("#ladder-rung")).to_have_attribute("data-stage", "echo")
    expect(ladder.locator("#ladder-rung")).to_contain_text("tokens instead of")
    expect(ladder.locator("#ladder-histograms text").filter(has_text="▸")).to_have_text("▸ Causal, echo")
    unfold(ladder, "echo")
    echo = float(ladder.locator("[data-echo=echo]").inner_text())
    # The stairs rise to be as high as the scores on them.
    expect(ladder.locator("#ladder-stage label")).to_have_count(len(KEYS) + 2)
    ladder.wait_for_function(
        """() => [...document.querySelectorAll('#ladder-stage label')].map(e => getComputedStyle(e, '::after'))
          .every(s => Math.abs(parseFloat(s.height) - parseFloat(s.content.slice(1))) < 0.6)"""
    )
    assert echo == pytest.approx(context.pair_cosines("echo").separation().score, abs=2e-3)


def test_blanks_are_filled_and_wrong_ones_lose_nothing(ladder, context):
    for choice, (blank,) in model.fill(
        context, model.Session(), "The war _ in 1945 with the surrender of germany.", "ended"
    ).rows:
        place = ladder.locator(f"[data-fill={choice.key}] .l2v-ladder-asked")
        expect(place).to_have_attribute("data-rank", str(blank.rank))
    cloze = ladder.locator("[data-cloze=mntp] b").inner_text()
    assert float(cloze.rstrip("%")) == pytest.approx(100 * context.cloze("mntp").within(5), abs=0.4)
    before = ladder.locator("#ladder-fills").inner_text()
    for wrong, message in (("no blank here", "no blank"), ("un_able", "whole word"), ("", "empty")):
        ladder.locator("#ladder-text textarea").fill(wrong)
        ladder.locator("#ladder-fill-button").click()
        expect(ladder.locator("#ladder-fill-notice .l2v-notice")).to_contain_text(message)
        quiet(ladder)
        assert ladder.locator("#ladder-fills").inner_text() == before
    ladder.locator("#ladder-text textarea").fill("<img src=x onerror=alert(1)> The _ and the _ .")
    ladder.locator("#ladder-expected textarea").fill("river")
    ladder.locator("#ladder-fill-button").click()
    expect(ladder.locator("[data-fill=mntp] ol")).to_have_count(2)
    expect(ladder.locator("#ladder-fill-notice .l2v-notice")).to_have_text("")
    expect(ladder.locator("#ladder-filled img")).to_have_count(0)
    choose(ladder, "ladder-example", "where trains stop", exact=False)
    expect(ladder.locator("[data-fill=mntp] .l2v-ladder-asked")).to_contain_text("station")


def test_published_numbers_are_drawn_and_marked_as_such(ladder):
    unfold(ladder, "published")
    ladder.wait_for_selector("#ladder-published .l2v-plot[data-drawn]")
    drawn = "document.querySelector('#ladder-published .l2v-plot').data.reduce((n, t) => n + t.x.length, 0)"
    assert ladder.evaluate(drawn) == len(MTEB)
    expect(ladder.locator("#ladder-published .gtitle")).to_contain_text("Published")
    expect(ladder.locator("#ladder-published .l2v-data tbody tr")).to_have_count(len(MTEB))


def test_the_measured_scores_change_with_the_kind_of_task(ladder):
    summary = model.stored_ladder(BUNDLED.key)
    ladder.wait_for_selector("#ladder-chart .l2v-plot[data-drawn]")
    unfold(ladder, "scores")
    expect(ladder.locator("#ladder-sets tbody tr")).to_have_count(len(summary.encoders))
    kind = summary.kinds[1]
    ladder.locator(f"#ladder-kind input[value={kind}]").check()
    last = ladder.locator("#ladder-sets tbody td:last-child")
    expect(ladder.locator("#ladder-sets thead th")).to_have_count(2 + len(summary.sets(kind)))
    expect(last.first).to_have_text(f"{summary.encoders[0].means[kind].score:.1f}")
    scores = [float(cell) for cell in last.all_inner_texts()]
    assert scores == [pytest.approx(row.means[kind].score, abs=0.051) for row in summary.encoders]


def test_the_table_of_contents_leads_to_every_part(ladder):
    links = ladder.locator(".l2v-ladder-toc a").all()
    assert len(links) > 4
    for link in links:
        link.click()
        target = ladder.locator(link.get_attribute("href"))
        expect(target).to_be_in_viewport()
        fold = target.locator("> .label-wrap")
        if fold.count():
            expect(fold).to_be_focused()
            expect(fold).to_have_class(re.compile("open"))
    ladder.wait_for_selector("#ladder-efficiency .l2v-plot[data-drawn]")


def test_the_code_names_the_chosen_rung(ladder):
    ladder.locator("#ladder-stage input[value=static]").check()
    expect(ladder.locator("#ladder-rung")).to_have_attribute("data-stage", "static")
    ladder.get_by_role("button", name=re.compile("The same in Python")).last.click()
    expect(ladder.locator("#ladder-code")).to_contain_text("BASELINES['static']")
