"""A local engine that dies, or hangs, at certain questions: an OpenAI-like server as a child.

    python -S -I tests/servers/poison_engine.py LOG

A question with POISON in it ends the process by SIGSEGV; one with HANG makes it answer nothing any
more, its health neither; one with SLOW is answered late. One letter for each start goes into LOG.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    is_hung = threading.Event()

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._send(404, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        time.sleep(0.02)
        if "POISON" in body:
            os.kill(os.getpid(), signal.SIGSEGV)
            time.sleep(60)  # another thread may take the signal: nothing is answered before
        if "HANG" in body:
            self.is_hung.set()
        time.sleep(0.5 if "SLOW" in body else 0)
        message = {"role": "assistant", "content": "A red square."}
        self._send(200, {
            "id": "1", "object": "chat.completion", "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10},
        })  # fmt: skip

    def _send(self, status, answer):
        while self.is_hung.is_set():
            time.sleep(1)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main(log: str) -> None:
    with open(log, "ab") as file:
        file.write(b".")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    print(f"listening http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
