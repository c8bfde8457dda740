from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from llm2vec_core.bidirectional import PrefixReport
from llm2vec_core.bundled_data import Passage
from llm2vec_core.comparison import PrefixComparison, Yardstick
from llm2vec_core.search import Hit
from llm2vec_core.ui import paint

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


def comparison(*cosines: float, token: str = "bank") -> PrefixComparison:
    tokens = ("<s>", *[f"{token}{i}" for i in range(len(cosines))])
    return PrefixComparison(tokens, np.array([1.0, *cosines]), "left of it", "right of it")


YARDSTICK = Yardstick(np.linspace(0.5, 0.9, 80), np.linspace(0.0, 0.4, 80))


def pictures(text: str) -> dict[str, str]:
    weights = np.full((3, 3), 1 / 3)
    passage = Passage("p<1", text, text)
    return {
        "prefix": paint.prefix_table(comparison(1.0, token=text), comparison(0.5, token=text), text, 10),
        "nothing shared": paint.prefix_table(comparison(), comparison(), text, 10),
        "strips": paint.similarity_strips([("k", text, True, 0.7, YARDSTICK)], text),
        "attention": paint.attention_pair([text] * 3, np.tril(weights), weights, 1, 1, text),
        "hits": paint.hit_list([Hit(0, 1, 0.5)], [passage], {0}, {0: 3}, [text]),
        "column": paint.search_column(text, True, 0.5, "", 54),
        "note": paint.search_note(text, False),
        "legend": paint.topic_legend([text] * 12),
        "numbers": paint.map_numbers((text, 0.5), (text, 0.7), np.array([0.5, 1.0]), "pca"),
        "status": paint.training_status(text),
    }


@pytest.mark.parametrize("name", pictures("x"))
def test_everything_is_escaped_and_nests(name):
    tags = Tags(pictures(EVIL)[name])
    assert "img" not in tags.names
    assert not {a for a in tags.attributes if a.startswith("on")}


def test_prefix_table_shows_the_numbers():
    html = paint.prefix_table(comparison(1.0, 1.0), comparison(0.9, 0.25), "LLM2Vec", 10)
    assert re.findall(r'data-causal="([\d.]+)"', html) == ["1.000000", "1.000000"]
    assert re.findall(r'data-bidi="([\d.]+)"', html) == ["0.900000", "0.250000"]
    assert re.findall(r"width:([\d.]+)%", html) == ["0.0", "10.0", "0.0", "75.0"]
    assert "<em>bank1</em> changed most" in html
    assert "the largest change is 0.000" in html


def test_prefix_table_says_what_it_leaves_out():
    assert "2 more shared tokens" in paint.prefix_table(comparison(*[1.0] * 5), comparison(*[0.9] * 5), "S", 3)


def test_a_prefix_that_fails_its_test_is_not_called_fine():
    good, bad = PrefixReport(0.0, (0.0, 0.0), 1e-7), PrefixReport(0.3, (0.3, 0.0), 1e-7)
    html = paint.badge(bad, bad)
    assert html.count("fails") == 2
    assert paint.badge(good, PrefixReport(0.3, (0.2, 0.3), 1e-7)).count("holds") == 2


def test_strips_place_the_pair_among_the_known_ones():
    html = paint.similarity_strips([("k", "Causal", False, 0.25, YARDSTICK)], "mean")
    share = np.mean(YARDSTICK.unrelated < 0.25)
    assert f"higher than {share:.0%} of unrelated pairs" in html
    assert 'data-cosine="0.250000"' in html


def test_attention_tells_how_much_goes_to_the_future():
    weights = np.array([[0.5, 0.5], [0.25, 0.75]])
    html = paint.attention_pair(["a", "b"], np.array([[1.0, 0.0], [0.25, 0.75]]), weights, 2, 3, "LLM2Vec")
    assert 'data-causal="0.0000" data-bidirectional="0.2500"' in html
    assert "layer 2, head 3" in html
    assert "a takes 50% from b" in html


def test_hits_say_where_a_passage_stands_in_the_other_list():
    passages = [Passage(f"p{i}", "rivers", f"text {i}") for i in range(3)]
    hits = [Hit(i, i + 1, 0.5) for i in range(3)]
    html = paint.hit_list(hits, passages, {1}, {0: 1, 1: 5, 2: 1}, ["rivers"])
    assert "▲ 3" in html
    assert "▼ 2" in html
    assert html.count("answers it") == 1
