"""A server that reads JPEGs alone gets every picture as one."""

from __future__ import annotations

import json
import threading
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import pytest
from PIL import Image

from tests.servers.chat_server import completion


def kind_of(body: dict) -> str:
    """The format of the picture that was sent."""
    url = body["messages"][-1]["content"][0]["image_url"]["url"]
    with Image.open(BytesIO(b64decode(url.partition(",")[2]))) as image:
        return str(image.format)


@pytest.fixture
def server():
    """Takes the kinds in `taken` alone; `kinds` are those that came."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer(200, {"data": [{"id": "m"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kind = kind_of(body)
            http.kinds.append(kind)
            if kind in http.taken:
                text = f"A picture, number {len(http.kinds)} of those that came."
                self.answer(200, completion(body, text, (1, 1)))
            else:
                self.answer(400, {"error": {"code": 400, "message": http.complaint}})

        def answer(self, status: int, value: object) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.kinds, http.taken, http.complaint = [], {"JPEG"}, "Failed to load image or audio file"
    http.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield http
    http.shutdown()
    http.server_close()


@pytest.fixture
def command(dataflow, server):
    folder = dataflow.folder / "drawn"
    folder.mkdir()
    for number in range(12):
        image = Image.new("RGB", (64, 48), "white")
        image.paste((200, number, 0), (number, 5, number + 20, 30))
        image.save(folder / f"{number:02}.png")
    return ["caption", "drawn", "--api-url", server.url, "--model", "m", "-o", "out.jsonl"]


@pytest.mark.parametrize(
    "complaint", ["Failed to load image or audio file", "unsupported media type", "bad request"]
)
def test_pictures_go_as_jpegs_once_a_server_read_one_and_no_png(
    dataflow, server, command, complaint
):
    server.complaint = complaint
    done = dataflow(*command, "--concurrency", "1")
    assert done.returncode == 0, done.stderr
    assert server.kinds == ["PNG", *["JPEG"] * 12]
    assert "reads no PNG" in done.stderr


def test_requests_that_were_in_flight_with_pngs_are_sent_again_as_jpegs(dataflow, server, command):
    done = dataflow(*command, "--concurrency", "12")
    assert done.returncode == 0, done.stderr
    assert server.kinds.count("JPEG") == 12


def test_a_server_that_reads_pngs_is_never_sent_another_form(dataflow, server, command):
    server.taken = {"JPEG", "PNG"}
    assert dataflow(*command).returncode == 0
    assert server.kinds == ["PNG"] * 12


def test_a_server_that_reads_neither_is_not_said_to_read_jpegs(dataflow, server, command):
    server.taken = set()
    done = dataflow(*command)
    assert done.returncode in (1, 3)
    assert server.kinds.count("JPEG") <= 4
    assert "reads no PNG" not in done.stderr
