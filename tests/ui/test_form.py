"""The look of the page: pictures for people, and what a machine can check of them."""

from __future__ import annotations

import pytest

from tests.ui.conftest import ARTIFACTS, open_tab

READY = {
    "See it": "#prefix-table",
    "Climb the ladder": "#ladder-fills",
    "Search": "#right-hits li",
    "Map": "#right-map .l2v-plot[data-drawn]",
    "Train": "#training-status",
}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_every_tab_fits_and_is_photographed(open_page, width, dark):
    page = open_page(width=width, dark=dark)
    for name, ready in READY.items():
        if name != "See it":
            open_tab(page, name)
        page.wait_for_selector(ready)
        page.wait_for_timeout(500)
        page.screenshot(
            path=ARTIFACTS / f"{name.lower().replace(' ', '-')}-{width}-{'dark' if dark else 'light'}.png",
            full_page=True,
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than the screen"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_has_enough_contrast(open_page, dark):
    """WCAG AA asks for 4.5; measured on the page's own colours against its cards."""
    page = open_page(dark=dark)
    ratios = page.evaluate(
        """() => {
        const lum = c => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255)
            .map(x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4); return 0.2126*v[0] + 0.7152*v[1] + 0.0722*v[2]; };
        const card = document.querySelector('.l2v-card');
        const back = lum(getComputedStyle(card).backgroundColor);
        const result = {};
        for (const name of ['ink', 'muted', 'causal', 'bidi', 'good']) {
            const probe = document.createElement('span'); probe.style.color = `var(--${name})`; card.appendChild(probe);
            const front = lum(getComputedStyle(probe).color); probe.remove();
            result[name] = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
        } return result; }"""
    )
    assert all(ratio >= 4.5 for ratio in ratios.values()), ratios


def test_pictures_have_names_for_those_who_cannot_see_them(page):
    open_tab(page, "Map")
    page.wait_for_selector(READY["Map"])
    for selector in ("#attention svg", ".l2v-strip svg", ".l2v-plot[data-drawn]"):
        names = page.eval_on_selector_all(
            selector, "all => all.map(e => [e.getAttribute('role'), e.getAttribute('aria-label')])"
        )
        assert names
        assert all(role == "img" and label for role, label in names), selector
