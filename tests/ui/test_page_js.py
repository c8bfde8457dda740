"""Downloads that the browser makes itself, of a figure whose texts are as bad as they can be."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page

from llm2vec_core.ui.paint.base import figure_card

FORMULAS = ["=1+1", "+SUM(A1)", "-cmd|' /C calc'!A0", "@x", "\tx"]
PLAIN = ["-0.25", "+3", "-1.5e-07", "12%", 'says "hi", then\nleaves', "ünï 東京", "<b>bold</b>"]


@pytest.fixture
def figure(page) -> Page:
    card = figure_card(
        "A figure, in units",
        '<svg viewBox="0 0 60 40" role="img" aria-label="bars"><rect width="30" height="40" fill="var(--causal)"/>'
        '<rect x="30" width="30" height="40" style="fill:var(--bidi)"/><text x="4" y="20">&lt;ab&gt;</text></svg>',
        name="my-figure",
        notice="what",
        columns=["text", "=evil()"],
        rows=[[text, 1.5] for text in FORMULAS + PLAIN],
        elem_id="probe",
    )
    page.evaluate("html => document.querySelector('#prefix').insertAdjacentHTML('afterbegin', html)", card)
    return page


def saved(page: Page, kind: str) -> tuple[str, bytes]:
    with page.expect_download() as waiting:
        page.locator(f"#probe [data-export={kind}]").click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def test_csv(figure):
    name, data = saved(figure, "csv")
    assert name == "my-figure.csv"
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert rows[0] == ["text", "'=evil()"]
    assert [row[0] for row in rows[1 : 1 + len(FORMULAS)]] == [f"'{text}" for text in FORMULAS]
    assert [row[0] for row in rows[1 + len(FORMULAS) :]] == PLAIN
    assert {row[1] for row in rows[1:]} == {"1.5"}


def test_svg_stands_alone(figure):
    name, data = saved(figure, "svg")
    assert name == "my-figure.svg"
    root = ElementTree.fromstring(data)
    assert (root.get("width"), root.get("height")) == ("60", "40")
    fills = [e.get("style") for e in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert "rgb(47, 111, 179)" in fills[0]
    assert "rgb(184, 74, 12)" in fills[1]
    assert [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")] == ["<ab>"]


def test_png_has_both_colours(figure):
    name, data = saved(figure, "png")
    assert name == "my-figure.png"
    image = Image.open(io.BytesIO(data)).convert("RGB")
    assert image.size == (120, 80)
    assert image.getpixel((10, 70)) == (47, 111, 179)
    assert image.getpixel((110, 70)) == (184, 74, 12)
