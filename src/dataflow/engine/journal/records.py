"""The records that the journal keeps: one result per request, and the attempts before it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any
from zlib import crc32

from dataflow.core.protocols.check import Verdict
from dataflow.core.request import Usage

OPEN = "open"
"""The kind of error of a request that is yet to be asked, or asked again."""

_TOKENS = len(fields(Usage))
_CALL_COLUMNS = (
    "finish_reason, prompt_tokens, completion_tokens, cached_tokens, picture_tokens, "
    "reasoning_tokens, cost, attempts, seconds, model"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """What every record says about the calls behind it.

    Attributes:
        finish_reason: As the server gave it.
        usage: Tokens of all attempts, those that failed included.
        cost: US dollars for them; None where it is not known.
        attempts: Requests made.
        seconds: From the first attempt to the answer.
        model: As the server gave it.
    """

    finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    attempts: int = 0
    seconds: float = 0.0
    model: str = ""

    def call_values(self) -> tuple[Any, ...]:
        """The call's own values, in the order of the columns that tables of records end in."""
        return (
            self.finish_reason, *self.usage.counts(), self.cost, self.attempts, self.seconds,
            self.model,
        )  # fmt: skip


def _call_of(values: Sequence[Any]) -> dict[str, Any]:
    finish_reason, *rest = values
    cost, attempts, seconds, model = rest[_TOKENS:]
    return {
        "finish_reason": finish_reason,
        "usage": Usage(*rest[:_TOKENS]),
        "cost": cost,
        "attempts": attempts,
        "seconds": seconds,
        "model": model,
    }


@dataclass(frozen=True, slots=True)
class ResultRecord(CallRecord):
    """What is known about one request.

    A record with a caption and an error holds a caption that a check turned down, and that is kept
    all the same: a flagged one. `usage`, `cost` and `attempts` of a record that is put are those
    since it was put last; the journal adds them up, over all runs.

    Attributes:
        key: The request's key.
        caption: The answer, or None where there is only an error.
        error_kind: The kind of the error, or None.
        error: The error's message, or None.
        is_final: Whether a later run takes this as it is; otherwise it asks again.
        asks: Answers that came for it.
        check_fingerprint: Of the checks that judged it; see `RejectPolicy`.
        content_key: The key of the same question about the pictures' bytes; see `content_key`.
        copied_from: The key of the result that this one repeats: the same question about the same
            bytes, which cost nothing more. None for an answer of its own.
        written_at: When the caption was given, in seconds since 1970; None where nobody asked.
        author: The person who wrote the caption; empty for a machine.
        prompt_digest: Of the prompt that it answers; empty where that is not known.
    """

    key: bytes
    caption: str | None = None
    error_kind: str | None = None
    error: str | None = None
    is_final: bool = False
    asks: int = 0
    check_fingerprint: int = 0
    content_key: bytes | None = None
    copied_from: bytes | None = None
    # looked up for the output, and no part of what the journal keeps as this record
    written_at: float | None = field(default=None, compare=False)
    author: str = field(default="", compare=False)
    prompt_digest: str = field(default="", compare=False)

    @property
    def is_flagged(self) -> bool:
        """Whether its caption is kept though a check turned it down."""
        return self.caption is not None and self.error_kind is not None

    @property
    def is_rejected(self) -> bool:
        """Whether answers came and a check turned them all down."""
        return self.asks > 0 and self.error_kind is not None

    def values(self) -> tuple[Any, ...]:
        """As they stand in `RESULT_COLUMNS`."""
        return (
            self.key, self.caption, self.error_kind, self.error, int(self.is_final), self.asks,
            self.check_fingerprint, self.content_key, self.copied_from, *self.call_values(),
        )  # fmt: skip

    @staticmethod
    def of(values: Sequence[Any], written_at: float | None = None) -> ResultRecord:
        """The record of such values."""
        key, caption, error_kind, error, is_final, *more = values[:_OWN_RESULT_COLUMNS]
        named = {**_call_of(values[_OWN_RESULT_COLUMNS:]), "written_at": written_at}
        return ResultRecord(key, caption, error_kind, error, bool(is_final), *more, **named)

    def after(self, former: ResultRecord) -> ResultRecord:
        """This outcome, with what `former` attempts spent on it, too."""
        if former.copied_from is not None:
            return self  # the calls are counted where they were made
        costs = [cost for cost in (former.cost, self.cost) if cost is not None]
        return replace(
            self,
            usage=former.usage + self.usage,
            cost=sum(costs, 0.0) if costs else None,
            attempts=former.attempts + self.attempts,
        )


_OWN_RESULT_COLUMNS = 9

RESULT_COLUMNS = (
    "key, caption, error_kind, error, is_final, asks, check_fingerprint, content_key, "
    f"copied_from, {_CALL_COLUMNS}"
)
"""What the table `results` holds of a `ResultRecord`, in this order."""


def is_settled(*, retry_failed: bool, check_fingerprint: int | None) -> str:
    """The condition in SQL, on `RESULT_COLUMNS`, that a later run has nothing to do about a result.

    Args:
        retry_failed: Whether that run asks again what was turned down.
        check_fingerprint: Of its checks; 0 for any, None where that is not known.
    """
    is_good = "caption NOT NULL AND error_kind IS NULL"
    is_done = is_good if retry_failed else "caption NOT NULL OR is_final"
    if check_fingerprint == 0:
        return f"({is_done})"
    was_never_judged = "caption IS NULL AND asks = 0"
    return (
        f"(({is_done}) AND (check_fingerprint = {check_fingerprint or -1} OR ({was_never_judged})))"
    )


@dataclass(frozen=True, slots=True)
class AttemptRecord(CallRecord):
    """One answer to a request.

    `usage`, `cost` and `attempts` are those since the answer before it.

    Attributes:
        key: The request's key.
        ask: How often the request was asked before.
        text: What the engine said, unedited.
        verdicts: What the checks found; empty for a caption to keep.
        changed: What was asked otherwise than the request says, by the names of the OpenAI
            protocol, and ``follow_up`` and ``model``.
        caption: What is judged, and kept where nothing is wrong with it: the text, or what
            refinements made of it. It is not kept in the journal.
    """

    key: bytes
    ask: int
    text: str
    verdicts: tuple[Verdict, ...] = ()
    changed: Mapping[str, Any] = field(default_factory=dict)
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
            *self.call_values(),
        )  # fmt: skip

    @staticmethod
    def of(values: Sequence[Any]) -> AttemptRecord:
        """The attempt of such values; the first of its verdicts is known."""
        key, ask, text, kind, reason, changed, *call = values
        verdicts = () if kind is None else (Verdict(kind, reason or ""),)
        return AttemptRecord(
            key, ask, text, verdicts, json.loads(changed) if changed else {}, text,
            **_call_of(call),
        )  # fmt: skip


ATTEMPT_COLUMNS = f"key, ask, text, kind, reason, changed, {_CALL_COLUMNS}"
"""What the table `attempts` holds of an `AttemptRecord`, in this order."""


def checksum(values: Sequence[Any]) -> int:
    """CRC-32 of a record's values, so that damage on disk is seen."""
    # SQLite gives 0 back as 0.0 where the column holds floats
    plain = (float(v) if isinstance(v, int) else v for v in values)
    return crc32("|".join(map(repr, plain)).encode("utf-8", "surrogatepass"))
