"""A model behind an OpenAI-compatible API whose answers a function gives."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

Answer = Callable[[str, dict[str, Any]], str]
Charge = Callable[[dict[str, Any], str], tuple[int, int]]


class ChatServer:
    """The server, running while it is entered.

    Args:
        answer: The question's text and the request's body → the answer.
        models: The models that it lists.
        charge: A request's body and its answer → tokens read and written.

    Attributes:
        asked: The text of each question, in the order in which they came.
        bodies: The body of each request.
        url: The base URL of its API.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        models: tuple[str, ...] = ("judge",),
        charge: Charge | None = None,
    ) -> None:
        self._answer = answer
        self._charge = charge or usual_charge
        self.asked: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                listed = [{"id": name, "object": "model"} for name in models]
                self._send({"object": "list", "data": listed})

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

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        """The reply to one request."""
        text = text_of(body)
        with self._lock:
            self.asked.append(text)
            self.bodies.append(body)
        return completion(body, answer := self._answer(text, body), self._charge(body, answer))


def usual_charge(body: dict[str, Any], answer: str) -> tuple[int, int]:
    """Tokens of a request and its answer, roughly."""
    return 85 * has_picture(body) + len(text_of(body)) // 4, len(answer) // 4 + 1


def completion(body: dict[str, Any], answer: str, tokens: tuple[int, int]) -> dict[str, Any]:
    """The reply with `answer`, in the shape of the OpenAI API."""
    digest = hashlib.blake2b(json.dumps([body["messages"], answer]).encode(), digest_size=8)
    message = {"role": "assistant", "content": answer}
    prompt, written = tokens
    return {
        "id": f"chat-{digest.hexdigest()}",
        "object": "chat.completion",
        "model": body["model"],
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": written,
            "total_tokens": prompt + written,
        },
    }


def text_of(body: dict[str, Any]) -> str:
    """The text of the last message of a request."""
    content = body["messages"][-1]["content"]
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part.get("type") == "text")


def has_picture(body: dict[str, Any]) -> bool:
    """Whether a picture is in the request."""
    contents = [message["content"] for message in body["messages"]]
    return any(
        part.get("type") == "image_url" for one in contents if isinstance(one, list) for part in one
    )
