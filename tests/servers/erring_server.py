"""An OpenAI-compatible server whose model errs, and errs less where the question helps it.

It sees only what a server sees: the request's body. Its first answer about a picture is faulty with
a certain chance; a further one with a small chance where the request holds the remedy for that
fault, and with a large one where it does not, for a model that is asked the same way errs the same
way. It remembers every text that it sent. Chance comes from a seed, the picture's number (its
width) and how often it was asked about.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from base64 import b64decode
from collections import Counter, defaultdict
from collections.abc import Callable
from io import BytesIO
from typing import Any, final

from aiohttp import web
from PIL import Image

from tests.loop_thread import LoopThread
from tests.servers.messages import all_parts

FIRST, HELPED, UNHELPED = 0.30, 0.10, 0.90
"""The chance of a faulty answer: at first, with the remedy, without it."""

NARROWEST = 32
"""Pixels: the width of picture 0."""

MAX_TOKENS = 64
SAMPLING = {"temperature": 0.2, "seed": 7, "max_tokens": MAX_TOKENS}
"""With which the first answer is to be asked for."""

_THINGS = ["boat", "tram", "cat", "lamp", "bridge", "kite", "violin", "basket", "ladder", "statue"]
_LOOKS = ["red", "old", "small", "wooden", "striped", "golden", "broken", "tall", "dusty", "bright"]
_PLACES = [
    "harbour",
    "market",
    "garden",
    "square",
    "beach",
    "station",
    "kitchen",
    "meadow",
    "museum",
    "yard",
]

Body = dict[str, Any]


def caption(number: int) -> str:
    """What the picture of this number shows; each caption is another one."""
    look, place, thing = (number // 10**n % 10 for n in range(3))
    return (
        f"A {_LOOKS[look]} {_THINGS[thing]} stands in the {_PLACES[place]}, beside sign {number}."
    )


def _said(body: Body) -> str:
    parts = all_parts(body)
    return "\n".join(part["text"] for part in parts if part["type"] == "text")


def _has(words: str) -> Callable[[Body], bool]:
    return lambda body: words in _said(body)


def _has_more_tokens(body: Body) -> bool:
    return body["max_tokens"] >= 2 * MAX_TOKENS


def _is_drawn_anew(body: Body) -> bool:
    return body["temperature"] > SAMPLING["temperature"] and body["seed"] != SAMPLING["seed"]


def _is_penalised(body: Body) -> bool:
    return body.get("frequency_penalty", 0) > 0


FAULTS: dict[str, tuple[Callable[[int, str], str], Callable[[Body], bool]]] = {
    "empty": (lambda n, _: "", _has_more_tokens),
    "error_text": (lambda n, _: f"Error: 429 Too Many Requests, id {n}", _is_drawn_anew),
    "refusal": (lambda n, _: "I'm sorry, but I can't help with that.", _has("neutrally")),
    "loop": (
        lambda n, good: good + " It is a sign." * 40,
        lambda b: b.get("frequency_penalty", 0) > 0,
    ),
    "markup": (lambda n, good: f"- **{good}**", _has("without Markdown")),
    "echo": (lambda n, good: f"Please describe the image in detail. {good}", _has("repeating")),
    "cut_off": (lambda n, good: good[: len(good) // 2].rsplit(" ", 1)[0], _has_more_tokens),
    "language": (
        lambda n, _: f"Ein altes Boot liegt im Hafen neben dem Schild Nummer {n}.",
        _has("Answer in English."),
    ),
    "length": (
        lambda n, good: " ".join([good, *map(caption, range(n, n + 5))]),
        _has("at most 30"),
    ),
    "wording": (lambda n, good: f"Possibly {good[0].lower()}{good[1:]}", _has("Do not write")),
    "repeated": (lambda n, _: "A picture of a place with things in it.", _has("sets this picture")),
    "lead_in": (lambda n, good: f"The image shows {good[0].lower()}{good[1:]}", lambda _: False),
    "schema": (lambda n, good: json.dumps({"what": good}), _has("did not fit the schema")),
}
"""Kind of fault → the faulty answer of a picture's number and caption; whether a body asks in a way
that helps."""


@final
class ErringServer:
    """The server, running while it is entered.

    Args:
        fault: The one kind of fault that it has; None for all but ``repeated``, ``schema`` and
            ``lead_in`` (which no check turns down), each picture another one.
        seed: Of everything drawn.
        helped: The chance of a faulty answer with the remedy. The model ``sound`` never errs.
        delay: Seconds before each answer.

    Attributes:
        models: How often each model was asked.
        sent: Every text that it sent, by the picture's number.
        asked: How often each picture was asked about.
        helped: Further asks that held the remedy for what was wrong before.
        unhelped: Those that did not.
    """

    def __init__(
        self, fault: str | None = None, *, seed: int = 0, helped: float = HELPED, delay: float = 0.0
    ) -> None:
        self.fault = fault
        self.seed = seed
        self.chance_when_helped = helped
        self.delay = delay
        self.models: Counter[str] = Counter()
        self.sent: defaultdict[int, list[str]] = defaultdict(list)
        self.asked: Counter[int] = Counter()
        self.helped = self.unhelped = 0
        self._erred: dict[int, bool] = {}
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def kind_of(self, number: int) -> str:
        kinds = [kind for kind in FAULTS if kind not in ("repeated", "schema", "lead_in")]
        return self.fault or kinds[number % len(kinds)]

    def __enter__(self) -> ErringServer:
        self._thread = LoopThread()
        self._thread.run(self._open(), 10)
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.run(self._runner.cleanup(), 10)
        self._thread.stop()

    async def _open(self) -> None:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/chat/completions", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        number = _number_of(body)
        self.models[body["model"]] += 1
        await asyncio.sleep(self.delay)
        text = self._text(number, body)
        self.sent[number].append(text)
        tokens = len(re.findall(r"\w+", text))
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "length" if self._is_cut(number) else "stop",
        }
        usage = {"prompt_tokens": 400, "completion_tokens": tokens, "total_tokens": 400 + tokens}
        return web.json_response({"model": body["model"], "choices": [choice], "usage": usage})

    def _text(self, number: int, body: Body) -> str:
        ask, kind = self.asked[number], self.kind_of(number)
        self.asked[number] += 1
        wrong, helps = FAULTS[kind]
        chance = FIRST
        if ask and self._erred[number]:
            is_helped = helps(body)
            self.helped += is_helped
            self.unhelped += not is_helped
            chance = self.chance_when_helped if is_helped else UNHELPED
        if body["model"] == "sound":
            chance = 0.0
        draw = random.Random(f"{self.seed}:{kind}:{number}:{ask}").random()
        self._erred[number] = draw < chance
        good = caption(number)
        if kind == "schema":
            return wrong(number, good) if draw < chance else json.dumps({"caption": good})
        return wrong(number, good) if draw < chance else good

    def _is_cut(self, number: int) -> bool:
        return self.kind_of(number) == "cut_off" and self._erred[number]


def _number_of(body: Body) -> int:
    parts = all_parts(body)
    url = next(part["image_url"]["url"] for part in parts if part["type"] == "image_url")
    with Image.open(BytesIO(b64decode(url.partition("base64,")[2]))) as picture:
        return picture.width - NARROWEST
