"""The commonest message of each kind of failure, with how often it came and what cures it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

MESSAGES_OF_A_KIND = 50
"""Different messages of one kind that are counted; what comes after them counts for its kind."""

SAME_COMMAND = "run the same command again to ask these rows once more"

CURES: dict[str, str] = {
    "bad_row": "name the column of pictures with --image-key NAME, or mend these rows",
    "picture": "pip install 'dataflow-caption[heif]' reads HEIC and AVIF; mend the other files",
    "picture_missing": "--image-root FOLDER says where relative paths begin",
    "picture_forbidden": "--allow-private-urls admits addresses of your own network",
    "picture_too_large": "--max-pixels, --max-picture-bytes and --max-picture-memory raise limits",
    "picture_too_slow": SAME_COMMAND,
    "too_long": "--max-side makes the pictures smaller, --max-tokens the answer; or serve the "
    "model with a longer context",
    "refused": "--fallback-model asks another model; --retry-failed asks the same one again",
    "bad_request": f"mend what the server complains of, then {SAME_COMMAND}",
    "changed": SAME_COMMAND,
    "wrong_key": f"set the right key, then {SAME_COMMAND}",
    "no_money": f"top up the account, then {SAME_COMMAND}",
    "unknown_model": f"mend the model's name, then {SAME_COMMAND}",
    "stopped": SAME_COMMAND,
    "rate_limited": SAME_COMMAND,
    "overloaded": SAME_COMMAND,
    "timeout": SAME_COMMAND,
    "connection": SAME_COMMAND,
    "garbled_reply": SAME_COMMAND,
    "engine_died": "look at these pictures; --retry-failed asks these rows again",
}
"""Kind of failure → what cures it, where the message itself does not say so."""

ANY_CURE = "--retry-failed asks these rows again"

_HAS_CURE = re.compile(r"--[a-z]|run the same command again| – |pip install")
_REST = "other messages"
_OWN_DETAIL = re.compile(r"\S*\d\S*")


@dataclass(frozen=True, slots=True)
class FailureMessage:
    """What a kind of failure says for the most part.

    Attributes:
        kind: The failures' kind.
        count: Captions that failed so.
        message: The message that came most often.
        share: How many of them have this message, but for its numbers.
        cure: What to do; empty where the message says it.
    """

    kind: str
    count: int
    message: str
    share: int
    cure: str


Messages: TypeAlias = "dict[str, dict[str, list[Any]]]"
"""Kind → message without its numbers → how often it came, and the first of them as it was."""


def count_message(messages: Messages, kind: str, message: str) -> None:
    """Count one failure; messages that differ in numbers alone are one."""
    mine = messages.setdefault(kind, {})
    mark = _OWN_DETAIL.sub("#", message)[:300]
    if mark not in mine and len(mine) >= MESSAGES_OF_A_KIND:
        mark = _REST
    mine.setdefault(mark, [0, message])[0] += 1


def commonest(messages: Messages) -> list[FailureMessage]:
    """Each kind's commonest message, the commonest kind first."""
    found = []
    for kind, mine in messages.items():
        count = sum(one[0] for one in mine.values())
        share, message = max(mine.values(), key=lambda one: one[0])
        found.append(FailureMessage(kind, count, message, share, cure_of(kind, message)))
    return sorted(found, key=lambda one: -one.count)


def cure_of(kind: str, message: str) -> str:
    """What to do about a failure; empty where its message says it."""
    return "" if _HAS_CURE.search(message) else CURES.get(kind, ANY_CURE)
