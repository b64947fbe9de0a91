"""The workers of one run: who has which requests, and what becomes of those of a lost worker.

A request goes to the worker with the fewest. What a worker had when it was lost is given to
another, first of all; that is all that may be asked twice. A request that was lost twice is given
to a worker alone, so that one that ends workers is found, and fails alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dataflow.core.aio import in_thread, now
from dataflow.core.errors import EngineDiedError, EngineFailedError
from dataflow.core.request import Reply, Request
from dataflow.serving.workers.link import WorkerLauncher, WorkerLostError
from dataflow.serving.workers.messages import LeasedRequest, WorkerAnswers, WorkerSetup
from dataflow.serving.workers.pool_items import PoolItem, PoolWorker

MOST_IN_LEASE = 64
"""Requests that are handed over at once."""

FATAL_LOSSES = 2
"""A request that was lost so often while it was alone fails."""

MOST_FAILED_STARTS = 5
"""So many times one after another, workers ended before their first answer: then the run stops.

Those that were started together, as on one node, count once.
"""

RESTART_SECONDS = 1.0
"""Before a lost worker is replaced; twice as long each time that none answered between."""

IDLE_SECONDS = 10.0
"""A worker beyond the fewest that had nothing to do for so long is let go."""

SCALE_SECONDS = 2.0
"""Between two looks at whether more workers, or fewer, are needed."""

LATE_SECONDS = 10.0
"""A request that a worker has had for less is not late."""

LATE_TIMES = 3.0
"""Nor is one that took less than so many times as long as half of the latest ones."""

_LATEST = 200
"""Requests of which it is known how long they took."""

_log = logging.getLogger("dataflow")


class WorkerPool:
    """Keeps workers at work, from one event loop; an asynchronous context manager.

    Args:
        launcher: Starts workers.
        setup: What they work with.
        fewest: Workers at least.
        most: Workers at most; more than `fewest` are started while requests wait.
        slots: Requests that one worker has at most.
        doubles: Whether a request that is late is given to a second worker, where that has nothing
            to do and nothing waits; the first answer counts. It costs no money where each worker
            has an engine of its own.

    Attributes:
        lost: Workers that were lost.
        doubled: Requests that two workers had at once.
        given_again: Requests that were given to another worker since theirs was lost.
        learned: What the workers learned of the model.
        notes: What a person should know of the engines.
    """

    def __init__(
        self,
        launcher: WorkerLauncher,
        setup: WorkerSetup,
        *,
        fewest: int,
        most: int,
        slots: int,
        doubles: bool = False,
    ) -> None:
        self._launcher = launcher
        self._setup = setup
        self._fewest, self._most, self._slots = fewest, most, slots
        self._doubles = doubles
        self._took: deque[float] = deque(maxlen=_LATEST)
        self._workers: dict[int, PoolWorker] = {}
        self._waiting: deque[PoolItem] = deque()
        self._numbers = 0
        self._started = 0
        self._failed_starts = 0
        self._counted = 0
        """The latest worker that was started before a failed start was counted."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_giving = False
        self._is_closing = False
        self._failure: Exception | None = None
        self._first_ready = asyncio.Event()
        self.lost = 0
        self.given_again = 0
        self.doubled = 0
        self.learned: dict[str, Mapping[str, Any]] = dict(setup.learned)
        self.notes: dict[str, None] = {}

    @property
    def size(self) -> int:
        """Workers that are ready, without those that are let go."""
        return sum(one.is_ready and not one.is_leaving for one in self._workers.values())

    async def open(self) -> None:
        """Start the fewest workers and wait for the first one.

        Raises:
            StopRunError: there can be none.
        """
        await in_thread(self._launcher.prepare)
        for _ in range(self._fewest):
            self._launch()
        await self._first_ready.wait()
        if self._failure is not None:
            raise self._failure
        if self._most > self._fewest or self._doubles:
            self._start(self._look_after())

    async def close(self) -> None:
        """Let all workers end."""
        self._is_closing = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        workers = [worker.link.close() for worker in self._workers.values()]
        await asyncio.gather(*workers, return_exceptions=True)
        for item in [*self._waiting, *(i for w in self._workers.values() for i in w.has.values())]:
            item.done.cancel()

    async def answer(self, request: Request) -> Reply:
        """One attempt at `request` by a worker.

        Raises:
            DataflowError: as the worker's serving raised it.
            EngineDiedError: the request ends the workers that have it.
            EngineFailedError: the workers end one after another.
        """
        if self._failure is not None:
            raise self._failure
        self._numbers += 1
        plain = replace(request, checks=None, refine=None)  # which are the run's, not the worker's
        item = PoolItem(self._numbers, plain, asyncio.get_running_loop().create_future())
        self._waiting.append(item)
        self._give_soon()
        try:
            return await item.done
        except asyncio.CancelledError:
            with contextlib.suppress(ValueError):
                self._waiting.remove(item)
            raise

    # --- handing out ---------------------------------------------------------------------------

    def _give_soon(self) -> None:
        """Hand out in a moment, so that what comes together goes together."""
        if not self._is_giving and not self._is_closing:
            self._is_giving = True
            asyncio.get_running_loop().call_soon(self._give)

    def _give(self) -> None:
        self._is_giving = False
        leases: dict[int, list[PoolItem]] = {}
        suspects = [item for item in self._waiting if item.is_suspect]
        for item in suspects:
            worker = self._worker_for_one()
            if worker is None:
                break
            self._waiting.remove(item)
            self._note_given(worker, item, leases)
        while (worker := self._freest()) is not None and (plain := self._next()) is not None:
            self._note_given(worker, plain, leases)
        self._send(leases)

    def _send(self, leases: Mapping[int, Sequence[PoolItem]]) -> None:
        for number, items in leases.items():
            for start in range(0, len(items), MOST_IN_LEASE):
                lease = [LeasedRequest(i.number, i.request) for i in items[start:][:MOST_IN_LEASE]]
                self._start(self._hand_over(self._workers[number], lease))

    def _next(self) -> PoolItem | None:
        """The next request that is no suspect; it is taken out."""
        for item in self._waiting:
            if not item.is_suspect:
                self._waiting.remove(item)
                return item
        return None

    def _note_given(
        self, worker: PoolWorker, item: PoolItem, leases: dict[int, list[PoolItem]]
    ) -> None:
        worker.has[item.number] = item
        item.workers += 1
        item.given_at = item.given_at or now()
        leases.setdefault(worker.number, []).append(item)

    def _freest(self) -> PoolWorker | None:
        """The worker with the fewest requests that takes one more."""
        free = [
            worker
            for worker in self._workers.values()
            if worker.is_ready
            and not worker.is_leaving
            and not worker.is_alone
            and len(worker.has) < self._slots
        ]
        return min(free, key=lambda worker: len(worker.has), default=None)

    def _worker_for_one(self) -> PoolWorker | None:
        """A worker that has nothing, for a request alone; one is emptied where there is none."""
        ready = [one for one in self._workers.values() if one.is_ready and not one.is_leaving]
        emptied = [one for one in ready if one.is_alone]
        if not emptied and ready:
            chosen = min(ready, key=lambda worker: len(worker.has))
            chosen.is_alone = True
            emptied = [chosen]
        return next((one for one in emptied if not one.has), None)

    async def _hand_over(self, worker: PoolWorker, lease: Sequence[LeasedRequest]) -> None:
        with contextlib.suppress(WorkerLostError):  # its own task hears of it too
            await worker.link.give(lease)

    # --- workers -------------------------------------------------------------------------------

    def _launch(self) -> None:
        self._started += 1
        setup = replace(self._setup, learned=dict(self.learned))
        worker = PoolWorker(self._started, self._launcher.launch(self._started, setup))
        self._workers[worker.number] = worker
        self._start(self._attend(worker))

    async def _attend(self, worker: PoolWorker) -> None:
        """Take in what a worker says, until it ends."""
        try:
            self._take_in(worker, await worker.link.start())
            if self._failure is not None:
                return
            worker.is_ready, worker.idle_since = True, now()
            self._first_ready.set()
            self._give_soon()
            while not (worker.is_leaving and not worker.has):
                self._take_in(worker, await worker.link.collect())
            del self._workers[worker.number]
            await worker.link.close()
        except WorkerLostError as error:
            await self._replace(worker, str(error))
        except Exception as error:  # noqa: BLE001 - raised where requests wait
            self._fail(error)

    def _take_in(self, worker: PoolWorker, said: WorkerAnswers) -> None:
        if said.failure is not None:
            self._fail(said.failure)
            return
        self.learned.update(said.learned or {})
        self.notes.update(dict.fromkeys(said.notes))
        for number, outcome in said.answers:
            item = worker.has.pop(number, None)
            if item is None:
                continue
            item.workers -= 1
            if item.done.done() or (isinstance(outcome, Exception) and item.workers):
                continue
            self._took.append(now() - item.given_at)
            if isinstance(outcome, Exception):
                item.done.set_exception(outcome)
            else:
                item.done.set_result(outcome)
        if said.answers:
            self._failed_starts, worker.has_answered = 0, True
            worker.is_alone = worker.is_alone and bool(worker.has)
            worker.idle_since = now()
            self._give_soon()

    async def _replace(self, worker: PoolWorker, reason: str) -> None:
        """Give the requests of a lost worker out again, and start another in its place."""
        self._workers.pop(worker.number, None)
        with contextlib.suppress(Exception):
            await worker.link.close()
        self.lost += 1
        if not worker.has_answered and worker.number > self._counted:
            self._failed_starts += 1
            self._counted = self._started
        for item in worker.has.values():
            item.workers -= 1
        items = [i for i in worker.has.values() if not i.done.done() and not i.workers]
        _log.warning(
            "worker %d was lost (%s): %d requests that it had are given to another",
            worker.number, reason, len(items),
        )  # fmt: skip
        for item in items:
            item.losses += 1
            item.losses_alone += len(worker.has) == 1
            if item.losses_alone >= FATAL_LOSSES:
                item.done.set_exception(
                    EngineDiedError("the workers that had this request, and no other, ended")
                )
            else:
                self.given_again += 1
                item.given_at = 0.0
                self._waiting.appendleft(item)
        if self._failed_starts >= MOST_FAILED_STARTS:
            self._fail(
                EngineFailedError(
                    f"workers ended {self._failed_starts} times before they answered anything; "
                    f"the last one: {reason}"
                )
            )
            return
        self._give_soon()
        await asyncio.sleep(RESTART_SECONDS * 2**self._failed_starts / 4)
        if len(self._workers) < (self._most if self._waiting else self._fewest):
            self._launch()

    def _fail(self, error: Exception) -> None:
        """No worker can work: whoever waits hears of it."""
        self._failure = self._failure or error
        self._first_ready.set()
        everybody = [i for w in self._workers.values() for i in w.has.values()]
        for item in [*self._waiting, *everybody]:
            if not item.done.done():
                item.done.set_exception(error)
        self._waiting.clear()

    # --- how many ------------------------------------------------------------------------------

    async def _look_after(self) -> None:
        """Start a worker while requests wait; let one go, or help, that has had nothing to do."""
        while True:
            await asyncio.sleep(SCALE_SECONDS)
            if self._doubles and not self._waiting:
                self._double_late()
            workers = list(self._workers.values())
            if self._waiting and all(w.is_ready for w in workers) and len(workers) < self._most:
                _log.warning(
                    "%d requests wait: worker %d of at most %d is started",
                    len(self._waiting), len(workers) + 1, self._most,
                )  # fmt: skip
                self._launch()
            elif not self._waiting and self.size > self._fewest:
                self._let_go(workers)

    def _let_go(self, workers: Sequence[PoolWorker]) -> None:
        idle = [w for w in workers if w.is_ready and not w.has and not w.is_leaving]
        for worker in idle:
            if now() - worker.idle_since >= IDLE_SECONDS:
                _log.warning("worker %d has nothing to do and is let go", worker.number)
                worker.is_leaving = True
                return

    def _double_late(self) -> None:
        """Give requests that are late to workers that have nothing to do, too."""
        idle = [
            w for w in self._workers.values()
            if w.is_ready and not w.has and not w.is_leaving and not w.is_alone
        ]  # fmt: skip
        if not idle or not self._took:
            return
        before = now() - max(LATE_SECONDS, LATE_TIMES * statistics.median(self._took))
        items = {item.number: item for one in self._workers.values() for item in one.has.values()}
        late = [i for i in items.values() if i.workers == 1 and i.given_at < before]
        leases: dict[int, list[PoolItem]] = {}
        for item in sorted(late, key=lambda item: item.given_at):
            worker = min(idle, key=lambda worker: len(worker.has))
            if item.done.done() or item.is_suspect or len(worker.has) >= self._slots:
                continue
            self._note_given(worker, item, leases)
            self.doubled += 1
        self._send(leases)

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
