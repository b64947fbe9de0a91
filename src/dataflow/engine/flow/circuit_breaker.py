"""The gate before the engine: open while it answers, closed while it is down.

A circuit breaker: when many requests in a row fail because the server is not there, the run pauses
and one request at a time probes, at growing intervals, until one is answered or the server is given
up. So a server that restarts costs no row its attempts, and a dead one is not hammered.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

from dataflow.core.errors import (
    AskTimeoutError,
    OverloadedError,
    TryAgainError,
    UnreachableError,
)
from dataflow.engine.flow import retry_policy


class CircuitBreaker:
    """One run's gate, used from its event loop only.

    Args:
        give_up_after: Seconds a server that answered before may be down.
    """

    def __init__(self, give_up_after: float = retry_policy.GIVE_UP_SECONDS) -> None:
        self._give_up_after = give_up_after
        self._is_open = True
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self.ever_answered = False
        self._failing: set[bytes] = set()
        self._down_since: float | None = None
        self._probes = 0
        self._probe_out = False
        self._next_probe = 0.0
        self._closed_at: float | None = None
        self._closed_seconds = 0.0
        self.closed_because: str | None = None

    async def enter(self) -> bool:
        """Wait until a request may be sent; while closed, only the next probe gets through.

        Returns:
            Whether the request is the probe.
        """
        while self.is_closed:
            if self._probe_out and not await self._turn():
                continue
            if not self.is_closed:
                break  # it opened between the turn's coming and this
            self._probe_out = True
            try:
                await asyncio.sleep(max(0.0, self._next_probe - time.monotonic()))
            except asyncio.CancelledError:
                self._end_probe()
                raise
            return self.is_closed
        return False

    async def _turn(self) -> bool:
        """Wait until the gate has opened (False) or this is to be the next probe (True)."""
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self._end_probe()
            raise

    def _end_probe(self) -> None:
        """The probe goes to who has waited longest, so that every row has its chance."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(True)
                return
        self._probe_out = False

    def answered(self) -> None:
        """A request was answered, be it with an error about its row."""
        self.ever_answered = True
        self._failing.clear()
        self._down_since = None
        self._probes = 0
        self._probe_out = False
        self.closed_because = None
        if self._closed_at is not None:
            self._closed_seconds += time.monotonic() - self._closed_at
            self._closed_at = None
        self._is_open = True
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(False)

    def failed(self, error: TryAgainError, *, row: bytes, probe: bool = False) -> bool:
        """A request failed; returns whether that says something about its row.

        Only failures of several rows mean that the server is down: one row may fail for ever by
        itself. While the gate is closed, failures are the server's and cost no row an attempt.
        Those of requests that were sent before it closed say nothing new: only the probe's count.

        Args:
            error: How it failed.
            row: The key of the row's request.
            probe: What `enter` said of this request.

        Raises:
            UnreachableError: the server has been down too long.
        """
        if not isinstance(error, retry_policy.BREAKER_ERRORS):
            self.answered()
            return True
        now = time.monotonic()
        self._failing.add(row)
        if self._down_since is None:
            self._down_since = now
        down = now - self._down_since
        if self.is_closed and down >= self._patience(error):
            raise UnreachableError(
                f"the engine has not answered for {down:.0f} s: {error.message}; check the address "
                "and that the server runs, then run the same command again"
            ) from error
        was_closed = self.is_closed
        if was_closed:
            self.closed_because = error.message
            if probe:
                self._wait_for_next_probe(now, error)
        elif len(self._failing) >= self._tolerance(error):
            self._is_open = False
            self._closed_at = now
            self.closed_because = error.message
            self._wait_for_next_probe(now, error)
        return not was_closed

    def _is_at_work(self, error: TryAgainError) -> bool:
        """Whether there is a server at all: it answered before, or says that it is busy."""
        return self.ever_answered or isinstance(error, (OverloadedError, AskTimeoutError))

    def _patience(self, error: TryAgainError) -> float:
        if self._is_at_work(error):
            return self._give_up_after
        return min(retry_policy.FIRST_CONTACT_SECONDS, self._give_up_after)

    def _tolerance(self, error: TryAgainError) -> int:
        return retry_policy.BREAKER_ROWS if self._is_at_work(error) else 1

    def _wait_for_next_probe(self, now: float, error: TryAgainError) -> None:
        waits = retry_policy.PROBE_WAITS
        wait = waits[min(self._probes, len(waits) - 1)]
        if error.retry_after is not None:
            wait = max(wait, min(error.retry_after, retry_policy.MAX_RETRY_AFTER))
        self._probes += 1
        # not past the moment at which the server is given up
        end = (self._down_since or now) + self._patience(error)
        self._next_probe = min(now + wait, end)
        self._end_probe()

    def clock(self) -> float:
        """Seconds of a clock that stands still while the gate is closed."""
        now = time.monotonic() if self._closed_at is None else self._closed_at
        return now - self._closed_seconds

    @property
    def is_closed(self) -> bool:
        """Whether the run pauses because the server is down."""
        return not self._is_open
