"""Errors for which a person must act: the run stops, and everything done so far is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.core.errors.base import DataflowError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self


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
    """Every row of an operator's step failed; the message says why and where the rows are."""

    kind = "nothing_captioned"


class JournalError(StopRunError):
    """The journal cannot be opened, trusted or written."""

    kind = "journal"


class QuotaError(StopRunError):
    """The server's rate limit lifts only after longer than the run waits for it."""

    kind = "quota"


class LimitReachedError(StopRunError):
    """The limit on money or tokens leaves no space for another request."""

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
    """Nothing is wrong: batches are under way at the server, and no caller waits for them."""

    kind = "under_way"


class UsageError(StopRunError, ValueError):
    """An argument is wrong."""

    kind = "usage"


class MissingPackageError(StopRunError, ImportError):
    """An optional package is not installed; the message names the command that installs it."""

    kind = "missing_package"
