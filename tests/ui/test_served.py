"""What the server sends beside gradio's page, and the page under a sub-path behind a proxy."""

from __future__ import annotations

import gzip
import json
import re
import urllib.error
import urllib.request
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import expect

from llm2vec_core.ui import copy
from llm2vec_core.ui.api import NAMES
from llm2vec_core.ui.served import FILES, with_own_head
from tests.running_app import ARTIFACTS, ROOT, WORKER, running_app
from tests.ui.conftest import open_tab, visitors_own


def sent(address: str, body: object = None) -> tuple[int, str, bytes]:
    """(status, kind, content) of an answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, reply.headers["content-type"], reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["content-type"], error.read()


class Head(HTMLParser):
    """What programs that preview links read: the first of each name counts with some, the last with others."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "meta" and given.get("content") is not None:
            self.found.setdefault(given.get("property") or given.get("name") or "", []).append(given["content"])
        if tag == "link":
            self.found.setdefault(given["rel"], []).append(given["href"])


@pytest.fixture(scope="module")
def source(server) -> str:
    return sent(server)[2].decode()


def test_a_shared_link_shows_our_title_description_and_picture(server, source):
    found = Head(source).found
    assert found["og:title"] == [copy.TITLE]
    assert found["description"] == found["og:description"] == [copy.DESCRIPTION]
    assert found["og:image"] == [f"{server}/l2v/card.png"]
    assert found["icon"] == [f"{server}/l2v/icon.svg"]
    assert f"<title>{copy.TITLE}</title>" in source
    assert "manifest" not in found
    assert not {value for values in found.values() for value in values if "gradio" in value.lower()}


def test_the_page_is_made_for_an_address_and_for_nothing_else_of_a_request(server, source):
    for query in ("tab=map", "deep_link=x", "deep%5Flink=x", "page=none", "all_endpoints=1"):
        assert sent(f"{server}/?{query}")[2].decode() == source
    request = urllib.request.Request(server, headers={"Host": "other.example"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        other = reply.read().decode()
    assert other == source.replace(server, "http://other.example")
    packed = urllib.request.Request(server, headers={"Accept-Encoding": "gzip"})
    for _ in range(2):  # what is remembered is not what was compressed for somebody
        with urllib.request.urlopen(packed, timeout=60) as reply:
            assert reply.headers["content-encoding"] == "gzip"
            assert gzip.decompress(reply.read()).decode() == source
    assert sent(server)[2].decode() == source


def test_the_page_names_no_path_of_the_server(source):
    assert str(ROOT) not in source
    assert "site-packages" not in source


@pytest.mark.parametrize("address", ["monitoring", "monitoring/summary"])
def test_nobody_can_read_what_others_call_or_write_into_the_log(server, address):
    assert sent(f"{server}/{address}")[0] == 403


def test_every_file_of_ours_is_sent(server):
    for address, file in FILES.items():
        status, _, content = sent(f"{server}/{address}")
        assert (status, content) == (200, file.read_bytes())
    assert sent(f"{server}/favicon.ico")[1:] == ("image/svg+xml", FILES["l2v/icon.svg"].read_bytes())
    assert Image.open(FILES["l2v/card.png"]).size == (1200, 630)
    assert sent(f"{server}/l2v/page.css")[0] == 404


def test_only_gradios_page_is_changed():
    assert with_own_head("<html>{}</html>", "http://a") == "<html>{}</html>"
    # A text of a visitor's that looks like a tag stays as it is.
    setting = '<script>window.gradio_config = {"a": "<meta property="og:title" content="x">"};</script>'
    page = with_own_head(f'<meta property="og:title" content="Gradio" />{setting}<link rel="manifest" href="/m">', 'h"')
    assert setting in page
    assert "Gradio" not in page
    assert "manifest" not in page
    assert 'href="h&#34;/l2v/icon.svg"' in page


@pytest.mark.parametrize(
    ("address", "body", "status", "message"),
    [
        ("v2/embed", {"txts": ["a"]}, 422, "'txts' is no argument of it; 'texts' is missing"),
        ("v2/embed", {}, 422, "'texts' is missing"),
        ("v2/search", {"query": "a", "most": 3}, 422, "'most' is no argument"),
        ("v2/embed", [], 422, "no object"),
        ("embed", {"data": [["a"]]}, 422, "takes 5 values (texts, encoder, pooling, instruction, normalize)"),
        ("embed", {}, 422, "data"),
        ("v2/embd", {"texts": ["a"]}, 404, "call one of embed, similarity"),
        ("embd", {"data": []}, 404, "call one of embed, similarity"),
    ],
)
def test_a_wrong_call_is_told_what_is_wrong_with_it(server, address, body, status, message):
    found, _, content = sent(f"{server}/gradio_api/call/{address}", body)
    assert found == status
    assert message in content.decode()


@pytest.mark.parametrize(
    ("address", "what"),
    [("call/embed/0123", "event '0123'"), ("call/v2/embed/0123", "event '0123'")],
)
def test_who_fetches_an_answer_without_having_asked_is_told_so_and_nothing_is_logged(server, address, what):
    log = ARTIFACTS / f"{WORKER}server.log"
    before = log.stat().st_size
    status, kind, content = sent(f"{server}/gradio_api/{address}")
    assert (status, kind) == (404, "application/json")
    assert f"There is no {what} here" in json.loads(content)["detail"]
    assert "Traceback" not in log.read_text()[before:]


def test_an_answer_is_fetched_by_who_asked(server):
    event = json.loads(sent(f"{server}/gradio_api/call/v2/embed", {"texts": ["a"]})[2])["event_id"]
    status, _, content = sent(f"{server}/gradio_api/call/embed/{event}")
    assert status == 200
    assert b"event: complete" in content


def test_a_right_call_goes_through_by_name_and_by_place(server, page):
    for address, body in (("v2/embed", {"texts": ["a"]}), ("prefix_test", {"data": [""]})):
        assert sent(f"{server}/gradio_api/call/{address}", body)[0] == 200
    # Nor is the page in its own way: this one bypasses the queue.
    with page.expect_response("**/gradio_api/run/predict*") as waiting:
        open_tab(page, "Map")
        page.locator("#map-color").get_by_text("Cosine with a text").click()
    assert waiting.value.status == 200
    assert set(NAMES) == {"embed", "similarity", "search", "prefix_test"}


def test_under_a_sub_path_everything_is_asked_for_below_it(browser):
    """The map needs plotly's script, whose address was the host's own."""
    with running_app("sub_path.log", HF_HUB_OFFLINE="1", GRADIO_ROOT_PATH="/sub") as address:
        context = visitors_own(browser)
        page, asked = context.new_page(), []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/sub/")
        open_tab(page, "Map")
        expect(page.locator("#right-map")).to_have_attribute("data-drawn", re.compile(r"\d+"))
        assert {url for url in asked if url.startswith(address) and not urlsplit(url).path.startswith("/sub/")} == set()
        assert f"{address}/sub/l2v/plotly.min.js" in asked
        expect(page.locator("link[rel=icon]").first).to_have_attribute("href", f"{address}/sub/l2v/icon.svg")
        context.close()
