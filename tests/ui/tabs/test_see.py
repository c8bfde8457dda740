"""What a visitor does in See it, and what they read."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.ui.conftest import choose, quiet


def strips(page: Page) -> dict[str, float]:
    expect(page.locator(".l2v-strip").first).to_be_visible()
    pairs = page.eval_on_selector_all(".l2v-strip", "all => all.map(s => [s.dataset.stage, s.dataset.cosine])")
    return {key: float(value) for key, value in pairs}


def prefix(page: Page, kind: str) -> list[float]:
    """Cosines of the shared tokens, from the table under the picture: "causal" or "bidi"."""
    column = {"causal": 1, "bidi": 2}[kind]
    page.wait_for_selector("#see-spine .l2v-data tbody tr", state="attached")
    rows = page.eval_on_selector_all(
        "#see-spine .l2v-data tbody tr", f"all => all.map(row => row.cells[{column}].textContent)"
    )
    return [float(v) for v in rows]


def answer(page: Page, option: str) -> None:
    page.locator("#see-spine .l2v-see-question").get_by_role("button", name=option, exact=True).click()


def show(page: Page) -> None:
    answer(page, "Just show me")


def bars(page: Page, kind: str) -> list[float]:
    """Moves as the picture shows them, to three digits."""
    page.wait_for_selector("#see-endings svg")
    return [float(t) for t in page.locator(f"#see-endings svg text[data-{kind}]").all_text_contents()]


def values(page: Page) -> list[float]:
    """Numbers of the lesson's step, once its answer is open."""
    expect(page.locator("#see-spine .l2v-see-answer")).to_be_visible()
    found = page.eval_on_selector_all(
        "#see-spine .l2v-see-answer text[data-value]", "all => all.map(e => e.dataset.value)"
    )
    return [float(value) for value in found]


def write(page: Page, field: str, text: str) -> None:
    """Also what no keyboard types."""
    page.locator(f"#{field} textarea").evaluate(
        "(box, text) => { box.value = text; box.dispatchEvent(new Event('input', {bubbles: true})); }", text
    )


def test_the_first_screen_answers_before_anything_is_pressed(visitor):
    expect(visitor.locator("#prefix-badge")).to_contain_text(
        "causal holds: changing the last word moved an earlier word by 0"
    )
    expect(visitor.locator("#prefix-badge")).not_to_contain_text("fails")
    assert prefix(visitor, "causal") == [1.0, 1.0, 1.0, 1.0]  # <s> The bank was
    assert all(value < 0.995 for value in prefix(visitor, "bidi"))
    hero = visitor.locator(".l2v-see-hero b").first
    expect(hero).to_have_text("1.000", use_inner_text=True)
    picture = visitor.locator("#see-spine .l2v-see-sentences svg").first
    ahead, moved = picture.locator("path.l2v-see-future"), picture.locator(".l2v-see-cell-bidi")
    tokens = picture.locator("[data-token]").count() - 1
    assert tokens > 4
    expect(ahead).to_have_count(tokens * (tokens - 1) // 2)
    expect(ahead.first).to_have_css("opacity", "0")
    expect(moved.first).to_have_css("opacity", "0")
    # The switch draws the arcs from later words and the cosines drop, without the server: by keyboard, as any radio button.
    expect(picture.locator('[data-token][tabindex="0"]')).to_have_count(1)  # its script has run
    visitor.locator("#l2v-see-causal").focus()
    visitor.keyboard.press("ArrowRight")
    expect(visitor.locator("#l2v-see-bidi")).to_be_checked()
    expect(picture.locator("path.l2v-see-future.l2v-see-stressed").first).to_have_css("opacity", "1")
    expect(moved.first).to_have_css("opacity", "1")
    expect(hero).to_have_text(f"{prefix(visitor, 'bidi')[2]:.3f}", use_inner_text=True)
    # Who cannot see the number fall is told.
    expect(visitor.locator("#see-switch [role=status]")).to_contain_text(f"{prefix(visitor, 'bidi')[2]:.3f}")
    visitor.locator(".l2v-see-switch label").first.click()
    expect(hero).to_have_text("1.000", use_inner_text=True)
    expect(visitor.locator("#see-switch [role=status]")).to_contain_text("1.000")
    assert list(strips(visitor))[:2] == ["causal", "bidirectional"]
    attention = visitor.locator("#attention")
    assert float(attention.get_attribute("data-causal")) == 0.0
    assert float(attention.get_attribute("data-bidirectional")) > 0.05


def test_a_term_is_explained_on_focus(visitor):
    term = visitor.locator(".l2v-term").first
    tip = term.locator("[role=tooltip]")
    expect(tip).to_be_hidden()
    term.focus()
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("list of numbers")


def test_a_question_comes_before_its_answer(visitor):
    told = visitor.locator("#see-spine .l2v-see-answer")
    expect(told).to_be_hidden()
    answer(visitor, "all of them")
    expect(told).to_contain_text("No. The answer is “<s> The”")
    expect(visitor.locator("#see-spine .l2v-see-question .right")).to_have_text("<s> The")
    assert len(values(visitor)) == 2
    visitor.get_by_role("button", name="Next →").click()
    expect(visitor.locator("#see-lesson-card")).to_have_attribute("data-step", "2")
    expect(told).to_be_hidden()
    answer(visitor, "all that the model can see up to this word is the same in both")
    expect(told).to_contain_text("Right.")
    # A step that was answered stays answered.
    visitor.get_by_role("button", name="← Back").click()
    expect(visitor.locator("#see-lesson-card")).to_have_attribute("data-step", "1")
    expect(told).to_contain_text("No. The answer")


def test_a_part_of_the_picture_is_pressed_and_read(visitor):
    lens = visitor.locator("#see-lens")
    expect(lens.locator(".l2v-see-lens")).to_have_attribute("data-token", "2")  # bank, in Sentence B
    visitor.locator('#see-spine [data-sentence="a"][data-token="4"]').click()
    expect(lens.locator(".l2v-see-lens")).to_have_attribute("data-sentence", "a")
    expect(lens.locator('[aria-pressed="true"]')).to_contain_text("ste")
    rows = lens.locator(".l2v-see-lens tbody tr")
    expect(rows).to_have_count(5)
    expect(rows.last.locator("td").nth(1).locator("span")).to_have_count(5)
    expect(lens).to_be_in_viewport()
    lens.get_by_role("button", name="whole sentence").nth(1).click()
    expect(lens.locator(".l2v-see-lens")).to_have_attribute("data-token", "pooled")
    # By keyboard alone: one stop for all columns, arrows move, Enter reads.
    chosen = visitor.locator("#see-spine .l2v-see-sentences svg").nth(1).locator('[data-token][tabindex="0"]')
    expect(chosen).to_have_count(1)
    chosen.focus()
    visitor.keyboard.press("End")
    visitor.keyboard.press("ArrowLeft")
    visitor.keyboard.press("Enter")
    expect(lens.locator(".l2v-see-lens")).to_have_attribute("data-sentence", "b")
    expect(lens.locator('[aria-pressed="true"]')).to_have_text(".")


def test_pooling_and_encoder_can_be_chosen(visitor):
    before = strips(visitor)
    choose(visitor, "pooling", "first token")
    expect(visitor.locator("#similarity")).to_contain_text("(first token)")
    after = strips(visitor)
    # The begin token of a causal model sees nothing but itself: any two sentences are the same to it.
    assert after["causal"] == 1.0
    assert after[list(after)[-1]] < 0.999
    assert before != after
    ending = bars(visitor, "bidi")
    choose(visitor, "stage", "Bidirectional, untrained")
    expect(visitor.locator("#see-heads")).to_contain_text("heads of Bidirectional, untrained")
    expect(visitor.locator("#see-endings")).to_contain_text("Bidirectional, untrained")
    assert bars(visitor, "bidi") != ending
    expect(visitor.locator("#see-lesson-card")).to_have_attribute("data-stage", "bidirectional")
    quiet(visitor)
    expect(visitor.locator("#similarity")).to_contain_text("(first token)")


def test_an_ending_moves_the_beginning_in_one_direction_only(visitor):
    assert len(bars(visitor, "causal")) == 4  # <s> The bank was
    before = bars(visitor, "bidi")
    visitor.locator("#see-ending textarea").press_sequentially(" Nobody saw it", delay=10)
    expect(visitor.locator("#see-endings")).to_contain_text("robbed at noon. Nobody saw it")
    assert set(bars(visitor, "causal")) == {0.0}
    assert bars(visitor, "bidi") != before
    assert min(bars(visitor, "bidi")) > 0.001
    visitor.get_by_label("Relative distance").check()
    expect(visitor.locator("#see-endings h3")).to_contain_text("in lengths of the first")
    assert set(bars(visitor, "causal")) == {0.0}
    visitor.locator("#see-ending textarea").fill("steep and muddy.")
    expect(visitor.locator("#see-endings")).to_contain_text("Both endings are the same")
    assert set(bars(visitor, "bidi")) == {0.0}
    drawn = len(bars(visitor, "causal"))
    visitor.locator("#see-beginning textarea").fill(" ")
    expect(visitor.locator("#ending-notice")).to_contain_text("The beginning is empty")
    quiet(visitor)
    assert len(bars(visitor, "causal")) == drawn > 4
    visitor.locator("#see-beginning textarea").fill("A <b id=evil>bank</b> was")
    expect(visitor.locator("#see-endings svg")).to_contain_text("bank")
    expect(visitor.locator("#ending-notice .l2v-notice")).to_be_empty()
    expect(visitor.locator("#evil")).to_have_count(0)


def test_layer_head_and_sentence_of_the_attention_picture(visitor):
    visitor.locator("#which").get_by_text("Sentence B").click()
    expect(visitor.locator("#attention")).to_contain_text(re.compile("noon|no"))
    choose(visitor, "head", "4")
    expect(visitor.locator("#attention-picture")).to_contain_text("layer 2, head 4")
    heads = visitor.locator("#see-grid [data-head]")
    expect(heads).to_have_count(4 * 6)
    chosen = visitor.locator('#see-grid [aria-pressed="true"]')
    expect(chosen).to_have_attribute("data-head", "4")
    # A thumbnail is pressed; the two fields, the large picture and the mark follow.
    visitor.locator('#see-grid [data-layer="3"][data-head="1"]').click()
    expect(visitor.locator("#attention-picture")).to_contain_text("layer 3, head 1")
    expect(visitor.locator("#layer input")).to_have_value("3")
    expect(visitor.locator("#head input")).to_have_value("1")
    expect(chosen).to_have_attribute("data-layer", "3")
    share = float(chosen.get_attribute("data-share"))
    assert float(visitor.locator("#attention").get_attribute("data-bidirectional")) == pytest.approx(share, abs=2e-4)
    # By keyboard alone: one stop for all heads, arrows move, Enter chooses.
    expect(visitor.locator('#see-grid [data-head][tabindex="0"]')).to_have_count(1)
    chosen.focus()
    visitor.keyboard.press("ArrowUp")
    visitor.keyboard.press("ArrowRight")
    visitor.keyboard.press("Enter")
    expect(visitor.locator("#attention-picture")).to_contain_text("layer 2, head 2")
    assert float(visitor.locator("#attention").get_attribute("data-causal")) == 0.0
    # What is no choice is not taken.
    visitor.locator("#layer input").fill("99")
    visitor.locator("#layer input").press("Tab")
    quiet(visitor)
    expect(visitor.locator("#attention-picture")).to_contain_text("layer 2, head 2")
    # A layer of the picture is opened at one of its heads.
    visitor.locator('#see-spine g[data-sentence="a"][data-layer="3"]').click()
    expect(visitor.locator("#attention-picture")).to_contain_text("layer 3, head")
    expect(visitor.locator("#which").get_by_label("Sentence A")).to_be_checked()
    expect(visitor.locator("#layer input")).to_have_value("3")


def test_an_empty_sentence_is_named_and_nothing_is_lost(visitor):
    before = visitor.locator("#see-spine").inner_text()
    visitor.locator("#sentence-b textarea").fill("   ")
    visitor.locator("#compare-button").click()
    expect(visitor.locator("#compare-notice")).to_contain_text("Sentence B is empty")
    visitor.get_by_role("button", name="Next →").click()
    quiet(visitor)
    expect(visitor.locator("#see-lesson-card")).to_have_attribute("data-step", "1")
    # Said where it was typed, and nowhere else.
    expect(visitor.get_by_text("Sentence B is empty")).to_have_count(1)
    expect(visitor.locator("#compare-notice")).to_contain_text("Sentence B is empty")
    visitor.locator('#see-spine [data-sentence="a"][data-token="1"]').click()
    expect(visitor.locator("#lens-notice")).to_contain_text("Sentence B is empty")
    quiet(visitor)
    assert visitor.locator("#see-spine").inner_text() == before
    visitor.locator("#sentence-b textarea").fill("The bank was closed.")
    visitor.locator("#compare-button").click()
    expect(visitor.locator("#see-spine .l2v-see-sentences svg").nth(1)).to_contain_text("cl")
    expect(visitor.locator("#compare-notice .l2v-notice")).to_be_empty()


def test_a_text_of_100_000_characters_is_refused_with_its_size(visitor):
    write(visitor, "sentence-a", "word " * 20_000)
    visitor.locator("#compare-button").click()
    expect(visitor.locator("#compare-notice")).to_contain_text("100,000 characters; at most 20,000")
    quiet(visitor)
    assert prefix(visitor, "causal") == [1.0, 1.0, 1.0, 1.0]


def test_other_sentences_give_other_numbers_everywhere(visitor):
    strip = visitor.locator('.l2v-strip[data-stage="simcse"]')
    before = strip.get_attribute("data-cosine")
    visitor.locator("#sentence-a textarea").fill("She planted a tree.")
    visitor.locator("#sentence-b textarea").fill("She planted a bomb in the station.")
    visitor.locator("#compare-button").click()
    expect(visitor.locator("#see-spine .l2v-see-sentences svg").first).to_contain_text("She")
    shared = prefix(visitor, "causal")
    assert len(shared) >= 4
    assert set(shared) == {1.0}
    assert min(prefix(visitor, "bidi")) < 0.999
    expect(strip).not_to_have_attribute("data-cosine", before)
    expect(visitor.locator("#see-spine")).not_to_contain_text("bank")
    expect(visitor.locator("#see-lens")).to_contain_text("bomb")
    expect(visitor.locator("#attention")).to_contain_text("She")
    visitor.get_by_role("button", name="The same in Python").locator("visible=true").click()
    expect(visitor.locator("#see-code")).to_contain_text("She planted a tree.")


def test_an_example_takes_no_words_by_itself_and_gives_them_back(visitor):
    a, b = visitor.locator("#sentence-a textarea"), visitor.locator("#sentence-b textarea")
    undo, examples = visitor.locator("#preset-undo"), visitor.locator("#preset input")
    a.fill("The mouse ran away.")
    b.fill("The mouse was unplugged.")
    # Passed through with the Tab key, opened and left, opened and given up: nothing was chosen.
    examples.focus()
    visitor.keyboard.press("Tab")
    examples.click()
    visitor.locator("#hero").click()
    examples.click()
    visitor.keyboard.press("Escape")
    visitor.keyboard.press("Tab")
    quiet(visitor)
    expect(a).to_have_value("The mouse ran away.")
    expect(undo).to_be_hidden()
    examples.click()
    visitor.get_by_role("option").filter(has_text="word order").first.click()
    expect(a).to_have_value("In the yard the dog chased the cat.")
    expect(visitor.locator("#see-spine .l2v-see-sentences svg").first).to_contain_text("dog")
    undo.click()
    expect(a).to_have_value("The mouse ran away.")
    expect(b).to_have_value("The mouse was unplugged.")
    expect(visitor.locator("#see-spine .l2v-see-sentences svg").first).not_to_contain_text("dog")
    # The same example can be chosen once more, also by keyboard.
    examples.focus()
    visitor.keyboard.type("word order")
    visitor.keyboard.press("Enter")
    expect(a).to_have_value("In the yard the dog chased the cat.")


def test_hostile_and_odd_texts_are_shown_and_not_run(visitor):
    dialogs = []
    visitor.on("dialog", lambda d: (dialogs.append(d.message), d.dismiss()))
    for text in (
        "The <img src=x onerror=alert(1)><script>alert(2)</script> bank",
        "The ${alert(3)} {{constructor}} bank",
        "The \u202eשלום עולם 😀👩‍👩‍👧 bank",
        "The \x07\x1b[31m bank",
        "The \ud83d bank",
    ):
        write(visitor, "sentence-a", text)
        write(visitor, "see-ending", text)
        visitor.locator("#sentence-b textarea").fill("The end")
        visitor.locator("#compare-button").click()
        quiet(visitor)
        expect(visitor.locator("#see-spine .l2v-data tbody tr")).to_have_count(2)
        expect(visitor.locator("#see-spine")).to_contain_text("end")
        expect(visitor.locator("#compare-notice .l2v-notice")).to_be_empty()
    expect(visitor.locator("#see-spine img, #attention img, #see-endings img, #see-lens img")).to_have_count(0)
    assert dialogs == []


def test_eight_steps_each_with_a_number_of_ones_own_sentences(visitor):
    visitor.locator("#sentence-a textarea").fill("The light was switched off.")
    visitor.locator("#sentence-b textarea").fill("The light was easy to carry.")
    visitor.locator("#compare-button").click()
    card = visitor.locator("#see-lesson-card")
    expect(card.locator("legend em")).to_have_text("light")
    seen, stages = {}, {}
    for number in range(1, 9):
        expect(card).to_have_attribute("data-step", str(number))
        expect(visitor.locator("#see-step").get_by_role("radio").nth(number - 1)).to_be_checked()
        show(visitor)
        seen[number], stages[number] = values(visitor), card.get_attribute("data-stage")
        # The switch follows the step: what is about the opened model shows it.
        opened = card.get_attribute("data-switch") == "bidi"
        expect(visitor.locator("#l2v-see-bidi" if opened else "#l2v-see-causal")).to_be_checked()
        if number < 8:
            visitor.get_by_role("button", name="Next →").click()
    assert seen[1][0] < 1e-4 < seen[1][1]
    assert seen[2] == [1.0]
    assert seen[3][0] == 0
    assert 0 < seen[3][1] < 1
    assert len(seen[4]) == 4
    assert [len(seen[n]) for n in (5, 6, 7)] == [2, 3, 4]
    assert seen[6][:2] == seen[5]
    assert [stages[n] for n in (5, 6, 7)] == ["bidirectional", "mntp", "simcse"]
    expect(visitor.locator("#see-next")).to_be_hidden()
    # By keyboard alone: the arrow keys go from step to step.
    visitor.locator("#see-step").get_by_role("radio").nth(7).focus()
    visitor.keyboard.press("ArrowLeft")
    expect(card).to_have_attribute("data-step", "7")
    visitor.get_by_role("button", name="Next →").click()
    expect(card).to_have_attribute("data-step", "8")
    # After the last step: what has been seen, and a way on to every tab and to the class material.
    recap = card.locator(".l2v-see-recap")
    [word] = recap.locator("dl > div").filter(has_text="Cosine of the two vectors").locator("dd.c b").all_inner_texts()
    assert float(word) == seen[2][0]
    for button in recap.locator("[data-tab]").all():
        name = button.locator("b").inner_text()
        button.click()
        expect(visitor.get_by_role("tab", name=name, exact=True)).to_have_attribute("aria-selected", "true")
        visitor.get_by_role("tab", name="See it", exact=True).click()
    for link in recap.get_by_role("link").all():
        assert visitor.request.get(link.evaluate("link => link.href")).status == 200
    # The step ends in a search on the visitor's sentence.
    found = card.locator(".l2v-see-found ol").first.locator("li").first.inner_text()
    card.get_by_role("button", name="Continue in Search").click()
    expect(visitor.locator("#search-note")).to_contain_text("The light was switched off.")
    expect(visitor.locator("#search-left-hits li").first).to_contain_text(found[:40])


def test_a_link_brings_sentences_step_and_head_back(open_page):
    page = open_page(
        query="tab=see&see_a=The+bank+was+closed.&see_b=The+bank+was+flooded.&see_step=3&see_layer=4&see_head=3"
        "&see_ending=gone.&see_stage=mntp&see_vector=a:pooled"
    )
    expect(page.locator("#see-lesson-card")).to_have_attribute("data-step", "3")
    expect(page.locator("#attention-picture")).to_contain_text("layer 4, head 3")
    expect(page.locator("#sentence-a textarea")).to_have_value("The bank was closed.")
    expect(page.locator("#see-endings")).to_contain_text("Other ending: gone.")
    expect(page.locator("#see-heads")).to_contain_text("heads of + MNTP")
    expect(page.locator("#see-lens .l2v-see-lens")).to_have_attribute("data-token", "pooled")
    expect(page.locator("#see-step").get_by_role("radio").nth(2)).to_be_checked()
    expect(page.locator('#see-grid [aria-pressed="true"]')).to_have_attribute("data-layer", "4")
    assert prefix(page, "causal") == [1.0, 1.0, 1.0, 1.0]
