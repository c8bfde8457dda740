"""The look of the page, every tab in both themes, on a desktop and on a phone: pictures for people, and what a machine can
check of them (contrast, clipping, axe's rules, the keyboard)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Page, expect

from llm2vec_core.ui.tabs import TABS
from tests.running_app import ARTIFACTS
from tests.ui.conftest import quiet, until, visits

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
  const stops = () => [...panel().querySelectorAll('button, input, textarea, select, a[href], summary, [tabindex="0"]')]
    .filter(e => seen(e) && !e.disabled && e.type !== 'file');
  const figures = () => [...panel().querySelectorAll('.l2v-figure')].filter(f => seen(f) && f.querySelector('.l2v-tools:not([hidden]), h3'));
  const clipped = () => [...panel().querySelectorAll('button, .l2v h2, .l2v h3, label > span')].filter(e => seen(e)
      && e.scrollWidth > e.clientWidth + 2 && getComputedStyle(e).display !== 'inline' && getComputedStyle(e).overflowX !== 'visible'
      && getComputedStyle(e).clipPath === 'none')  /* what is only for screen readers is cut off on purpose */
    .map(e => e.textContent.trim().slice(0, 40));
  /* gradio takes the underline from every link */
  const plain = () => [...panel().querySelectorAll(':is(p, li, dd) > a[href]')].filter(e => seen(e)
      && getComputedStyle(e).textDecorationLine === 'none' && getComputedStyle(e).color === getComputedStyle(e.parentElement).color)
    .map(e => e.textContent.trim().slice(0, 40));
  /* what a screen reader is told of the controls and of the page's order */
  const unnamed = () => [
    ...[...panel().querySelectorAll('fieldset:has(> [data-testid=block-info]):has(input[type=radio])')].filter(e => seen(e)
        && !(e.role === 'radiogroup' && document.getElementById(e.getAttribute('aria-labelledby'))?.textContent.trim()
        && new Set([...e.querySelectorAll('input[type=radio]')].map(radio => radio.name)).size === 1)),
    ...[...panel().querySelectorAll('.label-wrap')].filter(e => e.getAttribute('aria-expanded') !== String(e.classList.contains('open'))),
    ...[...panel().querySelectorAll('div[aria-label]:not([role]), span[aria-label]:not([role]), th:not([scope]):not(:empty)')].filter(
        e => !e.closest('.block > .wrap, [data-testid=file-upload]')),
  ].map(e => e.outerHTML.slice(0, 120));
  const disorder = () => {
    const levels = [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].filter(e => e.checkVisibility()).map(e => [Number(e.tagName[1]), e.textContent]);
    return levels.filter(([level], i) => level > (i ? levels[i - 1][0] : 0) + 1).map(each => each.join(' '));
  };
  return {unnamed, disorder, panel, seen, faint, stops, figures, clipped, plain};
})();
"""


def show(page: Page, tab_id: str) -> None:
    """Open a tab and wait until nothing in it is being computed and every plot is drawn."""
    page.locator(f"#tab-{tab_id}-button").click()
    page.evaluate(SCRIPT)
    page.wait_for_function(
        f"window.checks.panel()?.id === 'tab-{tab_id}' && window.checks.panel().innerText.length > 100"
    )
    quiet(page)
    page.wait_for_function(
        "[...window.checks.panel().querySelectorAll('.l2v-plot')].every(plot => plot.dataset.drawn || !plot.checkVisibility())"
    )


def change_theme(page: Page) -> None:
    dark = page.evaluate("document.body.classList.contains('dark')")
    page.locator("#theme").click()
    page.wait_for_function("dark => document.body.classList.contains('dark') !== dark", arg=dark)


# What a tab shows once it has computed; a tab is looked at only then.
COMPUTED = {
    "see": "#see-lesson-card", "ladder": "#ladder-cloze", "compare": "#compare-pool td[data-key]", "search": "#search-scores",
    "map": "#right-map[data-drawn]", "train": "#before-after", "away": "#away-command",
}  # fmt: skip
# Of all text in figures: its contrast with what is drawn below it, which axe leaves to people.
SVG_CONTRAST = """() => {
  const parts = color => (color.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const over = (top, alpha, below) => below.map((v, i) => v * (1 - alpha) + top[i] * alpha);
  const opacity = node => node && node.nodeName !== 'svg' ? Number(getComputedStyle(node).opacity) * opacity(node.parentElement) : 1;
  const page = node => {
    for (let at = node; at; at = at.parentElement) {
      const color = parts(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] > 0.99) return color.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const text of document.querySelectorAll('#tabs svg:not(.main-svg) text')) {
    if (!text.checkVisibility() || !text.textContent.trim()) continue;
    const svg = text.closest('svg'), style = getComputedStyle(text), at = text.getBoundingClientRect();
    const [x, y] = [at.x + at.width / 2, at.y + at.height / 2];
    let below = page(svg);
    for (const shape of svg.querySelectorAll('rect, path, circle, text')) {
      if (shape === text) break;
      const box = shape.getBoundingClientRect(), fill = getComputedStyle(shape).fill;
      if (shape.nodeName !== 'rect' || fill === 'none' || x < box.left || x > box.right || y < box.top || y > box.bottom) continue;
      below = over(parts(fill), opacity(shape) * Number(getComputedStyle(shape).fillOpacity), below);
    }
    const [a, b] = [light(over(parts(style.fill), opacity(text) * Number(style.fillOpacity), below)), light(below)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${text.textContent.slice(0, 30)} in ${svg.getAttribute('aria-label')?.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return [...new Set(found)];
}"""


# What of axe's rules can break where a theme alone is changed; the markup is the same.
OF_COLOUR = ["color-contrast", "link-in-text-block"]


def violations(page: Page, rules: list[str] | None = None, only: str = "") -> list[str]:
    options = {"resultTypes": ["violations"], "preload": False} | ({"runOnly": rules} if rules else {})
    # Of the tabs the one that is shown: the others have their own turn.
    found = page.evaluate(
        """([options, only]) => {
          const others = [...document.querySelectorAll('#tabs [role=tabpanel]')].filter(panel => !panel.checkVisibility());
          const include = only ? [...document.querySelectorAll(only)].filter(part => part.checkVisibility()) : [document];
          return include.length ? axe.run({include, exclude: others}, options) : {violations: []};
        }""",
        [options, only],
    )["violations"]
    return [f"{rule['id']} ({rule['impact']}): {node['html'][:160]}" for rule in found for node in rule["nodes"]]


def problems(page: Page, theme: str) -> dict[str, object]:
    found = {
        "wider than the screen": page.evaluate("document.documentElement.scrollWidth") > page.viewport_size["width"],
        "too faint": page.evaluate("window.checks.faint()"),  # WCAG AA: 4.5 to 1, 3 to 1 for large text
        "clipped": page.evaluate("window.checks.clipped()"),
        "links like text": page.evaluate("window.checks.plain()"),
        "violations": violations(page, OF_COLOUR if theme == "dark" else None) + page.evaluate(SVG_CONTRAST),
    }
    return {f"{theme}: {what}": told for what, told in found.items() if told}


@pytest.fixture(scope="module", params=[1440, 768, 390])
def tour(request, browser, server) -> Iterator[Page]:
    """One visitor a width, who looks at every tab."""
    with visits(browser, server) as open_:
        page = open_(width=request.param)
        page.evaluate(Path(AXE_FILE_PATH).read_text(encoding="utf-8"))
        page.add_style_tag(content="*, *::before, *::after { transition: none !important }")
        yield page


TAB_IDS = [tab.id for tab in TABS]


@pytest.mark.parametrize("tab", TAB_IDS)
def test_a_tab_fits_can_be_read_by_everyone_and_is_photographed_in_both_themes(tour, tab):
    width = tour.viewport_size["width"]
    show(tour, tab)
    expect(tour.locator(COMPUTED[tab]).first).to_be_visible()
    show(tour, tab)
    button = tour.locator(f"#tab-{tab}-button")
    tour.evaluate("document.fonts.ready")
    assert button.evaluate("e => e.scrollWidth <= e.clientWidth + 1"), "the name is clipped"
    if tab == "away":  # what is folded away everywhere is looked at once
        tour.get_by_role("button", name="The same in Python").locator("visible=true").click()
        expect(tour.locator("#away-code .cm-line").first).to_be_visible()
    for theme in ("light", "dark"):
        if width != 768:  # looked at by a machine alone
            tour.screenshot(path=ARTIFACTS / f"{tab}-{width}-{theme}.png", full_page=True)
        # What is being drawn anew is faint.
        until(tour, lambda theme=theme: problems(tour, theme), {})
        change_theme(tour)
    assert tour.evaluate("[...window.checks.unnamed(), ...window.checks.disorder()]") == []
    # No sentence runs into the next (a template takes the line's end after a tag), and no markup is read out.
    assert re.findall(r"\S*[a-z0-9)%]{2}\.[A-Z][a-z]+ \S+", tour.evaluate("window.checks.panel().innerText")) == []
    # A yardstick says whose pairs it was measured on.
    yardstick = r"(?i)(\S+)\s+(?:\d+\s+)?(?:similar and )?unrelated (?:sentence )?pairs"
    told = re.findall(yardstick, tour.evaluate("window.checks.panel().innerText"))
    assert {whose.lower() for whose in told} <= {"our"}
    labels = tour.eval_on_selector_all("[aria-label]", "all => all.map(e => e.ariaLabel)")
    assert [label for label in labels if "<" in label] == []


@pytest.mark.parametrize("tour", [1440, 390], indirect=True)
@pytest.mark.parametrize("tab", TAB_IDS)
def test_figures_say_what_they_show_in_words_and_numbers(tour, tab):
    show(tour, tab)
    # Long tables are filled when they are opened.
    tour.evaluate("window.checks.panel().querySelectorAll('details.l2v-data').forEach(d => { d.open = true; })")
    tour.wait_for_function("window.checks.figures().every(f => !f.querySelector('details.l2v-data table:empty'))")
    for figure in tour.evaluate(
        """() => window.checks.figures().map(f => ({
            name: f.dataset.name, title: (f.getAttribute('aria-label') || f.querySelector('[aria-label]')?.getAttribute('aria-label') || ''),
            rows: f.querySelectorAll('.l2v-data tbody tr').length,
            said: f.querySelector('.l2v-notice-line:not([hidden])')?.innerText.length || 0,
            unnamed: [...f.querySelectorAll('svg')].filter(s => s.viewBox.baseVal && s.viewBox.baseVal.width > 60
                && !s.closest('.js-plotly-plot') && !(s.getAttribute('aria-label') || s.getAttribute('aria-hidden'))).length,
        }))"""
    ):
        assert figure["title"], figure["name"]
        assert figure["rows"] or figure["said"], f"{figure['name']} has neither a table nor a sentence"
        assert figure["unnamed"] == 0, f"{figure['name']} has pictures without a name"
    # Of these every tab but Export has at least one.
    assert tour.evaluate("window.checks.figures().length") > 0 or tab == "away"
    assert violations(tour, only="details.l2v-data") == []
    tour.evaluate("window.checks.panel().querySelectorAll('details.l2v-data').forEach(d => { d.open = false; })")


@pytest.mark.parametrize("tour", [1440], indirect=True)
@pytest.mark.parametrize("tab", TAB_IDS)
def test_every_control_is_reached_by_the_tab_key(tour, tab):
    show(tour, tab)
    tour.evaluate("window.left = new Set(window.checks.stops())")
    tour.locator(f"#tab-{tab}-button").focus()
    tour.evaluate("window.rounds = 0")
    for _ in range(400):
        tour.keyboard.press("Tab")
        # Of a group of radio buttons the Tab key stops at one; the arrow keys go on from there.
        done = tour.evaluate(
            """() => { const e = document.activeElement;
            for (const x of [...window.left]) if (x === e || x.contains(e) || (e.type === 'radio' && x.name === e.name)
                || !x.isConnected || !window.checks.seen(x)) window.left.delete(x);
            window.rounds += e.id === 'copy-link'; // twice: the whole page has been gone round
            return !window.left.size || window.rounds > 1; }"""
        )
        if done:
            break
    left = tour.evaluate("[...window.left].filter(e => e.tabIndex >= 0).map(e => e.outerHTML.slice(0, 120))")
    assert left == []
    # What is taken out of the order must be another control's inner part.
    outside = tour.evaluate(
        "[...window.left].filter(e => e.tabIndex < 0 && !e.closest('.l2v-plot, [role=listbox], [data-testid], .block, .wrap'))"
        ".map(e => e.outerHTML.slice(0, 120))"
    )
    assert outside == []


def test_the_effect_is_on_the_first_screen(visitor):
    arcs = ("#see-spine .l2v-see-arcs >> nth=1", "#see-spine .l2v-see-question")
    for each in ("#l2v-see-bidi", ".l2v-see-hero >> nth=0", "#sentence-a", "#sentence-b", *arcs):
        expect(visitor.locator(each)).to_be_in_viewport(ratio=1)


def test_the_effect_is_on_the_first_screen_of_a_phone(open_page):
    page = open_page(width=390, height=844)
    for each in ("#l2v-see-bidi", ".l2v-see-hero >> nth=0", "#sentence-a", "#sentence-b"):
        expect(page.locator(each)).to_be_in_viewport(ratio=1)


def test_the_focus_can_be_seen_and_the_headline_skipped(visitor):
    visitor.keyboard.press("Tab")
    for _ in range(6):
        if visitor.evaluate("document.activeElement.className") == "l2v-skip":
            break
        visitor.keyboard.press("Tab")
    assert visitor.evaluate("document.activeElement.className") == "l2v-skip"
    visitor.wait_for_function("document.activeElement.getBoundingClientRect().left >= 0")
    visitor.keyboard.press("Enter")
    expect(visitor.locator(f"#tab-{TABS[0].id}-button")).to_be_focused()
    visitor.locator("#copy-link").focus()
    visitor.keyboard.press("Shift+Tab")
    visitor.keyboard.press("Tab")
    expect(visitor.locator("#copy-link")).to_be_focused()
    visitor.wait_for_function(
        "() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle === 'solid' && parseFloat(s.outlineWidth) >= 2; }"
    )


def test_letters_are_of_the_face_that_was_chosen(visitor):
    faces = "[...document.fonts].filter(f => f.status === 'loaded').map(f => f.family.replaceAll('\"', '') + f.weight).sort()"
    until(visitor, lambda: visitor.evaluate(faces), ["IBM Plex Sans400", "IBM Plex Sans700"])
    assert visitor.evaluate("document.fonts.check('400 16px \"IBM Plex Sans\"', 'aé–“≥')")


def test_light_and_dark_can_be_changed_in_place(visitor):
    card = visitor.locator(".l2v-card").first
    before = card.evaluate("e => getComputedStyle(e).backgroundColor")
    visitor.locator("#theme").click()
    expect(card).not_to_have_css("background-color", before)
    expect(visitor).to_have_url(re.compile("__theme=dark"))
    visitor.locator("#theme").click()
    expect(card).to_have_css("background-color", before)


def test_nothing_moves_for_those_who_asked_for_it(visitor):
    visitor.emulate_media(reduced_motion="reduce")
    slow = visitor.evaluate(
        "[...document.querySelectorAll('*')].filter(e => parseFloat(getComputedStyle(e).transitionDuration) > 0.01).length"
    )
    visitor.emulate_media(reduced_motion="no-preference")
    assert slow == 0


def test_a_print_leaves_out_what_cannot_be_pressed_on_paper(visitor):
    visitor.emulate_media(media="print")
    expect(visitor.locator("#copy-link")).to_be_hidden()
    expect(visitor.locator(".l2v-card").locator("visible=true").first).to_be_visible()
    visitor.emulate_media(media="screen")


def test_the_tabs_are_one_stop_and_the_arrow_keys_go_between_them(visitor):
    tabs = visitor.locator("#tabs [role=tab]")
    expect(tabs).to_have_count(len(TABS))
    until(visitor, lambda: tabs.evaluate_all("all => all.map(tab => tab.tabIndex)"), [0] + [-1] * (len(TABS) - 1))
    tabs.first.focus()
    for key, at in (("ArrowRight", 1), ("ArrowLeft", 0), ("ArrowLeft", -1), ("Home", 0), ("End", -1)):
        visitor.keyboard.press(key)
        expect(tabs.nth(at)).to_be_focused()
        expect(tabs.nth(at)).to_have_attribute("aria-selected", "true")
    expect(tabs.last).to_have_attribute("tabindex", "0")
    expect(tabs.first).to_have_attribute("tabindex", "-1")
    visitor.keyboard.press("Home")


def test_what_the_switch_told_of_other_sentences_is_not_left_standing(visitor):
    told = visitor.locator("#see-switch [role=status]")
    visitor.locator("label:has(#l2v-see-bidi)").click()
    expect(told).to_contain_text("cosine")
    visitor.locator("#sentence-a textarea").fill("Rivers were high and muddy.")
    visitor.locator("#compare-button").click()
    expect(visitor.locator("#see-spine")).to_contain_text("do not begin alike")
    expect(told).to_be_empty()
