"""What a visitor does in Compare, and what they read."""

from __future__ import annotations

from playwright.sync_api import Page, expect


def cosines(page: Page, kind: str) -> list[float]:
    return [float(v) for v in page.eval_on_selector_all(f"[data-{kind}]", f"cells => cells.map(c => c.dataset.{kind})")]


def strips(page: Page) -> dict[str, float]:
    pairs = page.eval_on_selector_all(".l2v-strip", "all => all.map(s => [s.dataset.stage, s.dataset.cosine])")
    return {key: float(value) for key, value in pairs}


def prefix(page: Page, kind: str) -> list[float]:
    cells = page.locator(f"#prefix-table td[data-{kind}]")
    return [float(cells.nth(i).get_attribute(f"data-{kind}")) for i in range(cells.count())]


def test_the_first_screen_answers_before_anything_is_pressed(page):
    expect(page.locator("#prefix-badge")).to_contain_text(
        "causal holds: changing the last word moved an earlier word by 0"
    )
    expect(page.locator("#prefix-badge")).not_to_contain_text("fails")
    assert prefix(page, "causal") == [1.0, 1.0, 1.0]  # The bank was
    assert all(value < 0.995 for value in prefix(page, "bidi"))
    assert list(strips(page)) == ["causal", "bidirectional", "mntp", "simcse"]
    attention = page.locator("#attention")
    assert float(attention.get_attribute("data-causal")) == 0.0
    assert float(attention.get_attribute("data-bidirectional")) > 0.05


def test_other_sentences_give_other_numbers(page):
    before = strips(page)
    page.locator("#sentence-a textarea").fill("She planted a tree.")
    page.locator("#sentence-b textarea").fill("She planted a bomb in the station.")
    page.locator("#compare-button").click()
    expect(page.locator("#prefix-table tbody tr").first).to_contain_text("She")
    shared = prefix(page, "causal")
    assert len(shared) >= 3
    assert set(shared) == {1.0}
    assert min(prefix(page, "bidi")) < 0.999
    expect(page.locator("#attention")).to_contain_text(
        "planted" if page.locator("#attention", has_text="planted").count() else "pl"
    )
    assert strips(page) != before


def test_a_preset_fills_both_sentences_and_compares_them(page):
    page.locator("#preset input").click()
    page.get_by_role("option").filter(has_text="word order").first.click()
    expect(page.locator("#sentence-a textarea")).not_to_have_value("The bank was steep and muddy.")
    expect(page.locator("#similarity-strips")).not_to_contain_text("0.0000")
    a = page.locator("#sentence-a textarea").input_value()
    expect(page.locator("#attention")).to_contain_text(a.split()[0])


def test_pooling_and_stage_can_be_chosen(page):
    before = strips(page)
    page.locator("#pooling input").click()
    page.get_by_role("option", name="first token").click()
    expect(page.locator("#similarity")).to_contain_text("(first token)")
    after = strips(page)
    # The begin token of a causal model sees nothing but itself: any two sentences are the same to it.
    assert after["causal"] == 1.0
    assert after["simcse"] < 0.999
    assert before != after
    page.locator("#stage input").click()
    page.get_by_role("option", name="Bidirectional, untrained").click()
    expect(page.locator("#prefix")).to_contain_text("Bidirectional, untrained: ")


def test_layer_head_and_sentence_of_the_attention_picture(page):
    page.locator("#which").get_by_text("Sentence B").click()
    expect(page.locator("#attention")).to_contain_text(
        "noon" if page.locator("#attention", has_text="noon").count() else "no"
    )
    page.locator("#head").get_by_label("4", exact=True).check()
    expect(page.locator("#attention-picture")).to_contain_text("layer 2, head 4")
    page.locator("#layer").get_by_label("1", exact=True).check()
    expect(page.locator("#attention-picture")).to_contain_text("layer 1, head 4")
    # By keyboard alone: each button is a stop of the Tab key, and Space chooses it.
    page.locator("#layer").get_by_label("1", exact=True).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("#attention-picture")).to_contain_text("layer 2, head 4")
    assert float(page.locator("#attention").get_attribute("data-causal")) == 0.0


def test_an_empty_sentence_is_named_and_nothing_is_lost(page):
    before = page.locator("#prefix").inner_text()
    page.locator("#sentence-b textarea").fill("   ")
    page.locator("#compare-button").click()
    expect(page.locator("#compare-notice")).to_contain_text("Sentence B is empty")
    assert page.locator("#prefix").inner_text() == before
    page.locator("#sentence-b textarea").fill("The bank was closed.")
    page.locator("#compare-button").click()
    expect(page.locator("#prefix")).to_contain_text("closed.")
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
        page.locator("#sentence-a textarea").evaluate(
            "(box, text) => { box.value = text; box.dispatchEvent(new Event('input', {bubbles: true})); }", text
        )
        page.locator("#sentence-b textarea").fill("The end")
        page.locator("#compare-button").click()
        expect(page.locator("#prefix-table tbody tr")).to_have_count(1)
        expect(page.locator("#prefix")).to_contain_text("end")
    assert page.locator("#prefix img, #attention img").count() == 0
    assert dialogs == []


def test_a_text_of_100_000_characters_is_refused_with_its_size(page):
    page.locator("#sentence-a textarea").evaluate(
        "box => { box.value = 'word '.repeat(20000); box.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    page.locator("#compare-button").click()
    expect(page.locator("#compare-notice")).to_contain_text("100,000 characters; at most 20,000")
    assert prefix(page, "causal") == [1.0, 1.0, 1.0]
