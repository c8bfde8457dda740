"""The endpoints, called as a program calls them, and the examples that the page shows."""

from __future__ import annotations

import json
import re
import shlex
import urllib.error
import urllib.request

import numpy as np
import pytest
from gradio_client import Client

from llm2vec_core.bundled_data import passages
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.presets import BUNDLED
from llm2vec_core.ui.api import NAMES, Endpoints
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.limits import Limits
from llm2vec_core.ui.tabs.export import copy
from llm2vec_core.ui.tabs.export.endpoints import described
from llm2vec_core.ui.templates import render

TEXTS = ["The bank was steep and muddy.", "The bank was robbed at noon."]


@pytest.fixture(scope="module")
def endpoints(context) -> Endpoints:
    strict = AppContext(BUNDLED, Limits(api_texts=3, api_characters=100, text_characters=60))
    strict.cache = context.cache
    return Endpoints(strict)


@pytest.fixture(scope="module")
def client(server) -> Client:
    return Client(server, verbose=False)


def test_the_endpoints_and_no_other_event_are_named(client):
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {f"/{name}" for name in NAMES}


def test_nobody_passes_the_queue_by(server):
    with urllib.request.urlopen(f"{server}/config", timeout=60) as reply:
        calls = json.load(reply)["dependencies"]
    queued = [call["id"] for call in calls if call["queue"] and call["backend_fn"]]
    assert len(queued) > 20
    for index in (queued[0], queued[-1]):
        body = json.dumps({"data": [], "fn_index": index, "session_hash": "direct"}).encode()
        request = urllib.request.Request(f"{server}/gradio_api/run/predict", body, {"Content-Type": "application/json"})
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(request, timeout=60)


def test_embed_over_the_wire_is_what_the_package_computes(client):
    found = client.predict(texts=TEXTS, api_name="/embed")
    expected = LLM2Vec.from_preset(f"mini:{BUNDLED.default.key}").encode(TEXTS, normalize=True)
    assert np.allclose(found, expected, atol=1e-5)
    plain = client.predict(texts=TEXTS[:1], encoder="causal", pooling="last_token", normalize=False, api_name="/embed")
    expected = LLM2Vec.from_preset("mini:causal").encode(TEXTS[:1], pooling_mode="last_token")
    assert np.allclose(plain, expected, atol=1e-4)


def test_errors_over_the_wire_can_be_read(client):
    with pytest.raises(Exception, match=r"unknown encoder 'gpt'; choose one of causal"):
        client.predict(texts=TEXTS, encoder="gpt", api_name="/embed")
    with pytest.raises(Exception, match=r"top is 1000.{50,60}; give a whole number from 1 to 100"):
        client.predict(query="river", top=10**400, api_name="/search")
    for content in (b"[" * 100_000, b"7" * 5_000, b'{"data": [' + b"7" * 5_000 + b"]}", b"\xff"):
        request = urllib.request.Request(
            f"{client.src}gradio_api/call/embed", content, {"Content-Type": "application/json"}
        )
        with pytest.raises(urllib.error.HTTPError, match=r"422|400"):
            urllib.request.urlopen(request, timeout=60)
    with pytest.raises(Exception, match=r"top is 0; give a whole number from 1 to 100"):
        client.predict(query="river", top=0, api_name="/search")


def test_the_python_on_the_page_runs(server, capsys):
    exec(compile(copy.API_PYTHON.replace("ORIGIN", server), "example", "exec"), {})
    lines = capsys.readouterr().out.strip().splitlines()[-3:]
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    known = {p.text for p in passages()}
    assert all(line.split(maxsplit=2)[2] in known for line in lines)


def test_the_shell_lines_on_the_page_are_what_the_server_answers(server):
    """Both requests of the example, read from it and sent without a shell (curl may be missing here)."""
    source = copy.API_CURL.replace("ORIGIN", server).replace("\\\n", " ")
    first, second = source.rsplit("\n", 1)
    words = shlex.split(re.search(r"\$\((.+) \| cut", first, re.DOTALL)[1])
    url = next(word for word in words if word.startswith("http"))
    header = words[words.index("-H") + 1].split(": ")
    body = words[words.index("-d") + 1].encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, dict([header])), timeout=60) as reply:
        event = reply.read().decode().split('"')[3]  # cut -d'"' -f4
    address = second.split()[-1].replace("$EVENT", event)
    with urllib.request.urlopen(address, timeout=60) as reply:
        told = reply.read().decode()
    assert "event: complete" in told
    ((cosine,),) = json.loads(re.search(r"^data: (.+)$", told, re.MULTILINE)[1])[0]
    a, b = LLM2Vec.from_preset(f"mini:{BUNDLED.default.key}").encode(
        ["The bank was steep.", "The bank was robbed."], normalize=True
    )
    assert cosine == pytest.approx(float(a @ b), abs=1e-5)


def test_similarity_is_a_matrix_of_cosines(endpoints):
    found = np.array(endpoints.similarity(["river", "money"], ["river"], encoder="static"))
    assert found.shape == (2, 1)
    assert found[0, 0] == pytest.approx(1.0, abs=1e-6)
    assert found[1, 0] < 1.0


def test_search_in_given_texts_and_in_ours(endpoints):
    hits = endpoints.search("a river", ["a bank", "a river"], top=5)
    assert [(hit["rank"], hit["index"], hit["text"]) for hit in hits] == [(1, 1, "a river"), (2, 0, "a bank")]
    assert hits[0]["cosine"] == pytest.approx(1.0, abs=1e-6)


def test_the_prefix_test_holds_for_each_stage(endpoints):
    for stage in BUNDLED.stages:
        found = endpoints.prefix_test(stage.key)
        assert (found["causal"], found["bidirectional"]) == (not stage.bidirectional, stage.bidirectional)
    assert endpoints.prefix_test("causal")["end_to_end"] == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: e.embed([]), "texts is no list of texts"),
        (lambda e: e.embed("river"), "texts is no list of texts"),
        (lambda e: e.embed(["a", 1]), r"texts\[1\] is int; expected str"),
        (lambda e: e.embed(["a", " "]), r"texts\[1\] is empty"),
        (lambda e: e.embed(["a"] * 4), "texts has 4 texts; at most 3"),
        (lambda e: e.embed(["a" * 61]), r"texts\[0\] has 61 characters; at most 60"),
        (lambda e: e.embed(["a" * 50] * 3), "150 characters in all; at most 100"),
        (lambda e: e.embed(["a"], pooling="max"), "unknown pooling 'max'; choose one of mean"),
        (lambda e: e.embed(["a"], encoder=3), "encoder is int; expected str"),
        (lambda e: e.embed(["a"], pooling=["mean"]), "pooling is list; expected str"),
        (lambda e: e.similarity(["a"], ["b"], pooling={}), "pooling is dict; expected str"),
        (lambda e: e.embed(["a"], normalize="no"), "normalize is str; expected bool"),
        (lambda e: e.embed(["a"], instruction="i" * 61), "instruction has 61 characters"),
        (lambda e: e.similarity(["a"], []), "second is no list of texts"),
        (lambda e: e.search(""), "query is empty"),
        (lambda e: e.search(None), "query is NoneType; expected str"),
        (lambda e: e.search("a", top=101), "top is 101"),
        (lambda e: e.search("a", top=True), "top is True"),
        (lambda e: e.search("a", top=10**5_000), "top is an int that cannot be written out; give a whole number"),
        (lambda e: e.prefix_test("static"), "has no attention"),
        (lambda e: e.prefix_test("../x"), "unknown encoder '../x'"),
    ],
)
def test_bad_requests_are_named(endpoints, call, message):
    with pytest.raises(InputError, match=message):
        call(endpoints)


def test_the_table_on_the_page_tells_every_argument(endpoints):
    table = render("export/endpoints.html", endpoints=[described(getattr(endpoints, name)) for name in NAMES])
    for name in NAMES:
        assert f"<code>/{name}</code>" in table
    assert "how token vectors become one" in table
    assert "rank (from 1), index (of the text), cosine, text." in table
