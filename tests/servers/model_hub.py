"""A model hub on loopback: lists, heads and gives files, and breaks off when told to."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """Serves `repos` (name → {file → bytes}); `gated` names are refused.

    `break_after` is the number of bytes after which the next download is cut off.
    """

    def __init__(self, repos, gated=(), break_after=None):
        self.repos, self.gated, self.break_after = repos, gated, break_after
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self})
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        self._answer()

    def _answer(self):
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path} {self.headers.get('Range', '')}".strip())
        if path == "/":
            return self._send(200, b"a hub")
        found = re.match(r"/(?:api/models/)?([^/]+/[^/]+)(.*)", path)
        repo, rest = found.groups()
        if repo in self.hub.gated:
            return self._refuse(403, "GatedRepo")
        if repo not in self.hub.repos:
            return self._refuse(401, "RepoNotFound")
        if path.startswith("/api/"):
            return self._list(repo, "/tree/" in rest)
        return self._give(repo, rest.removeprefix("/resolve/").partition("/")[2])

    def _list(self, repo, as_tree):
        files = self.hub.repos[repo]
        if as_tree:
            listed = [
                {"type": "file", "path": n, "size": len(d), "oid": _digest(d)}
                for n, d in files.items()
            ]
        else:
            listed = {
                "id": repo, "modelId": repo, "sha": COMMIT, "private": False, "tags": [],
                "downloads": 0, "siblings": [{"rfilename": n} for n in files],
            }  # fmt: skip
        self._send(200, json.dumps(listed).encode(), {"Content-Type": "application/json"})

    def _give(self, repo, name):
        data = self.hub.repos[repo].get(name)
        if data is None:
            return self._refuse(404, "EntryNotFound")
        headers = {"ETag": f'"{_digest(data)}"', "X-Repo-Commit": COMMIT}
        asked = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        if asked:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        return self._send(206 if asked else 200, data[start:], headers)

    def _refuse(self, status, code):
        self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code})

    def _send(self, status, body, headers=()):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.hub.break_after is not None and "/resolve/" in self.path:
            body, self.hub.break_after = body[: self.hub.break_after], None
            self.close_connection = True
        self.wfile.write(body)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
