"""Takes rows from the inbox and loads their pictures, within a bound on memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from dataflow.core.errors import RowError
from dataflow.engine.flow.backpressure import InFlightBound, RowReservation
from dataflow.engine.job import Job, RowGroup, weight_of
from dataflow.engine.pipeline import stages
from dataflow.engine.pipeline.intake import JobMaker
from dataflow.images.loader import Loader

LOADERS = 32
"""Rows loading at once; decoding itself is bounded by the loader's threads."""

WEB_ROWS = 1024
"""Rows with pictures on the web, loading or waiting for their hosts. Those that wait hold no
picture and no part of the bound, so that a host that hangs does not keep the others' rows back."""


class RowLoader:
    """Loads rows in any order; lives in one event loop.

    Args:
        bound: What lies between loading and outcome.
        maker: Says whether a picture is still the one that its request key stands for.
        start: Starts a task that the caller ends, and whose errors it hears of.
        loaded: Is handed each job and why it cannot be asked, or None.
        is_elsewhere: Whether the engine loads the pictures itself; nothing is loaded here then.
    """

    def __init__(
        self,
        bound: InFlightBound,
        maker: JobMaker,
        *,
        start: Callable[[Coroutine[Any, Any, None]], None],
        loaded: Callable[[Job, RowError | None], Awaitable[None]],
        is_elsewhere: bool = False,
    ) -> None:
        self._bound = bound
        self._maker = maker
        self._start = start
        self._loaded = loaded
        self._is_elsewhere = is_elsewhere
        self._web_rows = asyncio.Semaphore(WEB_ROWS)

    def run(self, inbox: asyncio.Queue[list[Job]], loader: Loader) -> None:
        """Start the tasks that load what comes into `inbox`, until they are cancelled."""
        for _ in range(LOADERS):
            self._start(self._load_all(inbox, loader))

    async def _load_all(self, inbox: asyncio.Queue[list[Job]], loader: Loader) -> None:
        while True:
            jobs = await inbox.get()
            if self._is_elsewhere:
                await self._pass_on(jobs)
            elif any(ref.kind == "url" for job in jobs for ref in job.references):
                await self._web_rows.acquire()
                self._start(self._load_from_web(jobs, loader))
            else:
                await self._load(jobs, loader)

    async def _pass_on(self, jobs: list[Job]) -> None:
        group = RowGroup(len(jobs), weight_of(jobs))
        await self._bound.acquire(group.size, len(jobs))
        for job in jobs:
            job.row_group = group
            await self._loaded(job, stages.no_request(job))

    async def _load_from_web(self, jobs: list[Job], loader: Loader) -> None:
        try:
            await self._load(jobs, loader)
        finally:
            self._web_rows.release()

    async def _load(self, jobs: list[Job], loader: Loader) -> None:
        group = RowGroup(len(jobs), weight_of(jobs))
        reservation = RowReservation(self._bound, group.size, len(jobs))
        problems = await stages.load(jobs, loader, self._maker, reservation)
        await reservation.enter()  # a row without pictures has not entered yet
        before, group.size = group.size, weight_of(jobs)
        self._bound.grow(group.size - before)
        for job, problem in zip(jobs, problems, strict=True):
            job.row_group = group
            await self._loaded(job, problem)
