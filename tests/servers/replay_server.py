"""An OpenAI-compatible server that answers as one provider's documentation says.

A `Provider` says in data how it answers each of six situations; the server replays it over real
sockets. Its caption is made of the very picture that it was sent.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from aiohttp import web

from tests.loop_thread import LoopThread
from tests.servers.hostile_faults import caption_of
from tests.servers.messages import all_parts

KEY = "sk-replay-0123456789abcdef"
SITUATIONS = (
    "main job", "wrong key", "unknown model", "rate limit", "refusal", "cut answer",
)  # fmt: skip

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back.

    Attributes:
        status: The HTTP status.
        body: JSON.
        headers: More headers.
    """

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """How one provider answers, by its documentation.

    Attributes:
        name: As people call it.
        url: Its address, for the documentation.
        model: A model of it that sees pictures.
        source: Where it is documented, and when that was read.
        key_variable: The environment variable in the documented command; empty where no key is
            needed.
        path: What its API's paths begin with.
        query: What its URLs must hold.
        key_header: The header that carries the key alone; empty for ``Authorization: Bearer``.
        arguments: Of `APIVLMServing_openai`, beyond address, key and model.
        flags: The same on the command line.
        needs: Fields that a request must hold, with these values.
        refuses: Fields that it does not take → its answer.
        system: In which form it takes a system message: ``"any"``, ``"text"`` or ``"none"``.
        good: The finish reason of a whole answer.
        cut: The finish reason of a cut one.
        wrong_key: Its answer to a wrong key; None where it takes any.
        unknown_model: Its answer to an unknown model; None where it takes any name.
        rate_limit: Its answer to too many requests.
        wait: The seconds after which that lifts, as it says; None where it does not.
        refusal: How it refuses a picture: a whole answer, or the finish reason that says so; None
            where it has no filter of its own.
        notes: What is peculiar, a sentence each.
    """

    name: str
    url: str
    model: str
    source: str
    key_variable: str = "DF_API_KEY"
    path: str = "/v1"
    query: str = ""
    key_header: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    flags: str = ""
    needs: Mapping[str, Any] = field(default_factory=dict)
    refuses: Mapping[str, Answer] = field(default_factory=dict)
    system: str = "any"
    good: str = "stop"
    cut: str = "length"
    wrong_key: Answer | None = None
    unknown_model: Answer | None = None
    rate_limit: Answer = field(default_factory=lambda: Answer(429, {"error": "slow down"}))
    wait: float | None = None
    refusal: Answer | str | None = None
    notes: Sequence[str] = ()

    @property
    def command(self) -> str:
        """The line that captions a folder with it."""
        has_own = self.key_variable not in ("", "DF_API_KEY")
        key = f" --key-env {self.key_variable}" if has_own else ""
        flags = f" {self.flags}" if self.flags else ""
        return (
            f'dataflow caption photos -o captions.jsonl --api-url "{self.url}" '
            f"--model {self.model}{key}{flags}"
        )


@final
class ReplayServer:
    """The server, running while it is entered.

    Args:
        provider: Whom it replays.
        situation: One of `SITUATIONS`.

    Attributes:
        bodies: The requests' bodies.
    """

    def __init__(self, provider: Provider, situation: str = SITUATIONS[0]) -> None:
        self.provider = provider
        self.situation = situation
        self.bodies: list[dict[str, Any]] = []
        self._port = 0

    @property
    def url(self) -> str:
        """Its address, as the provider's documentation gives it."""
        query = f"?{self.provider.query}" if self.provider.query else ""
        return f"http://127.0.0.1:{self._port}{self.provider.path}{query}"

    def __enter__(self) -> ReplayServer:
        self._thread = LoopThread()
        self._thread.run(self._open(), 10)
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.run(self._runner.cleanup(), 10)
        self._thread.stop()

    async def _open(self) -> None:
        app = web.Application(client_max_size=2**26)
        app.router.add_get(f"{self.provider.path}/models", self._models)
        app.router.add_post(f"{self.provider.path}/chat/completions", self._chat)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def _models(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"object": "list", "data": [{"id": self.provider.model}]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        answer = self._answer(request, body)
        if answer.status == 200 and body.get("stream"):
            return await _stream(request, answer.body)
        return web.json_response(answer.body, status=answer.status, headers=dict(answer.headers))

    def _answer(self, request: web.Request, body: Body) -> Answer:
        provider = self.provider
        if provider.wrong_key is not None and not self._has_key(request):
            return provider.wrong_key
        if provider.query and request.query_string != provider.query:
            return Answer(404, {"error": {"code": "404", "message": "Resource not found"}})
        if provider.unknown_model is not None and body.get("model") != provider.model:
            return provider.unknown_model
        if self.situation == "rate limit":
            return provider.rate_limit
        for name, refused in provider.refuses.items():
            if name in body:
                return refused
        for name, value in provider.needs.items():
            if body.get(name) != value:
                return Answer(400, {"error": {"message": f"{name} must be set to {value}"}})
        if (wrong := self._refused_system(body)) is not None:
            return wrong
        return self._completion(body)

    def _has_key(self, request: web.Request) -> bool:
        if self.provider.key_header:
            return request.headers.get(self.provider.key_header) == KEY
        return request.headers.get("Authorization") == f"Bearer {KEY}"

    def _refused_system(self, body: Body) -> Answer | None:
        system = next((m for m in body["messages"] if m["role"] == "system"), None)
        if system is None or self.provider.system == "any":
            return None
        if self.provider.system == "none":
            return Answer(400, {"error": {"message": "System role not supported"}})
        if isinstance(system["content"], str):
            return None
        message = "'messages.0' : for 'role:system' the content: value must be a string"
        return Answer(400, {"error": {"message": message, "type": "invalid_request_error"}})

    def _completion(self, body: Body) -> Answer:
        reason, text = self.provider.good, caption_of(*_pictures(body))
        if self.situation == "refusal":
            if isinstance(self.provider.refusal, Answer):
                return self.provider.refusal
            reason, text = self.provider.refusal or reason, ""
        if self.situation == "cut answer":
            reason, text = self.provider.cut, text[:-9]
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": reason,
        }
        usage = {"prompt_tokens": 100, "completion_tokens": 9, "total_tokens": 109}
        return Answer(
            200,
            {
                "id": f"chatcmpl-{len(self.bodies)}",
                "object": "chat.completion",
                "model": body["model"],
                "choices": [choice],
                "usage": usage,
            },
        )


def _pictures(body: Body) -> list[bytes]:
    urls = [p["image_url"]["url"] for p in all_parts(body) if p["type"] == "image_url"]
    return [b64decode(re.sub(r"^data:[^,]*,", "", url)) for url in urls]


async def _stream(request: web.Request, whole: Mapping[str, Any]) -> web.StreamResponse:
    import json

    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    choice = whole["choices"][0]
    deltas = [
        {"index": 0, "delta": {"content": word}, "finish_reason": None}
        for word in re.findall(r"\S+\s*", choice["message"]["content"])
    ]
    deltas.append({"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]})
    for delta in deltas:
        chunk = {"id": whole["id"], "model": whole["model"], "choices": [delta]}
        await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    last = {"id": whole["id"], "choices": [], "usage": whole["usage"]}
    await response.write(b"data: " + json.dumps(last).encode() + b"\n\ndata: [DONE]\n\n")
    return response
