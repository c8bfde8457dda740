"""Downloads that the browser makes itself, of a figure whose texts are as bad as they can be."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from markupsafe import Markup
from PIL import Image
from playwright.sync_api import Page

from llm2vec_core.ui.templates import figure as figure_card
from llm2vec_core.ui.theme import CSS_FILES, SCRIPT_FILES

FORMULAS = ["=1+1", "+SUM(A1)", "-cmd|' /C calc'!A0", "@x", "\tx"]
PLAIN = ["-0.25", "+3", "-1.5e-07", "12%", 'says "hi", then\nleaves', "ünï 東京", "<b>bold</b>"]


PANELS = (
    '<svg viewBox="0 0 60 40" width="60" height="40" aria-label="bars"><rect width="30" height="40" '
    'fill="var(--causal)"/><rect x="30" width="30" height="40" style="fill:var(--bidi)"/><text x="4" y="20">&lt;ab&gt;'
    '</text></svg><div><svg viewBox="0 0 10 10" width="10" height="10"><circle cx="5" cy="5" r="5" fill="var(--good)"/>'
    "</svg></div>"
)


@pytest.fixture(scope="module")
def figure(browser):
    """The card alone, with the page's own style and scripts; no server is asked for anything."""
    page = browser.new_context(viewport={"width": 640, "height": 900}).new_page()
    card = figure_card(
        "A figure, in units",
        Markup(PANELS),
        name="my-figure",
        notice=Markup("what <em>counts</em> " + "in a caption that is longer than the card is wide, " * 3),
        legend=Markup('<div class="l2v-key"><span><i style="background:var(--causal)"></i>causal</span></div>'),
        columns=["text", "=evil()"],
        rows=[[text, 1.5] for text in FORMULAS + PLAIN],
        elem_id="probe",
    )
    style = "".join(file.read_text(encoding="utf-8") for file in CSS_FILES)
    scripts = "".join(f"<script>{file.read_text(encoding='utf-8')}</script>" for file in SCRIPT_FILES)
    page.set_content(f"<style>{style}</style><body>{card}{scripts}</body>")
    yield page
    page.context.close()


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


SVG = "{http://www.w3.org/2000/svg}"


def test_svg_is_the_whole_figure_and_stands_alone(figure):
    name, data = saved(figure, "svg")
    assert name == "my-figure.svg"
    root = ElementTree.fromstring(data)
    texts = [e.text for e in root.iter(f"{SVG}text")]
    assert texts[0] == "A figure, in units"
    assert {"<ab>", "causal", "What to notice.", "counts"} <= set(texts)
    caption = " ".join(texts[texts.index("counts") :])
    assert caption.count("longer than the card is wide") == 3
    assert len(texts) > len(set(texts) & {"causal"}) + 5  # its lines are those of the page
    # Not what is there to be pressed or unfolded.
    assert not {"PNG", "The numbers as a table"} & set(texts)
    panels = list(root.iter(f"{SVG}svg"))[1:]
    assert [(p.get("width"), p.get("height")) for p in panels] == [("60", "40"), ("10", "10")]
    fills = [e.get("style") for e in panels[0].iter(f"{SVG}rect")]
    assert "rgb(47, 111, 179)" in fills[0]
    assert "rgb(184, 74, 12)" in fills[1]
    assert b"var(" not in data.replace(b'fill="var(', b"")  # colours are written out; a style beats an attribute
    # Nothing sticks out, and the legend's square has its colour.
    width, height = float(root.get("width")), float(root.get("height"))
    for element in [*root.iter(f"{SVG}text")]:
        if element.get("textLength"):
            assert float(element.get("x")) + float(element.get("textLength")) <= width
            assert float(element.get("y")) <= height
    assert any(e.get("fill") == "rgb(47, 111, 179)" and e.get("width") == "12" for e in root.iter(f"{SVG}rect"))


def test_png_is_the_same_picture(figure):
    name, data = saved(figure, "png")
    assert name == "my-figure.png"
    root = ElementTree.fromstring(saved(figure, "svg")[1])
    image = Image.open(io.BytesIO(data)).convert("RGB")
    assert image.size == (2 * int(root.get("width")), 2 * int(root.get("height")))
    first, second = list(root.iter(f"{SVG}svg"))[1:]
    x, y = (2 * float(first.get(key)) for key in ("x", "y"))
    assert image.getpixel((int(x + 8), int(y + 70))) == (47, 111, 179)
    assert image.getpixel((int(x + 110), int(y + 70))) == (184, 74, 12)
    x, y = (2 * float(second.get(key)) for key in ("x", "y"))
    assert image.getpixel((int(x + 10), int(y + 10))) == (0, 121, 90)
