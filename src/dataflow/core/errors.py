"""Everything that can go wrong, as one tree branched by who must act.

* `RowError`: the row itself cannot be captioned; it fails with this error and the run goes on.
* `TryAgainError`: time may cure it; the same request is worth another attempt.
* `StopRunError`: a person must act; the run stops, and everything done so far is kept.

An error carries fields, not only prose, so that a journal or an errors file can hold it, and it
survives pickling. Errors of other libraries become these at the border where they are met.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflow.core.secrets import redact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self

    from dataflow.core.request import Usage


class DataflowError(Exception):
    """The root of every error this package raises on purpose.

    Args:
        message: What happened, where, and the cure; never holds a key or a picture's bytes.
        fields: Further facts, kept as attributes (see the subclasses).

    Attributes:
        usage: The tokens that the server counted for the failed attempt, which are paid for all
            the same; None where it said nothing.
        status: The HTTP status of the answer that it is made of; None where there was none.
    """

    kind: str = "error"
    usage: Usage | None = None
    status: int | None = None

    def __init__(self, message: str, **fields: Any) -> None:
        message = redact(message)
        super().__init__(message)
        self.message = message
        self._fields = fields
        for name, value in fields.items():
            setattr(self, name, value)

    def billed(self, usage: Usage) -> Self:
        """The same error, with what the attempt used."""
        self.usage = self._fields["usage"] = usage
        return self

    def with_status(self, status: int) -> Self:
        """The same error, with the HTTP status of the answer that it is made of."""
        self.status = self._fields["status"] = status
        return self

    def with_message(self, message: str) -> Self:
        """The same error in other words."""
        return type(self)(message, **self._fields)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self._fields))


def error_named(kind: str, message: str, **fields: Any) -> DataflowError:
    """The error of this `kind`, as a journal or a ledger tells of it.

    Args:
        kind: A class's `kind`.
        message: As in `DataflowError`.
        fields: As in `DataflowError`.
    """
    pending: list[type[DataflowError]] = [DataflowError]
    while pending:
        cls = pending.pop()
        if cls.kind == kind:
            return cls(message, **fields)
        pending += cls.__subclasses__()
    # only a check has words of its own for what it finds
    return RejectedError(message, kind=kind, **fields)


def _rebuild(cls: type[DataflowError], message: str, fields: dict[str, Any]) -> DataflowError:
    return cls(message, **fields)


# --- the row must be mended ---------------------------------------------------------------------


class RowError(DataflowError):
    """This row cannot be captioned as it is; the others go on."""

    kind = "row"


class BadRowError(RowError):
    """The row lacks a picture, or its conversation has no readable shape."""

    kind = "bad_row"


class PictureError(RowError):
    """The row's picture cannot be had or decoded; no request was spent on it."""

    kind = "picture"


class PictureMissingError(PictureError):
    """No such file, or the URL answers that there is none."""

    kind = "picture_missing"


class PictureChangedError(PictureError):
    """The row or its picture changed while the run was under way."""

    kind = "changed"

    def __init__(
        self,
        message: str = "the row or its picture changed while the run was under way; run the same "
        "command again to caption it",
    ) -> None:
        super().__init__(message)


class PictureTooLargeError(PictureError):
    """The picture passes the limit on pixels, bytes or memory."""

    kind = "picture_too_large"


class PictureTooSlowError(PictureError):
    """The picture was not read, fetched or decoded within the time limit."""

    kind = "picture_too_slow"


class PictureForbiddenError(PictureError):
    """The reference points where data may not point: a private address, outside the image root."""

    kind = "picture_forbidden"


class RefusedError(RowError):
    """The engine's provider refused the picture or the answer (content policy)."""

    kind = "refused"


class TooLongError(RowError):
    """The request does not fit into the model's context."""

    kind = "too_long"


class BadRequestError(RowError):
    """The server rejects this row's request for another reason."""

    kind = "bad_request"


class ReasoningOnlyError(RowError):
    """The model's whole answer came as its reasoning, and none of it as the answer.

    How the server or the model is set up decides on this, so the same question is not asked again.
    """

    kind = "reasoning_only"


class ReplyTooLargeError(RowError):
    """The answer is longer than any caption."""

    kind = "reply_too_large"


class RejectedError(RowError):
    """A check turned the answer down; `kind` is the check's own word (`refusal`, `loop` …).

    Args:
        message: As in `DataflowError`.
        kind: The fault in one word.
    """

    kind = "rejected"


class EmptyCaptionError(RejectedError):
    """The engine answered, with no text."""

    kind = "empty"


# --- time may cure it ---------------------------------------------------------------------------


class TryAgainError(DataflowError):
    """The attempt failed for a reason that may pass.

    Args:
        message: As in `DataflowError`.
        retry_after: Seconds the server asked to wait, or None.
    """

    kind = "try_again"
    retry_after: float | None = None


class RateLimitedError(TryAgainError):
    """Too many requests or tokens in the server's window (HTTP 429).

    Args:
        message: As in `DataflowError`.
        retry_after: Seconds until the limit lifts, or None where the server does not say.
        resets_at: When it lifts, in seconds since 1970, or None.
        quota: The window of the limit where the server names it: ``"minute"``, ``"hour"``,
            ``"day"``, ``"week"`` or ``"month"``; else empty.
    """

    kind = "rate_limited"
    resets_at: float | None = None
    quota: str = ""


class OverloadedError(TryAgainError):
    """The server is there but cannot answer now (HTTP 5xx, 408, 409)."""

    kind = "overloaded"


class AskTimeoutError(TryAgainError):
    """No whole reply within the time limit of one attempt."""

    kind = "timeout"


class ConnectionLostError(TryAgainError):
    """The connection could not be made, or broke before the reply was whole.

    Args:
        message: As in `DataflowError`.
        was_made: Whether there was a connection, so that the server may have worked, and charged.
    """

    kind = "connection"
    was_made: bool = True


class EngineDiedError(ConnectionLostError):
    """Our own engine died while it was asked; it is back, and the row may have been the cause."""

    kind = "engine_died"


class GarbledReplyError(TryAgainError):
    """The reply is whole but is not a chat completion."""

    kind = "garbled_reply"


# --- a person must act --------------------------------------------------------------------------


class StopRunError(DataflowError):
    """The run cannot go on; what is done is kept.

    Args:
        message: As in `DataflowError`.
        is_vague: The server gave no reason: where it answered others, it may be this row's alone.
        answers: Of lists, for which no journal is kept: each question's answer so far, in order,
            None for one that has none.
    """

    kind = "stopped"
    is_vague: bool = False
    answers: tuple[str | None, ...] = ()

    def with_answers(self, answers: Iterable[str | None]) -> Self:
        """The same error, with what was answered before it."""
        self.answers = self._fields["answers"] = tuple(answers)
        return self


class WrongKeyError(StopRunError):
    """The server does not accept the API key (HTTP 401, 403), or none is set."""

    kind = "wrong_key"


class UnknownModelError(StopRunError):
    """The server, the hub or the disk has no such model."""

    kind = "unknown_model"


class OutOfMoneyError(StopRunError):
    """The account has no credit left."""

    kind = "no_money"


class ParameterError(StopRunError):
    """The model does not take a parameter that you gave, or takes it only with another value."""

    kind = "parameter"


class NoVisionError(StopRunError):
    """The model, or the server as it runs, takes no pictures."""

    kind = "no_vision"


class AccountPolicyError(StopRunError):
    """The account's settings, its region or the provider's terms forbid these requests."""

    kind = "account_policy"


class WrongAddressError(StopRunError):
    """Something answers at the address, but it is not the API (HTTP 404, a redirect …)."""

    kind = "wrong_address"


class ProxyError(StopRunError):
    """The proxy that the environment names cannot be used, or wants other credentials."""

    kind = "proxy"


class UnreachableError(StopRunError):
    """No server answers at the address."""

    kind = "unreachable"


class EngineFailedError(StopRunError):
    """The local engine cannot be started or kept alive; the message holds its own reason."""

    kind = "engine_failed"


class ServingContractError(StopRunError):
    """A serving broke its promise, for example by returning too few answers."""

    kind = "serving_contract"


class InputError(StopRunError):
    """The dataset cannot be read; the message names file and line or row.

    Args:
        message: As in `DataflowError`.
        source: Where the message begins: ``"data.jsonl, line 12, column 3"``; or empty.
    """

    kind = "input"
    source: str = ""


class OutputError(StopRunError):
    """The output cannot be written."""

    kind = "output"


class NothingCaptionedError(StopRunError):
    """Every row failed before a model was asked; the message says why and where the rows are."""

    kind = "nothing_captioned"


class JournalError(StopRunError):
    """The journal cannot be opened, trusted or written."""

    kind = "journal"


class QuotaError(StopRunError):
    """The server's rate limit lifts only after longer than the run waits for it."""

    kind = "quota"


class LimitReachedError(StopRunError):
    """The limit on money or tokens leaves no room for another request."""

    kind = "limit"


class FaultAlarmError(StopRunError):
    """Nearly all of the latest answers have one and the same fault: the engine is broken."""

    kind = "fault_alarm"


class ReplyReuseError(StopRunError):
    """One reply came for different requests: something before the engine answers from a cache."""

    kind = "reply_reuse"


class RunStoppedError(StopRunError):
    """The caller stopped the run; what is answered is kept."""

    kind = "run_stopped"


class UnderWayError(StopRunError):
    """Nothing is wrong: batches are under way at the server, and nobody is to wait for them."""

    kind = "under_way"


class UsageError(StopRunError, ValueError):
    """An argument is wrong."""

    kind = "usage"


class MissingPackageError(StopRunError, ImportError):
    """An optional package is not installed; the message names the command that installs it."""

    kind = "missing_package"
