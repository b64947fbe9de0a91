"""One worker: it loads the pictures of the requests that it has, and asks for them.

It makes one attempt at each, as any serving does; retries, limits and checks are the run's.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b

from dataflow.core.aio import as_ordinary, in_thread
from dataflow.core.errors import DataflowError
from dataflow.core.picture import Picture
from dataflow.core.protocols.serving import Client
from dataflow.core.request import Reply
from dataflow.core.text import error_text
from dataflow.engine.flow.backpressure import InFlightBound
from dataflow.engine.request_key import KEY_BYTES
from dataflow.images.loader import Loader
from dataflow.serving.workers.messages import LeasedRequest, WorkerAnswers, WorkerSetup

BEAT_SECONDS = 5.0
"""A worker says something at least so often, so that a hung one is told from one that waits."""

PICTURE_BYTES = 128 * 1024 * 1024
"""Loaded pictures that a worker holds at most, beyond those that are being decoded."""

MOST_REQUESTS = 4096
"""Requests that a worker has at most."""

GATHER_SECONDS = 0.005
"""Answers that come within this are handed over together."""


class LeaseWorker:
    """Works on leases; lives in one event loop, as an asynchronous context manager.

    Args:
        setup: What it works with.
    """

    def __init__(self, setup: WorkerSetup) -> None:
        self._setup = setup
        self._serving = setup.serving
        self._stack = contextlib.AsyncExitStack()
        self._bound = InFlightBound(MOST_REQUESTS, PICTURE_BYTES)
        self._asking = asyncio.Semaphore(max(1, setup.serving.max_workers))
        self._tasks: set[asyncio.Task[None]] = set()
        self._done: list[tuple[int, Reply | Exception]] = []
        self._changed = asyncio.Event()
        self._learned = dict(setup.learned)
        self._notes: Sequence[str] = ()

    async def start(self) -> WorkerAnswers:
        """Start the engine, where it is one of this machine; says whether it can be had."""
        try:
            await in_thread(self._serving.prepare)
            self._serving.recall(self._setup.learned)
            self._loader = await self._stack.enter_async_context(Loader(self._setup.limits))
            self._client: Client = await self._stack.enter_async_context(self._serving.connect())
        except Exception as error:  # noqa: BLE001 - it is raised where the run is
            return WorkerAnswers(failure=_portable(error))
        return WorkerAnswers()

    def take(self, lease: Sequence[LeasedRequest]) -> None:
        """Begin to work on these requests; their answers come from `collect`."""
        for one in lease:
            task = asyncio.create_task(self._work_on(one))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def collect(self, seconds: float = BEAT_SECONDS) -> WorkerAnswers:
        """Wait for answers, `seconds` at most, and hand over all that there are."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)
        if self._done:
            await asyncio.sleep(GATHER_SECONDS)
        self._changed.clear()
        done, self._done = self._done, []
        learned, notes = dict(self._serving.learned()), list(self._serving.notes)
        is_new = learned != self._learned
        self._learned = learned
        return WorkerAnswers(done, learned if is_new else None, notes)

    async def close(self) -> None:
        """Give up what is under way and end the engine."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()
        self._serving.cleanup()

    async def _work_on(self, one: LeasedRequest) -> None:
        try:
            outcome: Reply | Exception = await self._answer(one)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - raised where the run is
            outcome = _portable(as_ordinary(error))
        self._done.append((one.number, outcome))
        self._changed.set()

    async def _answer(self, one: LeasedRequest) -> Reply:
        await self._bound.acquire(0)
        size = 0
        pictures: list[Picture] = []
        try:
            for ref in one.request.pictures:
                picture = await self._loader.load(ref)
                self._bound.grow(len(picture.data))
                size += len(picture.data)
                pictures.append(picture)
            async with self._asking:
                reply = await self._client.send(one.request, pictures)
        finally:
            self._bound.release(size)
        digests = tuple(blake2b(p.data, digest_size=KEY_BYTES).hexdigest() for p in pictures)
        return replace(reply, picture_digests=digests)


def _portable(error: BaseException) -> Exception:
    """`error` as another process can have it."""
    if isinstance(error, DataflowError):
        return error
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - what was made here a moment ago
    except Exception:  # noqa: BLE001 - other people's exceptions fail in any way
        return RuntimeError(error_text(error))
    return error if isinstance(error, Exception) else RuntimeError(error_text(error))
