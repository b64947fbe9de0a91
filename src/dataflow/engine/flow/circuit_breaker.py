"""The circuit breaker before the engine: the run pauses while the server is down.

When many requests in a row fail because the server is not there, or when the server says that its
rate limit lifts only after a long while, the run pauses. One request at a time probes, at growing
intervals, until one is answered or the server is given up. So a server that restarts costs no row
its attempts, and a dead one is not hammered.
"""

from __future__ import annotations

import asyncio
import enum

from dataflow.core.aio import FifoWaiters, now
from dataflow.core.errors import (
    AskTimeoutError,
    GarbledReplyError,
    OverloadedError,
    TryAgainError,
    UnreachableError,
)
from dataflow.engine.flow import retry_policy


class BreakerState(enum.Enum):
    """The states of a circuit breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class CircuitBreaker:
    """One run's circuit breaker, used from its event loop only.

    =========  ================================  ===========================================
    state      what passes                       what ends it
    =========  ================================  ===========================================
    CLOSED     every request                     `retry_policy.BREAKER_ROWS` rows fail without
                                                 an answer between them, or `open_for`: OPEN
    OPEN       nothing                           the next probe is due: HALF_OPEN
    HALF_OPEN  the probe, which is in flight     an answer: CLOSED; the probe fails: OPEN
    =========  ================================  ===========================================

    Args:
        give_up_after: Seconds a server that answered before may be down.

    Attributes:
        ever_answered: Whether any request was answered so far.
        open_reason: Why it is not CLOSED, in the latest error's words; None while it is.
    """

    def __init__(self, give_up_after: float = retry_policy.GIVE_UP_SECONDS) -> None:
        self._give_up_after = give_up_after
        self.state = BreakerState.CLOSED
        self._waiting: FifoWaiters[None, bool] = FifoWaiters()
        self.ever_answered = False
        self._failing: set[bytes] = set()
        self._down_since: float | None = None
        self._probes = 0
        self._is_probe_taken = False
        self._next_probe = 0.0
        self._opened_at: float | None = None
        self._limited_since: float | None = None
        self._paused_seconds = 0.0
        self.open_reason: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether the run pauses: OPEN or HALF_OPEN."""
        return self.state is not BreakerState.CLOSED

    async def acquire(self) -> bool:
        """Wait until a request may be sent; while the breaker is open, only the probe passes.

        Returns:
            Whether the request is the probe.
        """
        while self.is_open:
            if self._is_probe_taken and not await self._waiting.wait(
                None, hand_back=self._hand_back
            ):
                continue
            if not self.is_open:
                break  # it closed between the turn's coming and this
            self._is_probe_taken = True
            try:
                await asyncio.sleep(max(0.0, self._next_probe - now()))
            except asyncio.CancelledError:
                self._pass_probe_on()
                raise
            if self.is_open:
                self.state = BreakerState.HALF_OPEN
            return self.is_open
        return False

    def _hand_back(self, is_probe: bool) -> None:
        if is_probe:
            self._pass_probe_on()

    def give_up_probe(self) -> None:
        """The probe was not sent, or its outcome will not come: another may take its turn."""
        if self.is_open:
            self.state = BreakerState.OPEN
            self._pass_probe_on()

    def _pass_probe_on(self) -> None:
        """The probe goes to who has waited longest, so that every row has its chance."""
        if not self._waiting.grant(True):
            self._is_probe_taken = False

    def record_success(self, *, sent_at: float | None = None) -> None:
        """A request was answered, be it with an error about its row.

        Args:
            sent_at: When it was sent. An answer to what was sent before a rate limit was met says
                nothing about that limit.
        """
        self.ever_answered = True
        if (
            self._limited_since is not None
            and sent_at is not None
            and sent_at < self._limited_since
        ):
            return
        self._failing.clear()
        self._down_since = self._limited_since = None
        self._probes = 0
        self._is_probe_taken = False
        self.open_reason = None
        if self._opened_at is not None:
            self._paused_seconds += now() - self._opened_at
            self._opened_at = None
        self.state = BreakerState.CLOSED
        while self._waiting.grant(False):
            pass

    def record_failure(
        self, error: TryAgainError, *, row: bytes, probe: bool = False, are_all: bool = False
    ) -> bool:
        """A request failed; returns whether that says something about its row.

        Only failures of several rows mean that the server is down: one row may fail for ever by
        itself. While the breaker is open, failures are the server's and cost no row an attempt.
        Those of requests that were sent before it opened say nothing new: only the probe's count.

        Args:
            error: How it failed.
            row: The key of the row's request.
            probe: What `acquire` returned for this request.
            are_all: Whether the run has no other rows than those that fail, and never had an
                answer: then the few are enough.

        Raises:
            UnreachableError: the server has been down too long.
        """
        if not isinstance(error, retry_policy.BREAKER_ERRORS):
            if self._limited_since is None:
                self.record_success()
            elif probe:
                self._schedule_probe(error)
            return self._limited_since is None
        self._failing.add(row)
        if self._down_since is None:
            self._down_since = now()
        down = now() - self._down_since
        if self.is_open and down >= self._patience(error):
            raise UnreachableError(_silence(error, down)) from error
        was_open = self.is_open
        if was_open:
            self.open_reason = error.message
            if probe:
                self._schedule_probe(error)
        elif are_all or len(self._failing) >= self._tolerance(error):
            self._open(error.message)
            self._schedule_probe(error)
        return not was_open

    def open_for(self, seconds: float, reason: str) -> None:
        """Pause the run for this many seconds, as the server's rate limit asks; then probe."""
        if self._limited_since is None:
            self._limited_since = now()
        self._open(reason)
        self._next_probe = max(self._next_probe, now() + seconds)
        self._pass_probe_on()

    def _open(self, reason: str) -> None:
        self.state = BreakerState.OPEN
        if self._opened_at is None:
            self._opened_at = now()
        self.open_reason = reason

    def _is_at_work(self, error: TryAgainError) -> bool:
        """Whether there is a server at all: it answered before, or says that it is busy."""
        return self.ever_answered or isinstance(error, (OverloadedError, AskTimeoutError))

    def _patience(self, error: TryAgainError) -> float:
        if self._is_at_work(error):
            return self._give_up_after
        return min(retry_policy.FIRST_CONTACT_SECONDS, self._give_up_after)

    def _tolerance(self, error: TryAgainError) -> int:
        return retry_policy.BREAKER_ROWS if self._is_at_work(error) else 1

    def _schedule_probe(self, error: TryAgainError) -> None:
        waits = retry_policy.PROBE_WAITS
        wait = waits[min(self._probes, len(waits) - 1)]
        if error.retry_after is not None:
            wait = max(wait, min(error.retry_after, retry_policy.MAX_RETRY_AFTER))
        self._probes += 1
        self.state = BreakerState.OPEN
        # not past the moment at which the server is given up
        end = (now() if self._down_since is None else self._down_since) + self._patience(error)
        self._next_probe = max(self._next_probe, min(now() + wait, end))
        self._pass_probe_on()

    def clock(self) -> float:
        """Seconds of a clock that stands still while the breaker is open."""
        at = now() if self._opened_at is None else self._opened_at
        return at - self._paused_seconds


def _silence(error: TryAgainError, seconds: float) -> str:
    """What to say of a server that answered nothing for so many seconds."""
    if isinstance(error, GarbledReplyError):
        return (
            f"nothing that came for {seconds:.0f} s is an answer: {error.message}; check the "
            "address and the model's name, then run the same command again"
        )
    return (
        f"the engine has not answered for {seconds:.0f} s: {error.message}; check the address and "
        "that the server runs, then run the same command again"
    )
