"""ModelScope: found in its cache, downloaded, resumed and checked; a hub on loopback."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from dataflow.core.errors import (
    EngineFailedError,
    NoVisionError,
    UnknownModelError,
    UnreachableError,
)
from dataflow.serving.weights import model_hub, modelscope_hub
from tests.serving import small_models

REPO = "acme/eyes"


class Hub:
    def __init__(self, files, break_after=None):
        self.files, self.break_after, self.asked = files, break_after, []
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == f"/api/v1/models/{REPO}/repo/files":
            listed = [
                {"Path": n, "Size": len(d), "Type": "blob", "Sha256": hashlib.sha256(d).hexdigest()}
                for n, d in self.hub.files.items()
            ]
            return self.give(json.dumps({"Data": {"Files": listed}}).encode())
        if url.path == f"/api/v1/models/{REPO}/repo":
            name = parse_qs(url.query)["FilePath"][0]
            start = int(re.sub(r"\D", "", self.headers.get("Range", "0")) or 0)
            self.hub.asked.append((name, start))
            return self.give(self.hub.files[name][start:], 206 if start else 200, cuts=True)
        return self.give(b"{}", 404)

    def give(self, data, status=200, cuts=False):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if cuts and self.hub.break_after is not None and len(data) > self.hub.break_after:
            data, self.hub.break_after = data[: self.hub.break_after], None
        self.wfile.write(data)


@pytest.fixture
def files(tmp_path):
    made = small_models.checkpoint(tmp_path / "made", data=b"\3" * 500_000)
    (made / "other.gguf").write_bytes(b"GGUF")
    return {file.name: file.read_bytes() for file in made.iterdir()}


def fetch(hub, cache, monkeypatch, **options):
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", hub.url)
    return model_hub.fetch_checkpoint(REPO, hub="modelscope", cache=cache, **options)


def test_what_an_engine_loads_is_downloaded_once(files, tmp_path, monkeypatch):
    heard = []
    with Hub(files) as hub:
        folder = fetch(hub, tmp_path / "c", monkeypatch, progress=lambda *news: heard.append(news))
    assert sorted(file.name for file in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert heard[-1][1] == heard[-1][2] > 500_000
    found = model_hub.find_checkpoint(REPO, hub="modelscope", cache=tmp_path / "c")
    assert found == folder


def test_a_download_goes_on_where_it_broke(files, tmp_path, monkeypatch):
    with Hub(files, break_after=200_000) as hub:
        folder = fetch(hub, tmp_path / "c", monkeypatch)
        assert ("model.safetensors", 200_000) in hub.asked
    assert (folder / "model.safetensors").read_bytes() == files["model.safetensors"]


def test_a_damaged_file_is_not_kept(files, tmp_path, monkeypatch):
    with Hub(files) as hub:
        target = tmp_path / "c" / REPO
        target.mkdir(parents=True)
        (target / "model.safetensors.incomplete").write_bytes(b"not its beginning")
        with pytest.raises(EngineFailedError, match="came damaged"):
            fetch(hub, tmp_path / "c", monkeypatch)
        fetch(hub, tmp_path / "c", monkeypatch)


def test_a_text_model_is_told_before_its_weights_come(files, tmp_path, monkeypatch):
    with Hub({**files, "config.json": json.dumps(small_models.BLIND).encode()}) as hub:
        with pytest.raises(NoVisionError, match="acme/eyes is a text model"):
            fetch(hub, tmp_path / "c", monkeypatch)
        assert [name for name, _ in hub.asked] == ["config.json"]


def test_a_stop_ends_it_and_keeps_what_is_here(files, tmp_path, monkeypatch):
    with Hub(files) as hub, pytest.raises(EngineFailedError, match="was given up"):
        fetch(hub, tmp_path / "c", monkeypatch, stop=lambda: True)


def test_what_is_not_there(tmp_path, monkeypatch):
    with Hub({}) as hub:
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", hub.url)
        with pytest.raises(UnknownModelError, match="ModelScope has no model acme/none"):
            modelscope_hub.fetch("acme/none", list, cache=tmp_path)
    with pytest.raises(UnreachableError, match="cannot be reached"):
        modelscope_hub.fetch("acme/none", list, cache=tmp_path)
