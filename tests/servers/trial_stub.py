"""Three stub models of different care and a judge, to try `dataflow try` by hand or in a script.

``python -m tests.servers.trial_stub`` prints its URL and serves until it is ended.
"""

from __future__ import annotations

import hashlib
import sys
import threading
from typing import Any

from tests.servers.chat_server import ChatServer
from tests.servers.judge_server import judgement

MODELS = ("large", "small", "tiny")
_ERRORS = {"large": 10, "small": 40, "tiny": 75}  # in this many of a hundred captions
_DETAIL = {
    "large": "Light falls from the left, and what stands behind it is out of focus.",
    "small": "Behind it is a plain background.",
    "tiny": "",
}


def stub_answer(text: str, body: dict[str, Any]) -> str:
    """The answer of a stub model, or of the judge: whoever has fewer errors."""
    if body["model"] == "judge":
        return judgement(fewer_errors, text)
    digest = hashlib.blake2b(str(body["messages"]).encode(), digest_size=4).digest()
    number = int.from_bytes(digest, "big")
    what = f"A photograph numbered {number % 10_000}, with one subject in the middle."
    wrong = (
        " A mistaken elephant stands beside it." if number % 100 < _ERRORS[body["model"]] else ""
    )
    refusal = body["model"] == "tiny" and number % 20 == 0
    if refusal:
        return "I'm sorry, but I can't help with that."
    return f"{what} {_DETAIL[body['model']]}{wrong}".strip()


def fewer_errors(first: str, second: str) -> str:
    """A judge that counts mistaken things."""
    errors = first.count("mistaken"), second.count("mistaken")
    return "tie" if errors[0] == errors[1] else ("first" if errors[0] < errors[1] else "second")


def main() -> None:
    """Serve until ended."""
    with ChatServer(stub_answer, models=(*MODELS, "judge")) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
