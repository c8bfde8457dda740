"""What a visitor does in See it, and what they read."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.ui.test_form import SCRIPT


def strips(page: Page) -> dict[str, float]:
    pairs = page.eval_on_selector_all(".l2v-strip", "all => all.map(s => [s.dataset.stage, s.dataset.cosine])")
    return {key: float(value) for key, value in pairs}


def prefix(page: Page, kind: str) -> list[float]:
    return [
        float(v)
        for v in page.eval_on_selector_all(f"#prefix-table td[data-{kind}]", f"all => all.map(c => c.dataset.{kind})")
    ]


def bars(page: Page, kind: str) -> list[float]:
    """Moves as the picture shows them, to three digits."""
    return [float(t) for t in page.locator(f"#see-endings svg text[data-{kind}]").all_text_contents()]


def values(page: Page) -> list[float]:
    """Numbers of the lesson's step."""
    cells = page.locator("#see-lesson [data-value]")
    return [float(cells.nth(i).get_attribute("data-value")) for i in range(cells.count())]


def settled(page: Page) -> None:
    page.evaluate(SCRIPT)
    page.wait_for_timeout(200)
    page.wait_for_function("!window.checks.busy()")


def choose(page: Page, field: str, option: str) -> None:
    page.locator(f"#{field} input").click()
    page.get_by_role("option", name=option, exact=True).click()


def write(page: Page, field: str, text: str) -> None:
    """Also what no keyboard types."""
    page.locator(f"#{field} textarea").evaluate(
        "(box, text) => { box.value = text; box.dispatchEvent(new Event('input', {bubbles: true})); }", text
    )


def test_the_first_screen_answers_before_anything_is_pressed(page):
    expect(page.locator("#prefix-badge")).to_contain_text(
        "causal holds: changing the last word moved an earlier word by 0"
    )
    expect(page.locator("#prefix-badge")).not_to_contain_text("fails")
    assert prefix(page, "causal") == [1.0, 1.0, 1.0]  # The bank was
    assert all(value < 0.995 for value in prefix(page, "bidi"))
    hero = page.locator(".l2v-see-hero b")
    expect(hero).to_have_text("1.000", use_inner_text=True)
    # A row of the mask each; the last token has no later one to look at.
    future = page.locator("#see-opening svg").first.locator(".l2v-see-future")
    rows = future.count()
    assert rows == page.locator("#see-opening svg").first.locator("text").count() - 1
    expect(future.nth(rows - 1)).to_have_css("opacity", "0")
    expect(page.locator("#see-opening .l2v-notice-line")).to_contain_text(
        "bank may look only at what stands before it", use_inner_text=True
    )
    # The switch fills the masks and the cosine drops, without the server: by keyboard, as any radio button.
    page.locator("#l2v-see-causal").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#l2v-see-bidi")).to_be_checked()
    for row in range(rows):
        expect(future.nth(row)).to_have_css("opacity", "1")
    expect(hero).to_have_text(f"{prefix(page, 'bidi')[1]:.3f}", use_inner_text=True)
    expect(page.locator("#see-opening .l2v-notice-line")).to_contain_text(
        "bank also takes in what follows, “steep and muddy.” or “robbed at noon.”", use_inner_text=True
    )
    # Who cannot see the number fall is told.
    expect(page.locator("#see-switch [role=status]")).to_contain_text("bank also takes in what follows")
    page.locator(".l2v-see-switch label").first.click()
    expect(hero).to_have_text("1.000", use_inner_text=True)
    expect(page.locator("#see-switch [role=status]")).to_contain_text("no shared vector moves")
    assert list(strips(page))[:2] == ["causal", "bidirectional"]
    attention = page.locator("#attention")
    assert float(attention.get_attribute("data-causal")) == 0.0
    assert float(attention.get_attribute("data-bidirectional")) > 0.05


def test_other_sentences_give_other_numbers_everywhere(page):
    before, lesson = strips(page), values(page)
    page.locator("#sentence-a textarea").fill("She planted a tree.")
    page.locator("#sentence-b textarea").fill("She planted a bomb in the station.")
    page.locator("#compare-button").click()
    expect(page.locator("#prefix-table tbody tr").first).to_contain_text("She")
    shared = prefix(page, "causal")
    assert len(shared) >= 3
    assert set(shared) == {1.0}
    assert min(prefix(page, "bidi")) < 0.999
    assert strips(page) != before
    assert lesson == values(page) == [1.0]
    expect(page.locator("#see-lesson")).not_to_contain_text("bank")
    expect(page.locator("#attention")).to_contain_text("She")
    page.get_by_role("button", name="The same in Python").locator("visible=true").click()
    expect(page.locator("#see-code")).to_contain_text("She planted a tree.")
    page.locator("#preset input").click()
    page.get_by_role("option").filter(has_text="word order").first.click()
    a = "In the yard the dog chased the cat."
    expect(page.locator("#sentence-a textarea")).to_have_value(a)
    expect(page.locator("#attention")).to_contain_text("dog")


def test_pooling_and_encoder_can_be_chosen(page):
    before = strips(page)
    choose(page, "pooling", "first token")
    expect(page.locator("#similarity")).to_contain_text("(first token)")
    after = strips(page)
    # The begin token of a causal model sees nothing but itself: any two sentences are the same to it.
    assert after["causal"] == 1.0
    assert after[list(after)[-1]] < 0.999
    assert before != after
    ending = bars(page, "bidi")
    choose(page, "stage", "Bidirectional, untrained")
    expect(page.locator("#see-heads")).to_contain_text("heads of Bidirectional, untrained")
    expect(page.locator("#see-endings")).to_contain_text("Bidirectional, untrained")
    assert bars(page, "bidi") != ending
    expect(page.locator("#prefix")).to_contain_text("Bidirectional, untrained: ")
    expect(page.locator("#similarity")).to_contain_text("(first token)")


def test_an_ending_moves_the_beginning_in_one_direction_only(page):
    assert len(bars(page, "causal")) == 4  # <s> The bank was
    before = bars(page, "bidi")
    page.locator("#see-ending textarea").press_sequentially(" Nobody saw it", delay=10)
    expect(page.locator("#see-endings")).to_contain_text("robbed at noon. Nobody saw it")
    assert set(bars(page, "causal")) == {0.0}
    assert bars(page, "bidi") != before
    assert min(bars(page, "bidi")) > 0.001
    page.get_by_label("Relative distance").check()
    expect(page.locator("#see-endings h3")).to_contain_text("in lengths of the first")
    assert set(bars(page, "causal")) == {0.0}
    page.locator("#see-ending textarea").fill("steep and muddy.")
    expect(page.locator("#see-endings")).to_contain_text("Both endings are the same")
    assert set(bars(page, "bidi")) == {0.0}
    drawn = len(bars(page, "causal"))
    page.locator("#see-beginning textarea").fill(" ")
    expect(page.locator("#ending-notice")).to_contain_text("The beginning is empty")
    assert len(bars(page, "causal")) == drawn > 4
    page.locator("#see-beginning textarea").fill("A <b id=evil>bank</b> was")
    expect(page.locator("#see-endings svg")).to_contain_text("bank")
    expect(page.locator("#ending-notice .l2v-notice")).to_be_empty()
    assert page.locator("#evil").count() == 0


def test_layer_head_and_sentence_of_the_attention_picture(page):
    page.locator("#which").get_by_text("Sentence B").click()
    expect(page.locator("#attention")).to_contain_text(re.compile("noon|no"))
    choose(page, "head", "4")
    expect(page.locator("#attention-picture")).to_contain_text("layer 2, head 4")
    heads = page.locator("#see-grid [data-head]")
    assert heads.count() == 4 * 6
    chosen = page.locator('#see-grid [aria-pressed="true"]')
    expect(chosen).to_have_attribute("data-head", "4")
    # A thumbnail is pressed; the two fields, the large picture and the mark follow.
    page.locator('#see-grid [data-layer="3"][data-head="1"]').click()
    expect(page.locator("#attention-picture")).to_contain_text("layer 3, head 1")
    expect(page.locator("#layer input")).to_have_value("3")
    expect(page.locator("#head input")).to_have_value("1")
    expect(chosen).to_have_attribute("data-layer", "3")
    share = float(chosen.get_attribute("data-share"))
    assert float(page.locator("#attention").get_attribute("data-bidirectional")) == pytest.approx(share, abs=2e-4)
    # By keyboard alone: one stop for all heads, arrows move, Enter chooses.
    assert page.locator('#see-grid [data-head][tabindex="0"]').count() == 1
    chosen.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#attention-picture")).to_contain_text("layer 2, head 2")
    assert float(page.locator("#attention").get_attribute("data-causal")) == 0.0
    # What is no choice is not taken.
    page.locator("#layer input").fill("99")
    page.locator("#layer input").press("Tab")
    settled(page)
    expect(page.locator("#attention-picture")).to_contain_text("layer 2, head 2")


def test_seven_steps_each_with_a_number_of_ones_own_sentences(page):
    page.locator("#sentence-a textarea").fill("The light was switched off.")
    page.locator("#sentence-b textarea").fill("The light was easy to carry.")
    page.locator("#compare-button").click()
    expect(page.locator("#see-lesson")).to_contain_text("light stands in both of your sentences")
    assert values(page) == [1.0]
    expect(page.get_by_role("button", name="← Previous")).to_be_visible()
    seen = {1: values(page)}
    for number in range(2, 8):
        page.get_by_role("button", name="Next →").click()
        expect(page.locator("#see-lesson h3")).to_contain_text(f"Step {number} of 7")
        expect(page.locator("#see-step").get_by_label(str(number), exact=True)).to_be_checked()
        seen[number] = values(page)
        assert seen[number]
    light = prefix(page, "bidi")[1]
    assert seen[2][0] == 0
    assert 0 < seen[2][1] < 1
    assert seen[3][0] == 1.0
    assert light in seen[3]
    assert len(seen[4]) == 4
    assert seen[5][0] == 1.0 > seen[5][1]
    assert len(seen[6]) == len(strips(page))
    assert f"{seen[7][0]:.3f}" == "0.000"
    assert seen[7][1] > 0.001
    expect(page.locator("#see-lesson")).to_contain_text("causal holds, bidirectional holds")
    page.get_by_role("button", name="Next →").click()
    settled(page)
    expect(page.locator("#see-lesson h3")).to_contain_text("Step 7 of 7")
    page.get_by_role("button", name="← Previous").click()
    expect(page.locator("#see-lesson h3")).to_contain_text("Step 6 of 7")
    # By keyboard alone, as a slider: the arrow keys go from step to step and stop at the end.
    page.locator("#see-step").get_by_label("6", exact=True).focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#see-lesson h3")).to_contain_text("Step 5 of 7")
    expect(page.locator("#see-step").get_by_label("5", exact=True)).to_be_focused()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#see-lesson h3")).to_contain_text("Step 7 of 7")


def test_an_empty_sentence_is_named_and_nothing_is_lost(page):
    before = page.locator("#prefix").inner_text()
    page.locator("#sentence-b textarea").fill("   ")
    page.locator("#compare-button").click()
    expect(page.locator("#compare-notice")).to_contain_text("Sentence B is empty")
    page.get_by_role("button", name="Next →").click()
    expect(page.locator("#lesson-notice")).to_contain_text("Sentence B is empty")
    expect(page.locator("#see-lesson h3")).to_contain_text("Step 1 of 7")
    assert page.locator("#prefix").inner_text() == before
    page.locator("#sentence-b textarea").fill("The bank was closed.")
    page.locator("#compare-button").click()
    expect(page.locator("#prefix svg").nth(1)).to_contain_text("cl")
    expect(page.locator("#compare-notice .l2v-notice")).to_be_empty()


def test_hostile_and_odd_texts_are_shown_and_not_run(page):
    dialogs = []
    page.on("dialog", lambda d: (dialogs.append(d.message), d.dismiss()))
    for text in (
        "The <img src=x onerror=alert(1)><script>alert(2)</script> bank",
        "The ${alert(3)} {{constructor}} bank",
        "The \u202eשלום עולם 😀👩‍👩‍👧 bank",
        "The \x07\x1b[31m bank",
        "The \ud83d bank",
    ):
        write(page, "sentence-a", text)
        write(page, "see-ending", text)
        page.locator("#sentence-b textarea").fill("The end")
        page.locator("#compare-button").click()
        expect(page.locator("#prefix-table tbody tr")).to_have_count(1)
        expect(page.locator("#prefix")).to_contain_text("end")
        expect(page.locator("#compare-notice .l2v-notice")).to_be_empty()
        settled(page)
    assert page.locator("#prefix img, #attention img, #see-endings img, #see-lesson img").count() == 0
    assert dialogs == []


def test_a_text_of_100_000_characters_is_refused_with_its_size(page):
    write(page, "sentence-a", "word " * 20_000)
    page.locator("#compare-button").click()
    expect(page.locator("#compare-notice")).to_contain_text("100,000 characters; at most 20,000")
    assert prefix(page, "causal") == [1.0, 1.0, 1.0]


def test_a_link_brings_sentences_step_and_head_back(open_page, server):
    page = open_page()
    page.goto(
        f"{server}/?tab=see&see_a=The+bank+was+closed.&see_b=The+bank+was+flooded.&see_step=3&see_layer=4&see_head=3"
        "&see_ending=gone.&see_stage=mntp"
    )
    expect(page.locator("#see-lesson h3")).to_contain_text("Step 3 of 7")
    expect(page.locator("#attention-picture")).to_contain_text("layer 4, head 3")
    expect(page.locator("#sentence-a textarea")).to_have_value("The bank was closed.")
    expect(page.locator("#see-endings")).to_contain_text("Other ending: gone.")
    expect(page.locator("#see-heads")).to_contain_text("heads of + MNTP")
    expect(page.locator("#see-step").get_by_label("3", exact=True)).to_be_checked()
    expect(page.locator('#see-grid [aria-pressed="true"]')).to_have_attribute("data-layer", "4")
    assert prefix(page, "causal") == [1.0, 1.0, 1.0]
