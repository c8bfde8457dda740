"""The look of the page: pictures for people, and what a machine can check of them. Every tab, whatever it is called."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from llm2vec_core.ui.tabs import TABS
from tests.ui.conftest import ARTIFACTS

SCRIPT = """
window.checks = (() => {
  const panel = () => [...document.querySelectorAll('#tabs [role=tabpanel]')].find(p => p.offsetParent !== null);
  const seen = e => e.offsetParent !== null && e.getClientRects().length && getComputedStyle(e).visibility === 'visible'
    && !e.closest('[data-testid=status-tracker]') && !e.closest('details:not([open]) > :not(summary)');
  const rgb = c => { const v = (c.match(/[\\d.]+/g) || []).map(Number); return {c: v.slice(0, 3), a: v.length > 3 ? v[3] : 1}; };
  const over = (front, back) => front.c.map((x, i) => x * front.a + back[i] * (1 - front.a));
  const light = c => { const v = c.map(x => x / 255).map(x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; };
  const backOf = e => { const all = []; for (let n = e; n; n = n.parentElement) all.push(rgb(getComputedStyle(n).backgroundColor));
    return all.reverse().reduce((back, front) => over(front, back), [255, 255, 255]); };
  const faint = () => [...panel().querySelectorAll('*')].filter(e => seen(e) && !e.closest('svg, :disabled, .l2v-plot, .cm-editor')
      && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())).flatMap(e => {
    const style = getComputedStyle(e), back = backOf(e), a = light(over(rgb(style.color), back)), b = light(back);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.6 && Number(style.fontWeight) >= 700);
    let opacity = 1; for (let n = e; n; n = n.parentElement) opacity *= Number(getComputedStyle(n).opacity);
    return opacity > 0.99 && ratio < (large ? 3 : 4.5) ? [e.textContent.trim().slice(0, 40) + ': ' + ratio.toFixed(2)] : [];
  });
  const busy = () => [...panel().querySelectorAll('[data-testid=status-tracker]')].some(e => !e.classList.contains('hide') && e.offsetParent);
  const stops = () => [...panel().querySelectorAll('button, input, textarea, select, a[href], summary, [tabindex="0"]')]
    .filter(e => seen(e) && !e.disabled && e.type !== 'file');
  const figures = () => [...panel().querySelectorAll('.l2v-figure')].filter(f => seen(f) && f.querySelector('.l2v-tools:not([hidden]), h3'));
  const clipped = () => [...panel().querySelectorAll('button, .l2v h2, .l2v h3, label > span')].filter(e => seen(e)
      && e.scrollWidth > e.clientWidth + 2 && getComputedStyle(e).display !== 'inline' && getComputedStyle(e).overflowX !== 'visible'
      && getComputedStyle(e).clipPath === 'none')  /* what is only for screen readers is cut off on purpose */
    .map(e => e.textContent.trim().slice(0, 40));
  return {panel, seen, faint, busy, stops, figures, clipped};
})();
"""


def show(page: Page, tab_id: str) -> None:
    """Open a tab and wait until nothing in it is being computed."""
    page.locator(f"#tab-{tab_id}-button").click()
    page.evaluate(SCRIPT)
    page.wait_for_function("window.checks.panel() && window.checks.panel().innerText.length > 100")
    for _ in range(3):
        page.wait_for_timeout(300)
        page.wait_for_function("!window.checks.busy()", timeout=240_000)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_every_tab_fits_can_be_read_and_is_photographed(open_page, width, dark):
    page = open_page(width=width, dark=dark)
    problems = {}
    for tab in TABS:
        show(page, tab.id)
        name = f"{tab.id}-{width}-{'dark' if dark else 'light'}.png"
        page.screenshot(path=ARTIFACTS / name, full_page=True)
        button = page.locator(f"#tab-{tab.id}-button")
        assert button.evaluate("e => e.scrollWidth <= e.clientWidth + 1"), f"the name of {tab.id} is clipped"
        found = {
            "wider than the screen": page.evaluate("document.documentElement.scrollWidth") > width,
            "too faint": page.evaluate("window.checks.faint()"),  # WCAG AA: 4.5 to 1, 3 to 1 for large text
            "clipped": page.evaluate("window.checks.clipped()"),
        }
        problems |= {f"{tab.id}: {what}": told for what, told in found.items() if told}
    assert problems == {}


def test_figures_say_what_they_show_in_words_and_numbers(page):
    counted = 0
    for tab in TABS:
        show(page, tab.id)
        # Long tables are filled when they are opened.
        page.evaluate("window.checks.panel().querySelectorAll('details.l2v-data').forEach(d => { d.open = true; })")
        page.wait_for_timeout(500)
        for figure in page.evaluate(
            """() => window.checks.figures().map(f => ({
                name: f.dataset.name, title: (f.getAttribute('aria-label') || f.querySelector('[aria-label]')?.getAttribute('aria-label') || ''),
                rows: f.querySelectorAll('.l2v-data tbody tr').length,
                said: f.querySelector('.l2v-notice-line:not([hidden])')?.innerText.length || 0,
                unnamed: [...f.querySelectorAll('svg')].filter(s => s.viewBox.baseVal && s.viewBox.baseVal.width > 60
                    && !s.closest('.js-plotly-plot') && !(s.getAttribute('aria-label') || s.getAttribute('aria-hidden'))).length,
            }))"""
        ):
            counted += 1
            where = f"{tab.id}: {figure['name']}"
            assert figure["title"], where
            assert figure["rows"] or figure["said"], f"{where} has neither a table nor a sentence"
            assert figure["unnamed"] == 0, f"{where} has pictures without a name"
    assert counted > 0


def test_every_control_is_reached_by_the_tab_key(page):
    for tab in TABS:
        show(page, tab.id)
        page.evaluate("window.left = new Set(window.checks.stops())")
        page.locator(f"#tab-{tab.id}-button").focus()
        page.evaluate("window.rounds = 0")
        for _ in range(400):
            page.keyboard.press("Tab")
            # Of a group of radio buttons the Tab key stops at one; the arrow keys go on from there.
            done = page.evaluate(
                """() => { const e = document.activeElement;
                for (const x of [...window.left]) if (x === e || x.contains(e) || (e.type === 'radio' && x.name === e.name)
                    || !x.isConnected || !window.checks.seen(x)) window.left.delete(x);
                window.rounds += e.id === 'copy-link'; // twice: the whole page has been gone round
                return !window.left.size || window.rounds > 1; }"""
            )
            if done:
                break
        left = page.evaluate("[...window.left].filter(e => e.tabIndex >= 0).map(e => e.outerHTML.slice(0, 120))")
        assert left == [], tab.id
        # What is taken out of the order must be another control's inner part.
        outside = page.evaluate(
            "[...window.left].filter(e => e.tabIndex < 0 && !e.closest('.l2v-plot, [role=listbox], [data-testid], .block, .wrap'))"
            ".map(e => e.outerHTML.slice(0, 120))"
        )
        assert outside == [], tab.id


def test_the_focus_can_be_seen_and_the_headline_skipped(page):
    page.keyboard.press("Tab")
    for _ in range(6):
        if page.evaluate("document.activeElement.className") == "l2v-skip":
            break
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "l2v-skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == f"tab-{TABS[0].id}-button"
    page.locator("#copy-link").focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    style, width = page.evaluate(
        "() => { const s = getComputedStyle(document.activeElement); return [s.outlineStyle, parseFloat(s.outlineWidth)]; }"
    )
    assert style == "solid"
    assert width >= 2


@pytest.mark.parametrize(
    ("width", "height", "wanted"),
    [
        (
            1440,
            900,
            (
                "#sentence-a",
                "#sentence-b",
                "#see-spine .l2v-see-arcs >> nth=1",
                "#see-spine .l2v-see-question",
            ),
        ),
        (390, 844, ("#sentence-a", "#sentence-b")),
    ],
)
def test_the_effect_is_on_the_first_screen(open_page, width, height, wanted):
    page = open_page(width=width, height=height)
    page.evaluate("document.fonts.ready")
    for shown in ("#l2v-see-bidi", ".l2v-see-hero >> nth=0", *wanted):
        box = page.locator(shown).bounding_box()
        assert box["y"] + box["height"] <= height, f"{shown} ends at {box['y'] + box['height']:.0f}"


def test_letters_are_of_the_face_that_was_chosen(page):
    page.evaluate("document.fonts.ready")
    assert page.evaluate("document.fonts.check('400 16px \"IBM Plex Sans\"', 'aé–“≥')")
    loaded = page.evaluate("[...document.fonts].filter(f => f.status === 'loaded').map(f => f.family + f.weight)")
    assert sorted(name.replace('"', "") for name in loaded) == ["IBM Plex Sans400", "IBM Plex Sans700"]


def test_light_and_dark_can_be_changed_in_place(page):
    def paper() -> str:
        return page.evaluate("getComputedStyle(document.querySelector('.l2v-card')).backgroundColor")

    before = paper()
    page.locator("#theme").click()
    assert paper() != before
    assert "__theme=dark" in page.url
    page.locator("#theme").click()
    assert paper() == before


def test_nothing_moves_for_those_who_asked_for_it(page):
    page.emulate_media(reduced_motion="reduce")
    slow = page.evaluate(
        "[...document.querySelectorAll('*')].filter(e => parseFloat(getComputedStyle(e).transitionDuration) > 0.01).length"
    )
    assert slow == 0


def test_a_print_leaves_out_what_cannot_be_pressed_on_paper(page):
    page.emulate_media(media="print")
    assert page.locator("#copy-link").is_hidden()
    assert page.locator(".l2v-card").locator("visible=true").count() > 0
