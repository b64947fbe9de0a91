"""A judge behind an OpenAI-compatible API: a function of the two captions it is shown decides."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.servers.chat_server import Charge, ChatServer

Decide = Callable[[str, str], str]
_CAPTIONS = re.compile(r"Description 1:\n(.*)\n\nDescription 2:\n(.*)\n\nSay in", re.DOTALL)


if TYPE_CHECKING:
    from typing_extensions import Self


class JudgeServer(ChatServer):
    """The server, running while it is entered.

    Args:
        decide: The captions in the order shown → ``"first"``, ``"second"``, ``"tie"``, or any other
            text, which is sent as it is.
    """

    def __init__(self, decide: Decide, *, charge: Charge | None = None) -> None:
        self.decide = decide
        super().__init__(self._judge, charge=charge)

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def _judge(self, text: str, _body: dict[str, Any]) -> str:
        return judgement(self.decide, text)


def judgement(decide: Decide, text: str) -> str:
    """What a judge that decides so answers to the question `text`."""
    found = _CAPTIONS.search(text)
    assert found is not None, text
    choice = decide(*found.groups())
    known = choice in ("first", "second", "tie")
    return json.dumps({"reason": "as decided", "choice": choice}) if known else choice
