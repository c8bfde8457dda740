"""What the server sends beside gradio's own files: the icon, plotly's script, and what a shared link to the page shows.

No address names a path of this server, and all of them work under a sub-path behind a proxy.
"""

from __future__ import annotations

import asyncio
import gzip
import re
from http import HTTPStatus
from pathlib import Path
from typing import Any

from gradio.route_utils import get_root_url
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from llm2vec_core.cache import Cache, Limit
from llm2vec_core.presets import ASSETS
from llm2vec_core.ui import copy
from llm2vec_core.ui.plot import PLOTLY_FILE
from llm2vec_core.ui.templates import render

STATIC = Path(__file__).parent / "static"
ICON = STATIC / "icon.svg"
# By address below the page's own. card.png is card.svg, drawn: few programs that preview links read SVG.
DOCS = ("CLASS.md", "lesson.ipynb")
FILES = {"l2v/icon.svg": ICON, "l2v/card.png": STATIC / "card.png", "l2v/plotly.min.js": PLOTLY_FILE} | {
    f"l2v/{name}": ASSETS / "docs" / name for name in DOCS
}
# Gradio's own title, description and picture for shared links, and a manifest that names its logo.
FOREIGN = re.compile(r'<meta\s+(?:property="og:|name="twitter:)[^>]*>|<link rel="manifest"[^>]*>')
SETTINGS = "<script>window.gradio_config"
# Pages that are remembered, plain (a megabyte) and compressed: a server is known by few addresses.
PAGES = 16


def routes() -> list[Route]:
    """The addresses of :data:`FILES`, for ``app_kwargs`` of ``launch()``."""

    def route(address: str, file: Path) -> Route:
        async def send(request: Request) -> FileResponse:
            return FileResponse(file, headers={"Cache-Control": "max-age=3600"})

        return Route(f"/{address}", send)

    return [route(address, file) for address, file in FILES.items()]


def with_own_head(page: str, root: str) -> str:
    """Gradio's page with the title, description, picture and icon of this one.

    Args:
        page: HTML.
        root: the page's address as visitors know it, without a slash at the end.

    Returns:
        The HTML, unchanged if it is not gradio's page.
    """
    head, settings, rest = page.partition(SETTINGS)
    if not settings:
        return page
    ours = render("page_head.html", title=copy.TITLE, description=copy.DESCRIPTION, root=root)
    config, end, rest = rest.partition("</script>")
    return f"{FOREIGN.sub('', head)}{ours}{settings}{config}{end}{FOREIGN.sub('', rest)}"


class OwnHead:
    """ASGI middleware: gradio's page :func:`with_own_head`, made once for each address that the server is known by.

    There is no login, so the page is the same for every visitor; gradio makes it anew for each, in 30 ms, and
    compressing it takes another 15.

    Args:
        app: what comes next.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._pages = Cache({"page": Limit(PAGES, None)})
        self._making = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope.get("path", "").removeprefix(scope.get("root_path") or "")
        if scope["type"] != "http" or scope["method"] != "GET" or path not in ("", "/"):
            await self.app(scope, receive, send)
            return
        root = get_root_url(Request(scope), scope["path"], scope.get("root_path"))
        key = ("page", scope["path"], root)
        async with self._making:  # who comes meanwhile waits for the same one
            if key in self._pages:
                messages = self._pages.get(key, list)
            else:
                # Without what is one visitor's alone, so that the page cannot depend on it.
                headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
                messages = await self._made({**scope, "query_string": b"", "headers": headers}, receive, root)
                if messages[0].get("status") == HTTPStatus.OK:
                    self._pages.put(key, messages)
        packs = "gzip" in Headers(scope=scope).get("accept-encoding", "")
        if packs and messages[0].get("status") == HTTPStatus.OK and _is_page(messages[0]["headers"]):
            messages = self._pages.get(("page", "gzip", *key[1:]), lambda: compressed(messages))
        for message in messages:
            # A copy: what compresses a message on its way does so in place.
            await send({**message, "headers": [*message["headers"]]} if "headers" in message else {**message})

    async def _made(self, scope: Scope, receive: Receive, root: str) -> list[Message]:
        """What gradio answers; its page with our head."""
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, collect)
        start = messages[0]
        if not _is_page(start["headers"]):
            return messages
        body = b"".join(message.get("body", b"") for message in messages[1:])
        page = with_own_head(body.decode("utf-8"), root).encode("utf-8")
        others = [(k, v) for k, v in start["headers"] if k.lower() != b"content-length"]
        return [
            {**start, "headers": [*others, (b"content-length", str(len(page)).encode())]},
            {"type": "http.response.body", "body": page},
        ]


def compressed(messages: list[Message]) -> list[Message]:
    """A page, of two messages (start and body), with its body in gzip."""
    start, body = messages
    packed = gzip.compress(body["body"])
    told = [
        (b"content-encoding", b"gzip"),
        (b"vary", b"Accept-Encoding"),
        (b"content-length", str(len(packed)).encode()),
    ]
    others = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
    return [{**start, "headers": [*others, *told]}, {**body, "body": packed}]


def _is_page(headers: Any) -> bool:
    return any(key.lower() == b"content-type" and value.startswith(b"text/html") for key, value in headers)
