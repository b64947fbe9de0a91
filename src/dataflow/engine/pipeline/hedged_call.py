"""One job in flight: its attempt, and a second one beside it where the first hangs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from dataflow.core.aio import now
from dataflow.core.errors import AskTimeoutError, LimitReachedError, TryAgainError
from dataflow.engine.job import Job
from dataflow.engine.pipeline.admission import Attempt


class HedgedCall:
    """The attempts at one job that are in flight together; the first answer wins.

    Args:
        job: What is asked.

    Attributes:
        first: The first attempt, once it is sent.
        second: The second one, likewise.
        is_hedged: Whether there is a second one, be it not sent yet.
        admission: Holds what the first attempt was admitted to, until the call is concluded.
        slot: Holds its slot of the serving, until it is answered.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.first: Attempt | None = None
        self.second: Attempt | None = None
        self.is_hedged = False
        self.admission = contextlib.AsyncExitStack()
        self.slot = contextlib.AsyncExitStack()
        self._tasks: set[asyncio.Task[Attempt]] = set()
        self._ended: asyncio.Queue[asyncio.Task[Attempt] | None] = asyncio.Queue()

    def start(self, sending: Coroutine[Any, Any, Attempt]) -> None:
        """Make an attempt."""
        task = asyncio.create_task(sending)
        self._tasks.add(task)
        task.add_done_callback(self._ended.put_nowait)

    def give_up(self) -> None:
        """No attempt is waited for any longer."""
        self._ended.put_nowait(None)

    async def leave(self) -> None:
        """Give back what it was admitted to."""
        await self.slot.aclose()
        await self.admission.aclose()

    async def result(self) -> Attempt:
        """The attempt that was answered first; where none was, the one that failed last.

        Raises:
            LimitReachedError: the budget does not pay for the first attempt.
        """
        attempt = Attempt(now(), False, _hung(self.first))  # where not even one was sent
        try:
            while self._tasks:
                task = await self._ended.get()
                if task is None:
                    return Attempt(now(), False, _hung(self.first), is_given_up=True)
                self._tasks.discard(task)
                try:
                    attempt = task.result()
                except LimitReachedError:
                    if not self.is_hedged:
                        raise
                    continue  # what is left is not spent on asking twice
                if not isinstance(attempt.outcome, TryAgainError):
                    break
            return attempt
        finally:
            await self.cancel()

    async def cancel(self) -> None:
        """Cancel what is still in flight; its cost counts as unknown."""
        if not self._tasks:  # as nearly always: no turn of the event loop is spent
            return
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _hung(first: Attempt | None) -> AskTimeoutError:
    seconds = 0.0 if first is None else first.seconds
    return AskTimeoutError(
        f"no answer within {seconds:.0f} s, nor to a second request beside it, while others were "
        "answered; run the same command again to ask once more"
    )
