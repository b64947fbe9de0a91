"""Decides when a picture host is asked: a few connections at a time, and later when it is away."""

from __future__ import annotations

import asyncio
import enum
import random
from collections.abc import Callable
from dataclasses import dataclass

from dataflow.core.aio import FifoWaiters


class HostState(enum.Enum):
    """The states of a `Host`, as those of a circuit breaker.

    ========= ============================================= ===================================
    state     requests                                      left when
    ========= ============================================= ===================================
    CLOSED    up to the connection limit                    429, or failures of several pictures
    OPEN      none                                          its pause is over
    HALF_OPEN one at a time                                 an answer (CLOSED), a failure (OPEN)
    ========= ============================================= ===================================
    """

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class Failure(enum.Enum):
    """How a host failed to answer; the value names it in messages."""

    UNKNOWN_NAME = "the host's name is not known"
    UNREACHABLE = "the host cannot be reached"
    LOST = "the connection broke"
    HUNG = "the host does not answer"
    STATUS = "the host answers with an error"
    RATE_LIMITED = "the host limits how often it is asked"


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """How patient a `Host` is; all times in seconds.

    Attributes:
        pause: Before the second attempt; doubled before each later one.
        longest_pause: Of these pauses.
        patience: How long a host that has answered before may be away.
        patience_by_failure: How long one that has never answered may fail in each way. A list from
            the web names thousands of hosts that are gone for ever: those may not hold a run up.
        retry_after: The longest wait that a host may ask for.
        given_up: How long a host is not asked after its patience is over.
        hung: Requests in a row without an answer in time, after which a host counts as hung.
        trip: Failures in a row after which the whole host is paused.
    """

    pause: float = 0.5
    longest_pause: float = 30.0
    patience: float = 600.0
    patience_by_failure: tuple[tuple[Failure, float], ...] = (
        (Failure.UNKNOWN_NAME, 0.0),
        (Failure.UNREACHABLE, 20.0),
        (Failure.LOST, 20.0),
        (Failure.HUNG, 0.0),
        (Failure.STATUS, 120.0),
        (Failure.RATE_LIMITED, 600.0),
    )
    retry_after: float = 600.0
    given_up: float = 30.0
    hung: int = 4
    trip: int = 3


class HostGivenUpError(Exception):
    """The host is not asked any more for now; the text says why, for people."""


class Host:
    """One host's connections and its health; lives in one event loop.

    Args:
        connections: Requests at once.
        policy: How patient it is.
        clock: Seconds since some instant.
    """

    def __init__(self, connections: int, policy: HostPolicy, clock: Callable[[], float]) -> None:
        self._most = self._limit = connections
        self._policy = policy
        self._clock = clock
        self._in_use = 0
        self._waiting: FifoWaiters[None, str | None] = FifoWaiters()
        self._timer: asyncio.TimerHandle | None = None
        self._has_answered = False
        self._tripped = False
        self._open_until = 0.0
        self._failing_since: float | None = None
        self._failing: set[str] = set()  # pictures; two are enough to know
        self._failures = self._hung = 0
        self._reason = ""
        self._gave_up = False
        self.answers = 0
        """Definite answers so far."""

    @property
    def state(self) -> HostState:
        """Whether requests may go to it now."""
        if self._clock() < self._open_until:
            return HostState.OPEN
        return HostState.HALF_OPEN if self._tripped else HostState.CLOSED

    @property
    def is_hung(self) -> bool:
        """Whether it accepted requests and answered none."""
        return self._hung >= self._policy.hung

    @property
    def is_idle(self) -> bool:
        """Whether it can be forgotten: it is not in use, and has not failed."""
        return not (self._in_use or self._waiting or self._failing_since is not None)

    async def acquire(self) -> None:
        """Wait, first come first served, for one of the host's connections.

        Raises:
            HostGivenUpError: the host has been away for too long.
        """
        if self._gave_up and (self._in_use or self.state is HostState.OPEN):
            raise HostGivenUpError(self._reason)
        if not self._waiting and self._has_room():
            self._in_use += 1
            return
        self._schedule_wake()
        refusal = await self._waiting.wait(None, hand_back=self._hand_back)
        if refusal is not None:
            raise HostGivenUpError(refusal)

    def release(self) -> None:
        """Give back what `acquire` took."""
        self._in_use -= 1
        self._wake()

    def _hand_back(self, refusal: str | None) -> None:
        if refusal is None:
            self.release()

    def answered(self) -> None:
        """Note a definite answer, whatever it says: the host is there."""
        self.answers += 1
        self._has_answered = True
        self._failing_since = None
        self._failing.clear()
        self._failures = self._hung = 0
        self._gave_up = False
        if self._tripped:
            self._tripped, self._open_until = False, 0.0
        elif self._limit < self._most and self.answers % (4 * self._limit) == 0:
            self._limit += 1
        self._wake()

    def rate_limited(self, retry_after: float | None, picture: str, reason: str) -> None:
        """Note that the host asks for fewer requests: fewer connections, after a pause.

        Args:
            retry_after: Seconds that the host asked to wait, or None.
            picture: What was asked for.
            reason: What the host said, for people.
        """
        if self.state is HostState.CLOSED:  # once for all that were in flight together
            self._limit = max(1, self._limit // 2)
        self._note(Failure.RATE_LIMITED, picture, reason)
        self._trip(max(retry_after or 0.0, self._policy.pause))
        if retry_after is not None and retry_after > self._policy.retry_after:
            self._give_up(f"{reason} and asks to wait for {retry_after:.0f} s")
        elif self._is_over(Failure.RATE_LIMITED):
            self._give_up(reason)

    def failed(
        self, how: Failure, picture: str, reason: str, retry_after: float | None = None
    ) -> None:
        """Note that a request failed in a way that may pass.

        Args:
            how: The way.
            picture: What was asked for.
            reason: What happened, for people.
            retry_after: Seconds that the host asked to wait, or None.
        """
        self._note(how, picture, reason)
        is_known_ill = len(self._failing) > 1 and self._failures >= self._policy.trip
        if how is Failure.HUNG:
            self._limit, self._hung = 1, self._hung + 1
            is_known_ill = self._hung >= self._policy.hung
        if retry_after or is_known_ill or self._tripped or not self._has_answered:
            self._trip(max(retry_after or 0.0, self._backoff()))
        if self._is_over(how):
            self._give_up(reason)

    def is_ill(self) -> bool:
        """Whether it is the host that fails, and not one picture of it."""
        return self._tripped and len(self._failing) > 1

    def _note(self, how: Failure, picture: str, reason: str) -> None:
        self._reason = reason or how.value
        self._failures += 1
        if len(self._failing) < 2:
            self._failing.add(picture)
        if self._failing_since is None:
            self._failing_since = self._clock()

    def _is_over(self, how: Failure) -> bool:
        if how is Failure.HUNG and self._hung < self._policy.hung:
            return False
        patience = dict(self._policy.patience_by_failure)[how]
        if self._has_answered:
            patience = self._policy.patience
        since = self._clock() - (self._failing_since or self._clock())
        return self._failures > 1 and since >= patience

    def _backoff(self) -> float:
        pause = self._policy.pause * 2.0 ** min(self._failures - 1, 20)
        return min(pause, self._policy.longest_pause) * random.uniform(0.8, 1.2)

    def _trip(self, pause: float) -> None:
        self._tripped = True
        self._open_until = max(self._open_until, self._clock() + pause)
        self._wake()

    def _give_up(self, reason: str) -> None:
        self._reason, self._gave_up = reason, True
        self._tripped = True
        self._open_until = self._clock() + self._policy.given_up
        while self._waiting.grant(reason):
            pass

    def _has_room(self) -> bool:
        state = self.state
        if state is HostState.CLOSED:
            return self._in_use < self._limit
        return state is HostState.HALF_OPEN and self._in_use == 0

    def _wake(self) -> None:
        """Grant connections to those who wait longest; come back when a pause is over."""
        while self._has_room() and self._waiting.grant(None):
            self._in_use += 1
        if self._waiting and self.state is HostState.OPEN:
            self._schedule_wake()

    def _schedule_wake(self) -> None:
        """Look again when the pause is over, or at once where it is over already."""
        if self._timer is not None:
            self._timer.cancel()
        left = max(self._open_until - self._clock(), 0.0)
        self._timer = asyncio.get_running_loop().call_later(left + 0.001, self._wake)
