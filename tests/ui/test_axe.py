"""No violation of any impact on any tab, in both themes, at the width of a desktop and of a phone; and the keyboard."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Page, expect

from llm2vec_core.ui.tabs import TABS
from tests.ui.test_form import show

# What a tab shows once it has computed; a tab is looked at only then.
COMPUTED = {
    "see": "#see-lesson-card", "ladder": "#ladder-cloze", "compare": "#compare-pool td[data-key]", "search": "#search-scores",
    "map": "#right-map[data-drawn]", "train": "#before-after", "away": "#away-command",
}  # fmt: skip
LOOKS = 30
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


def violations(page: Page) -> list[str]:
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [f"{rule['id']} ({rule['impact']}): {node['html'][:160]}" for rule in found for node in rule["nodes"]]


def lasting_violations(page: Page) -> list[str]:
    """Those that are still there when nothing is computed any more: what is being computed is faint."""
    for _ in range(LOOKS):
        found = violations(page) + page.evaluate(SVG_CONTRAST)
        if not found:
            break
        page.wait_for_timeout(1000)
    return found


@pytest.mark.parametrize("width", [1440, 390])
def test_no_violation_on_any_tab_in_either_theme(open_page, width):
    page, wrong = open_page(width=width), []
    page.evaluate(Path(AXE_FILE_PATH).read_text(encoding="utf-8"))
    page.add_style_tag(content="*, *::before, *::after { transition: none !important }")
    for tab in TABS:
        show(page, tab.id)
        expect(page.locator(COMPUTED[tab.id]).first).to_be_visible()
        show(page, tab.id)  # what is being computed is faint
        for theme in ("light", "dark"):
            page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")
            wrong += [f"{tab.id}, {theme}: {told}" for told in lasting_violations(page)]
        # Nor is markup read out.
        labels = page.eval_on_selector_all("[aria-label]", "all => all.map(e => e.ariaLabel)")
        wrong += [f"{tab.id}: {label}" for label in labels if "<" in label]
    assert wrong == [], "\n".join(wrong)


def test_the_tabs_are_one_stop_and_the_arrow_keys_go_between_them(page):
    tabs = page.locator("#tabs [role=tab]")
    expect(tabs).to_have_count(len(TABS))
    assert tabs.evaluate_all("all => all.map(tab => tab.tabIndex)") == [0] + [-1] * (len(TABS) - 1)
    tabs.first.focus()
    for key, at in (("ArrowRight", 1), ("ArrowLeft", 0), ("ArrowLeft", -1), ("Home", 0), ("End", -1)):
        page.keyboard.press(key)
        expect(tabs.nth(at)).to_be_focused()
        expect(tabs.nth(at)).to_have_attribute("aria-selected", "true")
    expect(tabs.last).to_have_attribute("tabindex", "0")
    expect(tabs.first).to_have_attribute("tabindex", "-1")


def test_what_the_switch_told_of_other_sentences_is_not_left_standing(page):
    told = page.locator("#see-switch [role=status]")
    page.locator("label:has(#l2v-see-bidi)").click()
    expect(told).to_contain_text("cosine")
    page.locator("#sentence-a textarea").fill("Rivers were high and muddy.")
    page.locator("#compare-button").click()
    expect(page.locator("#see-spine")).to_contain_text("do not begin alike")
    expect(told).to_be_empty()
