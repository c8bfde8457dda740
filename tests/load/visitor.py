"""One visitor as a browser is one to the server: the page, a heartbeat, questions to the queue, a stream of answers."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from contextlib import suppress
from typing import Any

import httpx

from tests.load.figures import Figures

_CONFIG = re.compile(r"window\.gradio_config\s*=\s*(\{.*?\});\s*</script>", re.DOTALL)
PATIENCE = 600.0


class Visitor:
    """A page that is open.

    Args:
        client: with the server's address.
        figures: what is measured goes there.
    """

    def __init__(self, client: httpx.AsyncClient, figures: Figures) -> None:
        self._client, self._figures = client, figures
        self._session = uuid.uuid4().hex[:11]
        self._answers: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._stream: asyncio.Task[None] | None = None

    async def arrive(self) -> None:
        """Load the page, and what it asks for by itself."""
        started = time.monotonic()
        reply = await self._client.get("/")
        reply.raise_for_status()
        self._figures.answered("load the page", time.monotonic() - started)
        if (found := _CONFIG.search(reply.text)) is None:
            raise RuntimeError("the page holds no gradio_config")
        config = json.loads(found[1])
        self._components = {c["id"]: c["props"] for c in config["components"]}
        self._calls = {call["id"]: call for call in config["dependencies"]}
        self.values = {key: props.get("value") for key, props in self._components.items()}
        self._start(self._heartbeat())
        await self._fire("first view", [call for call in self._calls.values() if _fired(call, None, "load")])

    async def leave(self) -> None:
        """Close the page."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    def fill(self, **fields: Any) -> None:
        """Set fields, by ``elem_id`` with _ for -."""
        for name, value in fields.items():
            self.values[self._id(name.replace("_", "-"))] = value

    def shown(self, name: str) -> str:
        """What a component shows, by its ``elem_id``."""
        return str(self.values[self._id(name)] or "")

    async def act(self, kind: str, name: str, event: str = "click") -> None:
        """Do something to a component, and wait until all that it sets off has been answered.

        Args:
            kind: of answer, in the report.
            name: the component's ``elem_id``.
            event: of gradio.
        """
        component = self._id(name)
        await self._fire(kind, [call for call in self._calls.values() if _fired(call, component, event)])

    def _id(self, name: str) -> int:
        return next(key for key, props in self._components.items() if props.get("elem_id") == name)

    def _start(self, work: Any) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _fire(self, kind: str, calls: list[dict[str, Any]]) -> None:
        started = time.monotonic()
        await asyncio.gather(*(self._chain(kind, call, started) for call in calls))
        self._figures.answered(kind, time.monotonic() - started)

    async def _chain(self, kind: str, call: dict[str, Any], started: float | None = None) -> None:
        ok = await self._call(kind, call)
        after = [
            other
            for other in self._calls.values()
            if other.get("trigger_after") == call["id"] and (ok or not other.get("trigger_only_on_success"))
        ]
        if after and started is not None:  # what follows is further down the page
            self._figures.answered(f"{kind}: at once", time.monotonic() - started)
        await asyncio.gather(*(self._chain(kind, other) for other in after))

    async def _call(self, kind: str, call: dict[str, Any]) -> bool:
        if not call["backend_fn"]:
            return True
        body = {
            "data": [self.values.get(key) for key in call["inputs"]],
            "event_data": None,
            "fn_index": call["id"],
            "trigger_id": next((target for target, _ in call["targets"] if target is not None), None),
            "session_hash": self._session,
        }
        if not call["queue"]:
            reply = await self._client.post("/gradio_api/run/predict", json=body, timeout=PATIENCE)
            if reply.is_success:
                self._take(kind, call, reply.json())
            else:
                self._figures.failed(kind, f"HTTP {reply.status_code}: {reply.text[:200]}")
            return reply.is_success
        asked = time.monotonic()
        reply = await self._client.post("/gradio_api/queue/join", json=body, timeout=PATIENCE)
        if not reply.is_success:
            self._figures.failed(kind, f"HTTP {reply.status_code}: {reply.text[:200]}")
            return False
        answers = self._answers.setdefault(reply.json()["event_id"], asyncio.Queue())
        if self._stream is None or self._stream.done():
            self._stream = self._start(self._listen())
        while True:
            answer = await asyncio.wait_for(answers.get(), PATIENCE)
            if answer["msg"] == "process_starts":
                self._figures.waited(kind, time.monotonic() - asked)
            elif answer["msg"] == "process_completed":
                break
        del self._answers[reply.json()["event_id"]]
        if not answer["success"]:
            self._figures.failed(kind, json.dumps(answer["output"])[:300])
            return False
        self._take(kind, call, answer["output"])
        return True

    def _take(self, kind: str, call: dict[str, Any], output: dict[str, Any]) -> None:
        for key, value in zip(call["outputs"], output.get("data") or [], strict=False):
            if isinstance(value, dict) and value.get("__type__") == "update":
                if "value" not in value:
                    continue
                value = value["value"]
            self.values[key] = value
            name = self._components.get(key, {}).get("elem_id") or ""
            if name.endswith("notice") and value:
                self._figures.failed(kind, f"{name}: {value}"[:300])

    async def _listen(self) -> None:
        url = f"/gradio_api/queue/data?session_hash={self._session}"
        while True:
            async with self._client.stream("GET", url, timeout=None) as stream:
                async for line in stream.aiter_lines():
                    if not line.startswith("data:"):
                        continue
                    message = json.loads(line[5:])
                    if message["msg"] == "close_stream":
                        break
                    if (key := message.get("event_id")) is not None:
                        self._answers.setdefault(key, asyncio.Queue()).put_nowait(message)
            if not self._answers:
                return

    async def _heartbeat(self) -> None:
        with suppress(httpx.HTTPError):
            async with self._client.stream("GET", f"/gradio_api/heartbeat/{self._session}", timeout=None) as stream:
                async for _ in stream.aiter_bytes():
                    pass


def _fired(call: dict[str, Any], component: int | None, event: str) -> bool:
    return any(what == event and component in (None, target) for target, what in call["targets"])
