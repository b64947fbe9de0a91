"""A stand-in for servers of several makes: how they start, what they answer before they are ready.

    python -S -I tests/servers/any_engine.py MAKE MODEL --port PORT

MAKE is sglang, lmdeploy, tgi, mlx, liar (never ready) or broken (ends with a reason).
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAKE, MODEL, PORT = sys.argv[1], sys.argv[2], int(sys.argv[4].removeprefix("--server-port="))
LOADED = time.monotonic() + 0.6


def is_loaded():
    return MAKE != "liar" and time.monotonic() >= LOADED


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path == "/health" and MAKE != "mlx":
            return self.send(200 if is_loaded() else 503, b"")
        if self.path == "/v1/models" and MAKE != "tgi":
            name = {"lmdeploy": MODEL.rpartition("/")[2], "mlx": "its-own-name"}.get(MAKE, MODEL)
            return self.send(200, json.dumps({"data": [{"id": name}]}).encode())
        return self.send(404, b"{}")

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = f"{MAKE} {asked['model']} loaded={is_loaded() or MAKE == 'mlx'}"
        choice = {"index": 0, "message": {"role": "assistant", "content": text},
                  "finish_reason": "stop"}  # fmt: skip
        self.send(
            200, json.dumps({"id": "1", "model": asked["model"], "choices": [choice]}).encode()
        )

    def send(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if MAKE == "broken":
    print("Loading", flush=True)
    sys.exit("ValueError: this architecture is not supported")
print(f"{MAKE} listens", flush=True)
ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
