"""A server of Google Cloud Storage on loopback: its JSON API over real sockets."""

from __future__ import annotations

import json
import threading
from functools import partial
from http.server import HTTPServer
from typing import Any, final
from urllib.parse import quote
from urllib.request import Request, urlopen

from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage

BUCKET = "bucket"
_NOTHING = b"--x\r\nContent-Type: application/json\r\n\r\n{}\r\n--x\r\n\r\n\r\n--x--"


class _Serving(HTTPServer):
    request_queue_size = 128  # as many as come at once

    def handle_error(self, *_: Any) -> None:
        """Who asks may hang up: gcsfs drops the slower of two questions."""


@final
class GsServer:
    """The server, running while it is entered, with one bucket, which is empty."""

    def __enter__(self) -> GsServer:
        self._server = _Serving(
            ("127.0.0.1", 0), partial(RequestHandler, Storage(use_memory_fs=True))
        )
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.create_bucket(BUCKET)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """What a user sets to reach it, without credentials."""
        return {"STORAGE_EMULATOR_HOST": self.url, "NO_GCE_CHECK": "true"}

    def create_bucket(self, name: str) -> None:
        self._ask("POST", "/storage/v1/b", json.dumps({"name": name}).encode(), "application/json")

    def put(self, key: str, data: bytes) -> str:
        place = f"/upload/storage/v1/b/{BUCKET}/o?name={quote(key, safe='')}&uploadType="
        if data:
            self._ask("POST", place + "media", data)
        else:  # this server takes an empty body for none
            self._ask("POST", place + "multipart", _NOTHING, "multipart/related; boundary=x")
        return f"gs://{BUCKET}/{key}"

    def get(self, key: str) -> bytes:
        return self._ask("GET", f"/storage/v1/b/{BUCKET}/o/{quote(key, safe='')}?alt=media")

    def remove(self, key: str) -> None:
        self._ask("DELETE", f"/storage/v1/b/{BUCKET}/o/{quote(key, safe='')}")

    def listed(self) -> list[str]:
        found = json.loads(self._ask("GET", f"/storage/v1/b/{BUCKET}/o"))
        return [item["name"] for item in found.get("items", ())]

    def clear(self) -> None:
        for key in self.listed():
            self.remove(key)

    def _ask(
        self, method: str, path: str, data: bytes | None = None, kind: str = "image/jpeg"
    ) -> bytes:
        request = Request(self.url + path, data, {"Content-Type": kind}, method=method)
        with urlopen(request) as answer:
            found: bytes = answer.read()
        return found
