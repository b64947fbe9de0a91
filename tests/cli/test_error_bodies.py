"""What a whole run makes of errors that providers really sent: it stops, fails rows, waits, mends.

What is expected is written from what the sender's documentation, or the thread in which the body
was seen, says that the reader has to do; not from the rules by which the bodies are told apart:

- ``person``: something must be changed before any request can succeed (key, money, model,
  parameter, address, account): the run stops, rows stay open.
- ``row``: the request's own picture, text or length: these rows fail, the others are captioned.
- ``time``: it passes: the same request is asked again, and no row fails.
- ``ours``: the server does not take what this program added by itself: that is left out, no row
  fails.
"""

from __future__ import annotations

import io
import json
import re
from base64 import b64decode
from collections import Counter

import pytest
from aiohttp import web

from dataflow.app.caption import caption
from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.core import errors
from tests.loop_thread import LoopThread
from tests.servers.messages import all_parts
from tests.serving.openai.api_error_bodies import BODIES

ROWS = 12
EXPECTED = (
    # the model or the server sees no pictures: another model, or the server's image encoder
    *("person",) * 9,
    # temperature, top_p, temperature, frequency_penalty, response_format (twice): ours
    *("ours",) * 6,
    # safety_identifier, tools, presence_penalty (three times), reasoning_effort: given by the user
    *("person",) * 6,
    # keys (Together, Google, Google by a gateway, OpenAI three times)
    *("person",) * 6,
    "person",  # OpenAI: country not supported
    "person",  # OpenAI: quota exceeded, "check your plan and billing details"
    *("person",) * 3,  # DeepSeek, Anthropic, OpenRouter: no balance, no credits
    *("person",) * 4,  # LiteLLM twice, Together, OpenRouter: no such model
    "person",  # OpenRouter: the account's data policy
    "time",  # Groq: tokens per day, "try again in 9m38s": at the end of a test's patience
    *("time",) * 10,  # limits, overload, 5xx, a crashed model: "retry"
    *("row",) * 4,  # unsupported or too large pictures
    *("row",) * 3,  # filters of Azure (twice) and OpenRouter: this picture
    *("row",) * 2,  # too long, too large
    *("row",) * 8,  # the request as such: rows fail, or the run stops where all get it
)


def test_each_body_has_its_expectation():
    assert len(EXPECTED) == len(BODIES)


OURS = dict(
    zip(
        range(9, 15),
        ("temperature", "top_p", "temperature", "frequency_penalty", *("response_format",) * 2),
        strict=True,
    )
)
GIVEN = dict(
    zip(
        range(15, 21),
        ("safety_identifier", "tools", *("presence_penalty",) * 3, "reasoning_effort"),
        strict=True,
    )
)
LATER = 37
"""Ten minutes are longer than this run's patience: it stops and says when to go on."""

VALUES = {"safety_identifier": "u", "tools": [], "presence_penalty": 0.1, "reasoning_effort": "low"}
PRESET = """
version = 1
summary = "Mine."
question = "What is it?"
system = "You describe pictures."

[sampling]
temperature = 0.2
top_p = 0.9

[body]
frequency_penalty = 0.5
"""
SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}


class Server:
    """Answers by one body as long as `is_met` says so, and else with a caption of the picture."""

    def __init__(self, status, body, is_met, *, as_json=False):
        self.status, self.body, self.is_met, self.as_json = status, body, is_met, as_json
        self.asked = 0
        self.seen = Counter()

    def __enter__(self):
        self._thread = LoopThread()
        self._thread.run(self._open(), 10)
        return self

    def __exit__(self, *_):
        self._thread.run(self._runner.cleanup(), 10)
        self._thread.stop()

    async def _open(self):
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def _chat(self, request):
        asked = await request.json()
        [url] = [p["image_url"]["url"] for p in all_parts(asked) if p["type"] == "image_url"]
        picture = mark_of(b64decode(re.sub(r"^data:[^,]*,", "", url)))
        self.asked += 1
        self.seen[picture] += 1
        if self.is_met is not None and self.is_met(self, asked, picture):
            text = json.dumps(self.body) if self.body else ""
            kind = "application/json"
            return web.Response(status=self.status, text=text, content_type=kind)
        text = f"A quiet harbour with the mark m{picture} on a wall."
        text = json.dumps({"text": text}) if self.as_json else text
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 90, "completion_tokens": 9}
        return web.json_response({"choices": [choice], "usage": usage})


def mark_of(data):
    """The number of a picture, by its colour: pictures may be sent encoded anew."""
    from PIL import Image

    return round(Image.open(io.BytesIO(data)).getpixel((5, 5))[0] / 20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve pictures, a preset and a schema."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("bodies")
    (folder / "photos").mkdir()
    for number in range(ROWS):
        picture = Image.new("RGB", (32, 24), (number * 20, 90, 0))
        picture.save(folder / "photos" / f"{number:02}.jpg")
    (folder / "mine.toml").write_text(PRESET, encoding="utf-8")
    (folder / "schema.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    return folder


def met_by(number, expected):
    """When the server answers by the body."""
    if expected == "ours":
        return lambda _, asked, picture: OURS[number] in asked
    if number in GIVEN:
        return lambda _, asked, picture: GIVEN[number] in asked
    if expected == "time" and number != LATER:
        return lambda server, asked, picture: server.asked <= 3
    if expected == "row":
        bad = set()

        def is_bad(_, asked, picture):
            if len(bad) < 3:
                bad.add(picture)
            return picture in bad

        # the first answers are good, so that it is plain that the run as such is right
        return lambda server, asked, picture: (
            (server.asked > 2 and server.seen[picture] == 1 and is_bad(server, asked, picture))
            or picture in bad
        )
    return lambda *_: True


def verdict(number, folder, output, monkeypatch):
    """What came of the run: one of the words of `EXPECTED`, or what else, in words."""
    _, status, body, _ = BODIES[number]
    body = json.loads(json.dumps(body).replace("50.597142857s", "0.05s"))
    expected = EXPECTED[number]
    monkeypatch.setenv("DF_API_KEY", "sk-0123456789abcdef")
    monkeypatch.chdir(folder)
    is_json = OURS.get(number) == "response_format"
    given = {GIVEN[number]: VALUES[GIVEN[number]]} if number in GIVEN else None
    with Server(status, body, met_by(number, expected), as_json=is_json) as server:
        options = CaptionOptions(
            source="photos", output=str(output), api_url=[server.url], model="some/model",
            concurrency=4, body=given, give_up_after=5.0,
            preset="mine.toml" if number in OURS and not is_json else None,
            schema="schema.json" if is_json else None,
        )  # fmt: skip
        try:
            summary = caption(options).summary
        except errors.StopRunError as error:
            if server.asked > 16:
                return f"stopped after {server.asked} requests: {error}"
            server.is_met = None
            again = caption(options).summary
            says_when = number == LATER and re.search(r"\bat \d\d:\d\d|in \d+ min", str(error))
            found = "time" if says_when else "person"
            if found != expected:
                return f"stopped: {error}"
            return found if again.captioned == ROWS else f"rows are lost: {again.failed}"
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        mark = mark_of((folder / row["image"]).read_bytes())
        if row["caption"] is not None and f" m{mark} " not in str(row["caption"]):
            return f"a caption beside the wrong picture: {row}"
    if summary.captioned == ROWS:
        return "ours" if number in OURS else "time"
    return "row" if sum(summary.failed.values()) == 3 else f"failed: {summary.failed}"


@pytest.mark.parametrize(
    "number", range(len(BODIES)), ids=[f"{n}-{b[0]}" for n, b in enumerate(BODIES)]
)
def test_a_run_does_what_the_sender_of_the_error_asks_for(
    number, folder, tmp_path, short_waits, monkeypatch
):
    assert verdict(number, folder, tmp_path / "out.jsonl", monkeypatch) == EXPECTED[number]
