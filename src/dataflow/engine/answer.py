"""What the journal keeps of one answer that was asked for again, edited or turned down."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any
from zlib import crc32

from dataflow.core.check import Verdict
from dataflow.core.request import Usage


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to a request.

    Attributes:
        key: The request's key.
        ask: How often the request was asked before.
        text: What the engine said, unedited.
        verdicts: What the checks found; empty for a caption to keep.
        changed: What was asked otherwise than the request says, by the names of the OpenAI
            protocol, and ``follow_up`` and ``model``.
        finish_reason: As the server gave it.
        usage: Tokens since the answer before it, attempts that failed included.
        cost: US dollars for them; None where it is not known.
        attempts: Requests made since the answer before it.
        seconds: From the request's first attempt to this answer.
        model: As the server gave it.
        caption: What is judged, and kept where nothing is wrong with it: the text, or what
            refinements made of it. It is not kept in the journal.
    """

    key: bytes
    ask: int
    text: str
    verdicts: tuple[Verdict, ...] = ()
    changed: Mapping[str, Any] = field(default_factory=dict)
    finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    attempts: int = 0
    seconds: float = 0.0
    model: str = ""
    caption: str = ""

    @property
    def must_be_kept(self) -> bool:
        """Whether it is more than the request's first answer, which stands as it is as caption."""
        return bool(self.verdicts) or self.ask > 0 or self.caption != self.text

    def values(self) -> tuple[Any, ...]:
        """As they stand in `COLUMNS`."""
        first = self.verdicts[0] if self.verdicts else None
        return (
            self.key, self.ask, self.text, first and first.kind, first and first.reason,
            json.dumps(dict(self.changed), sort_keys=True) if self.changed else None,
            self.finish_reason, *self.usage.counts(), self.cost, self.attempts, self.seconds,
            self.model,
        )  # fmt: skip

    def checksum(self) -> int:
        """CRC-32 of all of them, so that damage on disk is seen."""
        return checksum(self.values())

    @staticmethod
    def of(values: Sequence[Any]) -> Answer:
        """The answer of such values; the first of its verdicts is known."""
        key, ask, text, kind, reason, changed, finish_reason, *rest = values
        usage, (cost, attempts, seconds, model) = Usage(*rest[:_COUNTS]), rest[_COUNTS:]
        verdicts = () if kind is None else (Verdict(kind, reason or ""),)
        return Answer(
            key, ask, text, verdicts, json.loads(changed) if changed else {}, finish_reason, usage,
            cost, attempts, seconds, model, caption=text,
        )  # fmt: skip


def checksum(values: Sequence[Any]) -> int:
    """CRC-32 of what stands in `COLUMNS`."""
    # SQLite gives 0 back as 0.0 where the column holds floats
    plain = (float(v) if isinstance(v, int) else v for v in values[1:])
    return crc32("|".join(map(repr, plain)).encode("utf-8", "surrogatepass"), crc32(values[0]))


_COUNTS = len(fields(Usage))

COLUMNS = (
    "key, ask, text, kind, reason, changed, finish_reason, "
    "prompt_tokens, completion_tokens, cached_tokens, picture_tokens, reasoning_tokens, cost, "
    "attempts, seconds, model"
)
"""What the table `answers` holds of an `Answer`, in this order."""
