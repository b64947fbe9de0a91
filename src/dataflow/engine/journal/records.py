"""The records that the journal keeps: one result per request, and the attempts before it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any
from zlib import crc32

from dataflow.core.check import Verdict
from dataflow.core.request import Usage


@dataclass(frozen=True, slots=True)
class ResultRecord:
    """What is known about one request.

    Attributes:
        key: The request's key.
        caption: The answer, or None where there is only an error.
        error_kind: The kind of the error, or None.
        error: The error's message, or None.
        is_final: Whether a later run takes this as it is; otherwise it asks again.
        finish_reason: As the server gave it.
        usage: Tokens of all attempts, those that failed included.
        cost: US dollars for them; None where it is not known.
        attempts: Requests made for it.
        seconds: From the first attempt to the answer.
        model: As the server gave it.
        asks: Answers that came for it; 0 where a former version did not count them.
        judged: The mark under which it was judged; see `RejectPolicy.mark`.

    An entry with a caption and an error holds a caption that a check turned down, and that is kept
    all the same: a flagged one.

    `usage`, `cost` and `attempts` of an entry that is put are those since it was put last; the
    journal adds them up, over all runs.
    """

    key: bytes
    caption: str | None = None
    error_kind: str | None = None
    error: str | None = None
    is_final: bool = False
    finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    attempts: int = 0
    seconds: float = 0.0
    model: str = ""
    asks: int = 0
    judged: int = 0

    @property
    def is_flagged(self) -> bool:
        """Whether its caption is kept though a check turned it down."""
        return self.caption is not None and self.error_kind is not None

    @property
    def is_rejected(self) -> bool:
        """Whether answers came and a check turned them all down."""
        return self.asks > 0 and self.error_kind is not None

    def checksum(self) -> int:
        """CRC-32 of what the output is made of, so that damage on disk is seen."""
        # SQLite gives 0 back as 0.0 where the column holds floats
        *told, asks, judged = self.values()
        # an entry of a former version, which had neither of these, keeps its checksum
        told += [asks, judged] if asks or judged else []
        values = (float(v) if isinstance(v, int) else v for v in told[1:])
        text = "|".join(map(repr, values))
        return crc32(text.encode("utf-8", "surrogatepass"), crc32(self.key))

    def values(self) -> tuple[Any, ...]:
        """As they stand in `RESULT_COLUMNS`."""
        return (
            self.key, self.caption, self.error_kind, self.error, int(self.is_final),
            self.finish_reason, *self.usage.counts(), self.cost, self.attempts,
            self.seconds, self.model, self.asks, self.judged,
        )  # fmt: skip

    @staticmethod
    def of(values: Sequence[Any]) -> ResultRecord:
        """The entry of such values."""
        key, caption, error_kind, error, is_final, finish_reason, *rest = values
        usage, more = Usage(*rest[:_COUNTS]), rest[_COUNTS:]
        return ResultRecord(
            key, caption, error_kind, error, bool(is_final), finish_reason, usage, *more
        )  # fmt: skip

    def after(self, former: ResultRecord) -> ResultRecord:
        """This outcome, with what `former` attempts spent on it, too."""
        costs = [cost for cost in (former.cost, self.cost) if cost is not None]
        return replace(
            self,
            usage=former.usage + self.usage,
            cost=sum(costs, 0.0) if costs else None,
            attempts=former.attempts + self.attempts,
        )


_COUNTS = len(fields(Usage))

RESULT_COLUMNS = (
    "key, caption, error_kind, error, is_final, finish_reason, "
    "prompt_tokens, completion_tokens, cached_tokens, picture_tokens, reasoning_tokens, cost, "
    "attempts, seconds, model, asks, judged"
)
"""What the table holds of a `ResultRecord`, in this order."""


def settled(*, retry_failed: bool, mark: int | None) -> str:
    """The condition in SQL, on `RESULT_COLUMNS`, that a later run has nothing to do about an entry.

    Args:
        retry_failed: Whether that run asks again what was turned down.
        mark: That of its checks; see `RejectPolicy.mark`.
    """
    is_good = "caption NOT NULL AND error_kind IS NULL"
    is_done = is_good if retry_failed else "caption NOT NULL OR is_final"
    if mark == 0:
        return f"({is_done})"
    was_never_judged = "caption IS NULL AND asks = 0"
    return f"(({is_done}) AND (judged = {mark or -1} OR ({was_never_judged})))"


@dataclass(frozen=True, slots=True)
class AttemptRecord:
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
        """As they stand in `ATTEMPT_COLUMNS`."""
        first = self.verdicts[0] if self.verdicts else None
        return (
            self.key, self.ask, self.text, first and first.kind, first and first.reason,
            json.dumps(dict(self.changed), sort_keys=True) if self.changed else None,
            self.finish_reason, *self.usage.counts(), self.cost, self.attempts, self.seconds,
            self.model,
        )  # fmt: skip

    def checksum(self) -> int:
        """CRC-32 of all of them, so that damage on disk is seen."""
        return attempt_checksum(self.values())

    @staticmethod
    def of(values: Sequence[Any]) -> AttemptRecord:
        """The answer of such values; the first of its verdicts is known."""
        key, ask, text, kind, reason, changed, finish_reason, *rest = values
        usage, (cost, attempts, seconds, model) = Usage(*rest[:_COUNTS]), rest[_COUNTS:]
        verdicts = () if kind is None else (Verdict(kind, reason or ""),)
        return AttemptRecord(
            key, ask, text, verdicts, json.loads(changed) if changed else {}, finish_reason, usage,
            cost, attempts, seconds, model, caption=text,
        )  # fmt: skip


def attempt_checksum(values: Sequence[Any]) -> int:
    """CRC-32 of what stands in `ATTEMPT_COLUMNS`."""
    # SQLite gives 0 back as 0.0 where the column holds floats
    plain = (float(v) if isinstance(v, int) else v for v in values[1:])
    return crc32("|".join(map(repr, plain)).encode("utf-8", "surrogatepass"), crc32(values[0]))


ATTEMPT_COLUMNS = (
    "key, ask, text, kind, reason, changed, finish_reason, "
    "prompt_tokens, completion_tokens, cached_tokens, picture_tokens, reasoning_tokens, cost, "
    "attempts, seconds, model"
)
"""What the table `answers` holds of an `AttemptRecord`, in this order."""
