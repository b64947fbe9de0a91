"""A serving whose requests are answered by workers, behind the same seam as every engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from dataflow.core.errors import UsageError
from dataflow.core.picture import Picture
from dataflow.core.protocols.serving import AsyncServing, Client
from dataflow.core.request import Reply, Request
from dataflow.images.base.limits import Limits
from dataflow.serving.base.list_serving import ListServing
from dataflow.serving.workers.link import WorkerLauncher
from dataflow.serving.workers.messages import WorkerSetup
from dataflow.serving.workers.pool import WorkerPool

AHEAD = 16
"""Requests that a worker has beyond those that its engine works on, so that it loads ahead."""


class WorkerServing(ListServing):
    """One serving in many workers: each loads pictures and asks, the run decides all else.

    Where the serving is an engine on this machine, every worker starts one of its own; where it is
    an API, all of them ask the same.

    Args:
        serving: Who is asked.
        launcher: Starts the workers.
        limits: For pictures, of all workers of one machine together.
        fewest: Workers at least.
        most: Workers at most; None for as many as `fewest`.

    Raises:
        UsageError: there are to be fewer at most than at least.
    """

    loads_pictures = True

    def __init__(
        self,
        serving: AsyncServing,
        launcher: WorkerLauncher,
        limits: Limits,
        *,
        fewest: int,
        most: int | None = None,
    ) -> None:
        most = fewest if most is None else most
        if not 1 <= fewest <= most:
            raise UsageError(f"there are at least {fewest} and at most {most} workers; give 1..2")
        self._serving = serving
        self._launcher = launcher
        self._limits = limits
        self._fewest, self._most = fewest, most
        self._pool: WorkerPool | None = None
        self._learned: Mapping[str, Mapping[str, Any]] = {}
        self.model = serving.model
        self.penalty = serving.penalty
        self.api_urls = serving.api_urls
        self.is_local = serving.is_local
        self.may_change = serving.may_change
        self.adaptive_concurrency = serving.adaptive_concurrency
        self.max_workers = serving.max_workers
        if serving.is_local:
            self.max_workers = (serving.max_workers + AHEAD) * most

    def __getstate__(self) -> dict[str, Any]:
        """Without the workers, which belong to one event loop."""
        return {**super().__getstate__(), "_pool": None}

    @property
    def notes(self) -> Sequence[str]:
        """What the workers' servings say, and how many were lost."""
        if self._pool is None:
            return tuple(self._serving.notes)
        doubled = (
            f"{self._pool.doubled:,} requests that were late at the end were given to a second "
            "worker, too"
        )
        notes = (*[doubled][: self._pool.doubled], *self._pool.notes)
        if not self._pool.lost:
            return notes
        lost = (
            f"{self._pool.lost:,} workers were lost, and {self._pool.given_again:,} requests that "
            "they had were given to others: those may have been paid for twice"
        )
        return (lost, *notes)

    def learned(self) -> Mapping[str, Mapping[str, Any]]:
        """What the workers learned."""
        return self._learned if self._pool is None else self._pool.learned

    def recall(self, learned: Mapping[str, Mapping[str, Any]]) -> None:
        """Every worker begins with what was learned."""
        self._learned = dict(learned)

    def prepare(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Have ready what `settings` is made of."""
        self._serving.prepare(stop)

    def settings(self) -> Mapping[str, Any]:
        """Those of the serving: where it runs determines no answer."""
        return self._serving.settings()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        """Start the workers and wait for the first one.

        Raises:
            StopRunError: there can be none.
        """
        slots = self.max_workers
        if self.is_local:
            slots = self._serving.max_workers + AHEAD
        elif self._most > self._fewest:  # what one cannot take waits, and so another is started
            slots = -(-self.max_workers // self._most)
        pool = WorkerPool(
            self._launcher,
            WorkerSetup(self._serving, self._limits, self._learned),
            fewest=self._fewest,
            most=self._most,
            slots=slots,
            doubles=self.is_local,
        )
        self._pool = pool
        try:
            await pool.open()
            yield _PoolClient(pool)
        finally:
            self._learned = dict(pool.learned)
            await pool.close()

    def cleanup(self) -> None:
        """End what all workers shared."""
        self._launcher.close()
        self._serving.cleanup()


class _PoolClient:
    """Hands requests to the pool; their pictures are not loaded here."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool

    async def send(self, request: Request, pictures: Sequence[Picture]) -> Reply:
        """One attempt by a worker, which loads the pictures itself."""
        return await self._pool.answer(request)
