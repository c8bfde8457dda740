"""A Hub on this machine, out of folders: what the libraries ask for is answered as the Hub answers it.

Files come with commit, ETag and size; what is missing or not public with 404, 401 or 403 and the Hub's error codes.
Repositories of the owner ``private`` ask for :data:`TOKEN`.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOKEN = "hf_of_these_tests"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class StandInHub(BaseHTTPRequestHandler):
    """Repositories are folders ``owner/name`` below ``folder``; those of the owner ``gated`` are."""

    folder: Path
    requested: list[str]

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, with_body: bool) -> None:
        path = self.path.split("?")[0].strip("/")
        self.requested.append(path)
        owner = path.removeprefix("api/models/").split("/")[0]
        if owner == "private" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.say(401, error="RepoNotFound")
        if path.startswith("api/models/"):
            return self.api(path.removeprefix("api/models/"))
        repo, _, rest = path.partition("/resolve/")
        _, _, name = rest.partition("/")
        if repo.startswith("gated/"):
            return self.say(403, error="GatedRepo")
        if not (self.folder / repo).is_dir():
            return self.say(401, error="RepoNotFound")
        file = self.folder / repo / name
        if not file.is_file():
            return self.say(404, error="EntryNotFound")
        content = file.read_bytes()
        headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
        return self.say(200, content, headers, with_body)

    def api(self, path: str) -> None:
        repo = "/".join(path.split("/")[:2])
        if not (self.folder / repo).is_dir():
            return self.say(401, error="RepoNotFound")
        if "/tree/" in path:
            return self.say(404, error="EntryNotFound")
        files = [{"rfilename": f.name} for f in (self.folder / repo).iterdir()]
        return self.say(200, json.dumps({"id": repo, "sha": COMMIT, "siblings": files, "tags": []}).encode())

    def say(self, code: int, body: bytes = b"", headers=None, with_body: bool = True, error: str = "") -> None:
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if error:
            self.send_header("X-Error-Code", error)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body and self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_args) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve the repositories below a folder; gives the address, and what was asked for so far."""
    handler = type("Handler", (StandInHub,), {"folder": folder, "requested": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler.requested
    finally:
        server.shutdown()
        server.server_close()
