"""What the server sends beside gradio's own files: the icon, plotly's script, and what a shared link to the page shows.

No address names a path of this server, and all of them work under a sub-path behind a proxy.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from gradio.route_utils import get_root_url
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
    """ASGI middleware: :func:`with_own_head` for each page of HTML.

    Args:
        app: what comes next.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def rewritten(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_page(message["headers"]):
                start = message
            elif start is None or message["type"] != "http.response.body":
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    root = get_root_url(Request(scope), scope["path"], scope.get("root_path"))
                    page = with_own_head(body.decode("utf-8"), root).encode("utf-8")
                    others = [(k, v) for k, v in start["headers"] if k.lower() != b"content-length"]
                    await send({**start, "headers": [*others, (b"content-length", str(len(page)).encode())]})
                    await send({"type": "http.response.body", "body": page})

        await self.app(scope, receive, rewritten)


def _is_page(headers: Any) -> bool:
    return any(key.lower() == b"content-type" and value.startswith(b"text/html") for key, value in headers)
