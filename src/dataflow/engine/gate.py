"""The gate before the engine: open while it answers, closed while it is down.

A circuit breaker: when many requests in a row fail because the server is not there, the run pauses
and one request at a time probes, at growing intervals, until one is answered or the server is given
up. So a server that restarts costs no row its attempts, and a dead one is not hammered.
"""

from __future__ import annotations

import asyncio
import time

from dataflow.core.errors import AskTimeoutError, TryAgainError, UnreachableError
from dataflow.engine import policy


class Gate:
    """One run's gate, used from its event loop only.

    Args:
        give_up_after: Seconds a server that answered before may be down.
    """

    def __init__(self, give_up_after: float = policy.GIVE_UP_SECONDS) -> None:
        self._give_up_after = give_up_after
        self._open = asyncio.Event()
        self._open.set()
        self._ever_answered = False
        self._failures = 0
        self._down_since: float | None = None
        self._probes = 0
        self._probe_out = False
        self._next_probe = 0.0
        self.closed_because: str | None = None

    async def enter(self) -> None:
        """Wait until a request may be sent; while closed, only the next probe gets through."""
        while not self._open.is_set():
            if not self._probe_out:
                self._probe_out = True
                try:
                    await asyncio.sleep(max(0.0, self._next_probe - time.monotonic()))
                except asyncio.CancelledError:
                    self._probe_out = False
                    raise
                return
            await self._open.wait()

    def answered(self) -> None:
        """A request was answered, be it with an error about its row."""
        self._ever_answered = True
        self._failures = 0
        self._down_since = None
        self._probes = 0
        self._probe_out = False
        self.closed_because = None
        self._open.set()

    def failed(self, error: TryAgainError) -> bool:
        """A request failed; returns whether that says something about its row.

        While the gate is closed, failures are the server's and cost no row an attempt.

        Raises:
            UnreachableError: the server has been down too long.
        """
        if isinstance(error, AskTimeoutError):
            self._probe_out = False  # says nothing either way
            return True
        if not isinstance(error, policy.BREAKER_ERRORS):
            self.answered()
            return True
        now = time.monotonic()
        self._failures += 1
        if self._down_since is None:
            self._down_since = now
        patience = self._give_up_after if self._ever_answered else policy.FIRST_CONTACT_SECONDS
        down = now - self._down_since
        limit = min(patience, self._give_up_after)
        if self.is_closed and down > limit:
            raise UnreachableError(
                f"the engine has not answered for {down:.0f} s: {error.message}; check the address "
                "and that the server runs, then run the same command again"
            ) from error
        was_closed = self.is_closed
        if self._failures >= self._tolerance():
            self._close(now, error)
        return not was_closed

    def _tolerance(self) -> int:
        return policy.BREAKER_FAILURES if self._ever_answered else 1

    def _close(self, now: float, error: TryAgainError) -> None:
        waits = policy.PROBE_WAITS
        wait = waits[min(self._probes, len(waits) - 1)]
        if error.retry_after is not None:
            wait = max(wait, min(error.retry_after, policy.MAX_RETRY_AFTER))
        if not self.is_closed or self._probe_out:
            self._probes += 1
            self._next_probe = now + wait
        self._probe_out = False
        self._open.clear()
        self.closed_because = error.message

    @property
    def is_closed(self) -> bool:
        """Whether the run pauses because the server is down."""
        return not self._open.is_set()
