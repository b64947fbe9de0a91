"""What becomes of an answer that a check turns down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, TypeAlias

from dataflow.billing.price import NoPrice, Price
from dataflow.core.errors import UsageError
from dataflow.core.protocols.serving import AsyncServing
from dataflow.engine.journal.records import AttemptRecord, ResultRecord

Then: TypeAlias = Literal["flag", "drop", "fail"]
Refine: TypeAlias = Callable[[str], str]

MAX_ASKS = 3
"""Asks of one request in all, where asking again is wanted and nothing else is said."""

ON_REJECT: dict[str, tuple[bool, Then]] = {
    "reask": (True, "flag"),
    "reask-drop": (True, "drop"),
    "reask-fail": (True, "fail"),
    "flag": (False, "flag"),
    "drop": (False, "drop"),
    "fail": (False, "fail"),
}
"""Name → whether the request is asked again, and what becomes of the best answer then."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """Another model, which gets the last of several asks.

    Attributes:
        serving: Where it is.
        price: What its tokens cost.
    """

    serving: AsyncServing
    price: Price | NoPrice

    def has_answered(self, answers: Iterable[AttemptRecord]) -> bool:
        """Whether one of `answers` is its own."""
        return any(answer.changed.get("model") == self.serving.model for answer in answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectPolicy:
    """What becomes of an answer that a check turns down.

    Attributes:
        then: What becomes of the best answer where all are turned down: it is kept and marked
            (``"flag"``), its row is left out of the output (``"drop"``), or it is the row's error
            (``"fail"``). What is no caption at all (`reask.NO_CAPTION`) is never kept.
        max_asks: Asks of one request in all; 1 for no asking again.
        fallback: Gets the last of several asks, or one more where all were another model's.
        refine: Make of an answer's text the caption, one after the other; the text stays in the
            journal.
        mark: Names checks, refinements and the rest of this: captions that were judged under
            another mark are judged again. None to judge them again in each run, 0 never to.

    Raises:
        UsageError: `max_asks` is below 1, or there is a fallback and only one ask.
    """

    then: Then = "fail"
    max_asks: int = 1
    fallback: Fallback | None = None
    refine: Sequence[Refine] = ()
    mark: int | None = 0

    def __post_init__(self) -> None:
        if self.max_asks < 1:
            raise UsageError(f"every picture is asked about once at least, not {self.max_asks}")
        if self.fallback is not None and self.max_asks == 1:
            raise UsageError(
                f"the fallback model {self.fallback.serving.model!r} gets the last of several "
                "asks, and each picture is asked about only once: allow more (--max-asks 2, "
                "--on-reject reask, reask-drop or reask-fail), or leave the fallback out"
            )

    def drops(self, entries: Iterable[ResultRecord]) -> bool:
        """Whether a row with these captions is left out of the output."""
        return self.then == "drop" and any(entry.is_rejected for entry in entries)


def rejects_named(name: str, *, max_asks: int = MAX_ASKS, mark: int | None) -> RejectPolicy:
    """What `--on-reject` and `on_reject` mean by this name.

    Raises:
        UsageError: it is none of `ON_REJECT`.
    """
    if name not in ON_REJECT:
        raise UsageError(f"on_reject is one of {', '.join(ON_REJECT)}, not {name!r}")
    asks_again, then = ON_REJECT[name]
    return RejectPolicy(then=then, max_asks=max_asks if asks_again else 1, mark=mark)


def mark_of(*settings: object) -> int:
    """A mark (see `RejectPolicy`) for these settings, by what `repr` says of them; above 0."""
    digest = blake2b(repr(settings).encode("utf-8", "backslashreplace"), digest_size=6).digest()
    return int.from_bytes(digest, "big") + 1
