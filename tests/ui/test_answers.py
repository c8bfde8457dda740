"""A page's stream of answers, as gradio's own and with a server that stands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse, StreamingResponse

from llm2vec_core.ui.answers import CLOSES, LastingStream

SESSION = "a page"


def run(visit: Coroutine[Any, Any, None]) -> None:
    """In a thread: Playwright's loop runs in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, visit).result()


class Gradio:
    """What the middleware sees of gradio: questions of a session, and a stream that ends once all are answered."""

    def __init__(self):
        self._queue = SimpleNamespace(pending_event_ids_session={})
        self.streams = 0

    def get_blocks(self):
        return self

    async def __call__(self, scope, receive, send):
        pending = self._queue.pending_event_ids_session.setdefault(SESSION, set())
        if scope["path"].endswith("join"):
            pending.add(scope["query_string"])
            await PlainTextResponse("asked")(scope, receive, send)
            return

        async def answers():
            self.streams += 1
            while pending:
                yield b'data: {"msg":"process_completed","event_id":"%s"}\n\n' % pending.pop()
            yield CLOSES + b',"event_id":null}\n\n'

        await StreamingResponse(answers(), media_type="text/event-stream")(scope, receive, send)


class Page:
    """Asks, and listens on one stream."""

    def __init__(self, seconds: float):
        self.gradio = Gradio()
        self.app = LastingStream(self.gradio, seconds)
        self.heard: asyncio.Queue[dict] = asyncio.Queue()
        self.left = asyncio.Event()

    def scope(self, path, method, query=b""):
        return {
            "type": "http", "method": method, "path": path, "query_string": query, "headers": [], "app": self.gradio
        }  # fmt: skip

    async def ask(self, name: bytes):
        async def send(message):
            pass

        await self.app(self.scope("/gradio_api/queue/join", "POST", name), self.receive, send)

    async def receive(self):
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def listen(self):
        query = f"session_hash={SESSION}".encode()
        await self.app(self.scope("/gradio_api/queue/data", "GET", query), self.receive, self.heard.put)

    async def next_answer(self) -> str:
        while True:
            message = await asyncio.wait_for(self.heard.get(), 30)
            if message["type"] == "http.response.body" and message["body"]:
                told = json.loads(message["body"][5:])
                return told["event_id"] or told["msg"]


def test_what_is_asked_after_the_last_answer_is_heard_on_the_same_stream():
    async def visit():
        page = Page(seconds=60)
        await page.ask(b"one")
        stream = asyncio.create_task(page.listen())
        assert await page.next_answer() == "one"
        for name in (b"two", b"three"):
            await page.ask(name)
            assert await page.next_answer() == name.decode()
        page.left.set()  # the page is closed: so is the stream
        await asyncio.wait_for(stream, 30)
        assert page.gradio.streams == 3

    run(visit())


def test_a_stream_on_which_nothing_more_is_asked_ends_as_gradio_ends_it():
    async def visit():
        page = Page(seconds=0.05)
        await page.ask(b"one")
        await asyncio.wait_for(page.listen(), 30)
        messages = [page.heard.get_nowait() for _ in range(page.heard.qsize())]
        assert [message["type"] for message in messages] == ["http.response.start"] + ["http.response.body"] * 3
        bodies = [message["body"] for message in messages[1:]]
        assert b"process_completed" in bodies[0] and bodies[1].startswith(CLOSES) and bodies[2] == b""
        assert not messages[-1].get("more_body", False)

    run(visit())


@pytest.mark.browser
@pytest.mark.process
def test_the_server_answers_two_questions_on_one_stream(server):
    async def visit():
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=server, timeout=60, limits=limits) as client:
            config = (await client.get("/config")).json()
            index = next(call["id"] for call in config["dependencies"] if call["api_name"] == "prefix_test")
            body = {"data": [""], "fn_index": index, "session_hash": "onestream"}

            async def ask():
                return (await client.post("/gradio_api/queue/join", json=body)).json()["event_id"]

            asked = [await ask()]
            heard = []
            async with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": "onestream"}) as stream:
                async for line in stream.aiter_lines():
                    message = json.loads(line[5:]) if line.startswith("data:") else {"msg": ""}
                    if message["msg"] == "process_completed":
                        heard.append(message["event_id"])
                        if len(asked) == 2:
                            break
                        asked.append(await ask())
                    assert message["msg"] != "close_stream"
            assert heard == asked

    run(visit())
