"""Errors that time may cure: the same request is worth another attempt."""

from __future__ import annotations

from dataflow.core.errors.base import DataflowError


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


class GarbledReplyError(TryAgainError):
    """The reply is whole but is not a chat completion."""

    kind = "garbled_reply"
