"""An OpenAI-compatible server that charges for the pixels it really receives.

It decodes each picture and counts its tokens by the providers' published formulas, written here a
second time, so that an estimate is compared with somebody else's counting.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
import threading
from base64 import b64decode
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import ceil, floor, sqrt
from typing import Any, final

from PIL import Image

from tests.servers.messages import all_parts

Rule = Callable[[int, int], int]


def tiles(width: int, height: int) -> int:
    """GPT-4o: into 2048×2048, the shortest side to 768, 85 and 170 for each square of 512."""
    if max(width, height) > 2048:
        width, height = (round(s * 2048 / max(width, height)) for s in (width, height))
    if min(width, height) > 768:
        width, height = (round(s * 768 / min(width, height)) for s in (width, height))
    squares = 0
    for top in range(0, height, 512):
        for left in range(0, width, 512):
            squares += top < height and left < width
    return 85 + 170 * squares


def patches_28(width: int, height: int) -> int:
    """Qwen2.5-VL: sides rounded to multiples of 28, 56² to 14²·4·16384 pixels, begin and end."""
    h, w = (max(28, round(side / 28) * 28) for side in (height, width))
    if h * w > 14 * 14 * 4 * 16384:
        beta = sqrt(height * width / (14 * 14 * 4 * 16384))
        h, w = (floor(side / beta / 28) * 28 for side in (height, width))
    elif h * w < 56 * 56:
        beta = sqrt(56 * 56 / (height * width))
        h, w = (ceil(side * beta / 28) * 28 for side in (height, width))
    return (h // 28) * (w // 28) + 2


@final
class MeteredServer:
    """The server, running while it is entered.

    Args:
        rule: Width and height → tokens of a picture.
        template: Tokens around every conversation.

    Attributes:
        asked: Requests.
        picture_tokens: Charged so far.
        prompt_tokens: Charged so far, pictures included.
        completion_tokens: Charged so far.
    """

    def __init__(self, rule: Rule, *, template: int = 11) -> None:
        self.rule = rule
        self.template = template
        self.asked = 0
        self.picture_tokens = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> MeteredServer:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The completion of a request, which is charged."""
        parts = all_parts(body)
        texts = [part["text"] for part in parts if part["type"] == "text"]
        urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        data = [b64decode(url.partition("base64,")[2]) for url in urls]
        pictures = sum(self.rule(*Image.open(io.BytesIO(each)).size) for each in data)
        words = sum(len(text.split()) for text in texts)
        prompt = pictures + ceil(words * 1.3) + self.template
        digest = hashlib.sha256(b"".join(data)).digest()
        words_said = 60 + digest[0] % 80
        with self._lock:
            self.asked += 1
            self.picture_tokens += pictures
            self.prompt_tokens += prompt
            self.completion_tokens += words_said
        message = {"role": "assistant", "content": _words(digest, words_said)}
        return {
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": prompt, "completion_tokens": words_said},
        }


def _handler(server: MeteredServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            data = json.dumps(server.answer(body)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


_VOCABULARY = re.findall(
    r"\w+",
    "wooden table beside green window with small white flowers under soft light near an old "
    "stone wall where two brown dogs rest quietly while people walk along narrow street toward a "
    "market full of fresh fruit red apples yellow lemons purple grapes and tall bottles behind "
    "them rises church tower against pale blue sky above distant hills covered by dark pine forest "
    "river flows past boats tied to wet pier children play football on grass before summer rain",
)


def _words(digest: bytes, count: int) -> str:
    """This many English words in an order of their own, as a sentence."""
    chance = random.Random(digest)
    words: list[str] = []
    while len(words) < count:
        words += chance.sample(_VOCABULARY, len(_VOCABULARY))
    return " ".join(words[:count]).capitalize() + "."
