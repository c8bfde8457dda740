"""The stream that a page hears its answers from: it goes on for some seconds after the last one."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

JOIN, STREAM = "/gradio_api/queue/join", "/gradio_api/queue/data"
# What gradio sends before it ends a stream; a visitor's text in an answer cannot begin like this.
CLOSES = b'data: {"msg":"close_stream"'
# A browser holds six connections to a host, and each page has two while its stream goes on.
SECONDS = 10.0


class LastingStream:
    """ASGI middleware that lets a page's stream of answers outlive the last answer.

    Gradio ends it as soon as nothing more is asked. A page whose next question was answered with a place in the queue
    before it heard of that end waits for an answer on a stream that is over, until it asks something else: with a
    network that took 1.5 s the first view never came.

    Args:
        app: what comes next.
        seconds: that a stream goes on for when nothing is asked.
    """

    def __init__(self, app: ASGIApp, seconds: float = SECONDS) -> None:
        self.app = app
        self._seconds = seconds
        self._resting: set[asyncio.Event] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope.get("path", "")
        if scope["type"] == "http" and path.endswith(STREAM) and scope["method"] == "GET":
            await self._lasting(scope, receive, send)
            return
        await self.app(scope, receive, send)
        if path.endswith(JOIN):
            for asked in self._resting:
                asked.set()

    async def _lasting(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun, closing = False, None

        async def pass_on(message: Message) -> None:
            nonlocal begun, closing
            if closing is not None or (begun and message["type"] == "http.response.start"):
                return  # the end of one of gradio's streams, or the start of the next
            if message.get("body", b"").startswith(CLOSES):
                closing = message
                return
            begun = True
            await send(message)

        while True:
            await self.app(dict(scope), receive, pass_on)
            if closing is None:
                return  # the visitor has left, or there is no such session
            if not await self._asks_again(scope, receive):
                await send(closing)
                await send({"type": "http.response.body", "body": b""})
                return
            closing = None

    async def _asks_again(self, scope: Scope, receive: Receive) -> bool:
        """Wait until the page asks something more; False if it leaves, or long enough has passed."""
        pending: dict[str, set[str]] = scope["app"].get_blocks()._queue.pending_event_ids_session
        session = Request(scope).query_params.get("session_hash", "")
        loop, asked = asyncio.get_running_loop(), asyncio.Event()
        until = loop.time() + self._seconds
        left = asyncio.create_task(_left(receive))
        self._resting.add(asked)
        try:
            while not pending.get(session):
                asked.clear()
                woken = asyncio.create_task(asked.wait())
                done, _ = await asyncio.wait(
                    {woken, left}, timeout=until - loop.time(), return_when=asyncio.FIRST_COMPLETED
                )
                woken.cancel()
                if not done or left in done:
                    return False
            return True
        finally:
            self._resting.discard(asked)
            left.cancel()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
