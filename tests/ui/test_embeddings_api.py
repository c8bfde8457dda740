"""``/v1/embeddings`` over plain HTTP, held against the documented form of OpenAI's requests, answers and errors."""

from __future__ import annotations

import asyncio
import base64
import json
import shlex
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from tokenizers import Tokenizer

from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.presets import BUNDLED
from llm2vec_core.ui import embeddings_api
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.embeddings_api import embedding_routes
from llm2vec_core.ui.limits import Limits
from llm2vec_core.ui.tabs.export import copy

TEXTS = ["The bank was steep and muddy.", "The bank was robbed at noon.", "Ein Fluß 😀"]


@pytest.fixture(scope="module")
def client(context):
    strict = AppContext(BUNDLED, Limits(api_texts=4, api_characters=400, text_characters=300))
    strict.cache = context.cache
    with TestClient(Starlette(routes=embedding_routes(strict))) as client:
        yield client


def ask(client, **body):
    return client.post("/v1/embeddings", json={"model": "mini", "input": TEXTS, **body})


def refusal(reply) -> tuple[int, str | None, str]:
    """(status, param, message) of an error in OpenAI's form."""
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == ("server_error" if reply.status_code == 500 else "invalid_request_error")
    return reply.status_code, error["param"], error["message"]


def test_an_answer_has_the_documented_form_and_our_vectors(client):
    reply = ask(client, user="someone")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    body = reply.json()
    assert set(body) == {"object", "data", "model", "usage"}
    assert (body["object"], body["model"]) == ("list", "mini")
    assert [(set(row), row["object"], row["index"]) for row in body["data"]] == [
        ({"object", "index", "embedding"}, "embedding", i) for i in range(len(TEXTS))
    ]
    expected = LLM2Vec.from_preset("mini").encode(TEXTS, normalize=True)
    np.testing.assert_allclose([row["embedding"] for row in body["data"]], expected, atol=1e-5 * np.abs(expected).max())
    tokenizer = Tokenizer.from_file(f"{BUNDLED.base}/tokenizer.json")
    tokens = sum(len(tokenizer.encode(text).ids) for text in TEXTS)
    assert body["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


def test_the_example_on_the_page_is_such_a_request(client):
    url, *_, body = shlex.split(copy.API_OPENAI.replace("MODEL", "mini").replace("\\\n", " "))[2:]
    assert url == "ORIGIN/v1/embeddings"
    assert client.post(url.removeprefix("ORIGIN"), content=body).status_code == 200


def test_one_text_needs_no_list(client):
    [row] = ask(client, input=TEXTS[0]).json()["data"]
    assert np.allclose(row["embedding"], ask(client).json()["data"][0]["embedding"], atol=1e-5)


def test_base64_is_what_the_official_client_decodes(client):
    """It asks for base64 by itself and reads float32 of it."""
    plain = [row["embedding"] for row in ask(client).json()["data"]]
    packed = [row["embedding"] for row in ask(client, encoding_format="base64").json()["data"]]
    decoded = [np.frombuffer(base64.b64decode(text), dtype="<f4") for text in packed]
    np.testing.assert_allclose(decoded, plain, rtol=1e-6)


@pytest.mark.parametrize("dimensions", [1, 64, 384])
def test_fewer_dimensions_have_length_one(client, dimensions):
    found = np.array([row["embedding"] for row in ask(client, dimensions=dimensions).json()["data"]])
    whole = np.array([row["embedding"] for row in ask(client).json()["data"]])[:, :dimensions]
    np.testing.assert_allclose(found, whole / np.linalg.norm(whole, axis=1, keepdims=True), atol=1e-5)


def test_every_model_that_is_listed_answers(client):
    listed = client.get("/v1/models").json()
    assert listed["object"] == "list"
    assert all(set(model) == {"id", "object", "created", "owned_by"} for model in listed["data"])
    names = [model["id"] for model in listed["data"]]
    assert names[0] == "mini" and {"mini:causal", "mini:simcse", "mini:static", "mini:echo"} <= set(names)
    vectors = {name: ask(client, model=name, input=TEXTS[0]).json()["data"][0]["embedding"] for name in names}
    expected = LLM2Vec.from_preset("mini:causal").encode(TEXTS[0], normalize=True)
    assert np.allclose(vectors["mini:causal"], expected, atol=1e-5)
    assert vectors["mini"] == vectors[f"mini:{BUNDLED.default.key}"] != vectors["mini:causal"]


@pytest.mark.parametrize(
    ("body", "status", "param", "message"),
    [
        (
            {"model": "text-embedding-3-small"},
            404,
            "model",
            "no model 'text-embedding-3-small'; name one of mini, mini:c",
        ),
        ({"model": None}, 404, "model", "no model None"),
        ({"input": []}, 400, "input", "give at least one"),
        ({"input": ["a", ""]}, 400, "input", "input[1] is empty"),
        ({"input": "  "}, 400, "input", "input[0] is empty"),
        ({"input": None}, 400, "input", "no list of texts"),
        ({"input": ["a", 3]}, 400, "input", "input[1] is int"),
        ({"input": [[1, 2], [3]]}, 400, "input", "token numbers, which belong to another tokenizer"),
        ({"input": [1, 2]}, 400, "input", "token numbers"),
        ({"input": ["a"] * 5}, 400, "input", "has 5 texts; at most 4"),
        ({"input": ["a" * 301]}, 400, "input", "301 characters; at most 300"),
        ({"input": ["a" * 299] * 2}, 400, "input", "598 characters in all; at most 400"),
        ({"dimensions": 0}, 400, "dimensions", "give a whole number from 1"),
        ({"dimensions": 385}, 400, "dimensions", "dimensions is 385; mini has 384"),
        ({"dimensions": True}, 400, "dimensions", "dimensions is True"),
        ({"dimensions": "64"}, 400, "dimensions", "dimensions is '64'"),
        ({"encoding_format": "int8"}, 400, "encoding_format", "give float or base64"),
        ({"normalize": False}, 400, "normalize", "unknown field 'normalize'; known are input, model"),
    ],
    ids=str,
)
def test_what_cannot_be_honoured_is_refused_by_name(client, body, status, param, message):
    found = refusal(ask(client, **body))
    assert found[:2] == (status, param)
    assert message in found[2]


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 50_000, b"\xff\xfe", b"[]", b"null"])
def test_a_body_that_is_no_request(client, content):
    status, param, message = refusal(client.post("/v1/embeddings", content=content))
    assert (status, param) == (400, None)
    assert message.startswith(("The body is no JSON", "The body holds "))


@pytest.mark.parametrize(
    ("content", "status", "param", "message"),
    [
        ('{"model": "mini", "input": "a", "dimensions": 1' + "0" * 400 + "}", 400, "dimensions", "dimensions is 1000"),
        ('{"model": "mini", "input": "a", "dimensions": 1' + "0" * 9_000 + "}", 400, None, "more than 4,300 digits"),
        ('{"model": "mini", "input": "a", "dimensions": 1e999}', 400, "dimensions", "dimensions is inf"),
        ('{"model": "mini", "input": "a", "dimensions": NaN}', 400, "dimensions", "dimensions is nan"),
        ('{"model": "mini", "input": [1' + "0" * 400 + "]}", 400, "input", "token numbers"),
        ('{"model": "mini", "input": ' + "[" * 900 + "]" * 900 + "}", 400, "input", "input[0] is list"),
        ('{"model": ' + "[" * 900 + "]" * 900 + ', "input": "a"}', 404, "model", "there is no model"),
        ('{"model": {"a": 1}, "input": "a"}', 404, "model", "there is no model {'a': 1}"),
        ('{"model": "mini", "input": "a", "encoding_format": ["float"]}', 400, "encoding_format", "['float']"),
        ('{"model": "mini", "input": {"0": "a"}}', 400, "input", "no list of texts"),
        (r'{"model": "mini", "input": "a", "\ud800": 1}', 400, "\ufffd", r"unknown field '\ud800'"),
        (r'{"model": "\ud800", "input": "a"}', 404, "model", r"no model '\ud800'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_json_that_no_client_sends(client, content, status, param, message):
    found = refusal(client.post("/v1/embeddings", content=content))
    assert found[:2] == (status, param)
    assert message in found[2] and len(found[2]) < 400


def test_a_body_that_is_too_large_is_not_read_to_its_end(client):
    read, sent = [], []

    async def receive():
        read.append(1)
        return {"type": "http.request", "body": b" " * 65_536, "more_body": True}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/embeddings", "headers": [], "query_string": b""}
    # In a thread of its own: an open browser's loop runs in this one.
    with ThreadPoolExecutor() as pool:
        pool.submit(asyncio.run, client.app(scope, receive, send)).result()
    assert (sent[0]["status"], len(read)) == (413, 2)
    assert "more than 70,336 bytes" in json.loads(sent[1]["body"])["error"]["message"]


def test_the_largest_call_that_is_allowed_fits_into_the_body(client):
    # Two escapes of six bytes: as large as a character can be in JSON.
    body = json.dumps({"model": "mini", "input": ["😀" * 100] * 4}, ensure_ascii=True).encode()
    assert client.post("/v1/embeddings", content=body).status_code == 200


def test_other_methods_are_not_served(client):
    assert client.get("/v1/embeddings").status_code == 405
    assert client.post("/v1/models").status_code == 405


def test_an_unexpected_error_says_nothing_of_the_server(client, monkeypatch):
    def broken(*_):
        raise RuntimeError("/etc/secret")

    monkeypatch.setattr(embeddings_api.EmbeddingsAPI, "embed", broken)
    status, _, message = refusal(ask(client))
    assert (status, "secret" in message) == (500, False)


def test_calls_beyond_the_queue_are_told_to_come_again(client, monkeypatch):
    started, go, running, most = threading.Semaphore(0), threading.Event(), [], []

    def slow(self, order):
        running.append(1)
        most.append(len(running))
        started.release()
        go.wait(60)
        running.pop()
        return {}

    monkeypatch.setattr(embeddings_api.EmbeddingsAPI, "embed", slow)
    monkeypatch.setattr(embeddings_api, "WAITING", 1)
    with ThreadPoolExecutor(8) as pool:
        first = [pool.submit(ask, client, input="a") for _ in range(embeddings_api.CALLS_AT_ONCE)]
        for _ in first:
            assert started.acquire(timeout=60)
        others = [pool.submit(ask, client, input="a") for _ in range(3)]
        # One of them waits; the other two have their answer while nothing is done.
        refused = [reply for reply in others if _done_soon(reply)]
        assert len(refused) == 2
        for reply in refused:
            assert (reply.result().status_code, reply.result().headers["Retry-After"]) == (429, "1")
            assert reply.result().json()["error"]["code"] == "rate_limit_exceeded"
        go.set()
        assert [reply.result().status_code for reply in first] == [200] * len(first)
        assert sorted(reply.result().status_code for reply in others) == [200, 429, 429]
    assert max(most) == embeddings_api.CALLS_AT_ONCE


def _done_soon(reply) -> bool:
    try:
        reply.result(timeout=3)
    except TimeoutError:
        return False
    return True
