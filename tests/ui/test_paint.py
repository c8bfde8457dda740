from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from markupsafe import Markup

from llm2vec_core.bidirectional import PrefixReport
from llm2vec_core.comparison import Yardstick
from llm2vec_core.ui.encoders import EncoderOption
from llm2vec_core.ui.pair_strips import Strip, similarity_strips
from llm2vec_core.ui.templates import figure, render

EVIL = "<img src=x onerror=alert(1)>"
VOID = {"img", "br", "input", "meta"}


class Tags(HTMLParser):
    """Collects tags and checks that they nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names, self.attributes, self.stack = [], set(), []
        self.feed(html)
        assert self.stack == []

    def handle_starttag(self, tag, attributes):
        self.names.append(tag)
        self.attributes |= {name for name, _ in attributes}
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.names.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag


YARDSTICK = Yardstick(np.linspace(0.5, 0.9, 80), np.linspace(0.0, 0.4, 80))


def pictures(text: str) -> dict[str, str]:
    return {
        "strips": similarity_strips([Strip(EncoderOption("k", text, "bidirectional", ""), 0.7, YARDSTICK)], text),
        "figure": figure(
            text, Markup("<svg></svg>"), name=text, columns=[text], rows=[[text], [1.5], [None]], elem_id=text
        ),
    }


@pytest.mark.parametrize("name", pictures("x"))
def test_everything_is_escaped_and_nests(name):
    tags = Tags(pictures(EVIL)[name])
    assert "img" not in tags.names
    assert not {a for a in tags.attributes if a.startswith("on")}


def test_a_prefix_that_fails_its_test_is_not_called_fine():
    good, bad = PrefixReport(0.0, (0.0, 0.0), 1e-7), PrefixReport(0.3, (0.3, 0.0), 1e-7)
    html = render("badge.html", model="M", causal=bad, bidirectional=bad)
    assert html.count("fails") == 2
    bidirectional = PrefixReport(0.3, (0.2, 0.3), 1e-7)
    assert render("badge.html", model="M", causal=good, bidirectional=bidirectional).count("holds") == 2


def test_strips_place_the_pair_among_the_known_ones():
    html = similarity_strips([Strip(EncoderOption("k", "Causal", "causal", ""), 0.25, YARDSTICK)], "mean")
    share = np.mean(YARDSTICK.unrelated < 0.25)
    assert f"higher than {share:.0%} of our unrelated pairs" in html
    assert 'data-cosine="0.250000"' in html


def test_a_figure_offers_what_it_has():
    with_picture = figure("T", Markup("<svg></svg>"), name="n", columns=["a"], rows=[[0.123456]])
    assert re.findall(r'data-export="(\w+)"', with_picture) == ["png", "svg", "csv"]
    assert "<td>0.1235</td>" in with_picture
    assert re.findall(r'data-export="(\w+)"', figure("T", Markup("<p>"), name="n")) == []


def test_a_table_shows_nothing_as_a_dash():
    assert "<td>–</td><td>3</td>" in figure("T", "", name="n", columns=["a", "b"], rows=[[None, 3]])
