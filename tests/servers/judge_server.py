"""A judge behind an OpenAI-compatible API: a function of the two captions it is shown decides."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, final

Decide = Callable[[str, str], str]
_CAPTIONS = re.compile(r"Description 1:\n(.*)\n\nDescription 2:\n(.*)\n\nSay in", re.DOTALL)


@final
class JudgeServer:
    """The server, running while it is entered.

    Args:
        decide: The captions in the order shown → ``"first"``, ``"second"``, ``"tie"``, or any other
            text, which is sent as it is.
    """

    def __init__(self, decide: Decide) -> None:
        self.decide = decide
        self.asked: list[tuple[str, str]] = []
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._send({"object": "list", "data": [{"id": "judge", "object": "model"}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._send(server.reply(body))

            def log_message(self, *_: Any) -> None:
                pass

            def _send(self, value: Any) -> None:
                data = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> JudgeServer:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def reply(self, body: Any) -> dict[str, Any]:
        """The answer to one request."""
        parts = body["messages"][-1]["content"]
        texts = [part["text"] for part in parts if part.get("type") == "text"]
        [first, second] = _CAPTIONS.search("\n".join(texts)).groups()
        with self._lock:
            self.asked.append((first, second))
            number = len(self.asked)
        choice = self.decide(first, second)
        known = choice in ("first", "second", "tie")
        text = json.dumps({"reason": "as decided", "choice": choice}) if known else choice
        return {
            "id": f"judge-{number}",
            "object": "chat.completion",
            "model": "judge",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": text},
                }
            ],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
        }
