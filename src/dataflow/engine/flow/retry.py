"""One step again and again, by the policy's table, until it is done or the server given up."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from dataflow.core.errors import TryAgainError
from dataflow.engine.flow import retry_policy
from dataflow.engine.job import RetryState
from dataflow.engine.reporting.progress import Progress

T = TypeVar("T")


class Retrier:
    """Tries steps again that failed for a reason that may pass.

    Args:
        give_up_after: Seconds a server may be away.
        progress: Shows why it waits.
    """

    def __init__(self, give_up_after: float, progress: Progress) -> None:
        self._give_up_after = give_up_after
        self._progress = progress
        self._rng = random.Random()

    async def until_done(self, step: Callable[[], Awaitable[T]]) -> T:
        """Do `step` until it does not raise `TryAgainError`; returns what it returns.

        Raises:
            TryAgainError: the last failure, when the policy's attempts are used up and, where the
                server itself is away, `give_up_after` is over.
        """
        failures: dict[type[TryAgainError], RetryState] = {}
        try:
            while True:
                try:
                    return await step()
                except TryAgainError as error:  # noqa: PERF203 - that is the loop's purpose
                    wait = self._wait(error, failures)
                    if wait is None:
                        raise
                    self._progress.paused = error.message
                    await asyncio.sleep(wait)
        finally:
            self._progress.paused = None

    def _wait(
        self, error: TryAgainError, failures: dict[type[TryAgainError], RetryState]
    ) -> float | None:
        now = time.monotonic()
        tries = failures.setdefault(retry_policy.kind_of(error), RetryState(now))
        tries.count += 1
        elapsed = now - tries.since
        wait = retry_policy.wait_before_next(error, tries.count, elapsed, rng=self._rng)
        is_away = isinstance(error, retry_policy.BREAKER_ERRORS)
        if wait is None and is_away and elapsed < self._give_up_after:
            return retry_policy.rule_for(error).cap
        return wait
