"""Threads for work that may hang: a job over its time is left behind, and the pool continues.

`concurrent.futures` cannot do this: its threads count as lost once they hang, and the interpreter
waits for them when it ends. A thread cannot be killed, so a hanging one is abandoned: its caller
gets an error, a new thread takes over, and the old one ends by itself when its job ever does.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from dataflow.core.aio import as_ordinary
from dataflow.core.errors import PictureError, PictureTooSlowError
from dataflow.images.base.byte_semaphore import ByteSemaphore
from dataflow.images.base.limits import MIB

T = TypeVar("T")

_ORDINARY = 256 * MIB  # of memory: a picture that takes more may take more time, too

MAX_ABANDONED = 32
"""Threads that may hang at once. Past this no new ones are started, so that a dead network disk
or a hostile dataset cannot fill the machine with threads and memory."""


class Clock:
    """Seconds in which this process ran: a clock that stands still while the process is stopped.

    Not the time of the CPU, which stands still, too, in a read that hangs. `tick` is to be called
    every `TICK` seconds; what passes between two calls counts for `LONGEST` at most.
    """

    TICK = 0.5
    LONGEST = 2.0

    def __init__(self) -> None:
        self._seen = time.monotonic(), 0.0  # in one, as other threads read it

    def now(self) -> float:
        """Seconds since some instant."""
        at, ran = self._seen
        return ran + min(time.monotonic() - at, self.LONGEST)

    def tick(self) -> None:
        """Note that the process runs."""
        ran = self.now()
        self._seen = time.monotonic(), ran


class PoolTask(Generic[T]):
    """One piece of work and its time, which does not pass while the job waits for memory."""

    def __init__(
        self, work: Callable[[PoolTask[T]], T], memory: ByteSemaphore, clock: Clock
    ) -> None:
        self._work = work
        self._memory = memory
        self._clock = clock
        self._lock = threading.Lock()
        self._reserved = 0
        self._started: float | None = None
        self._spent = 0.0
        self._size = 1.0
        self._over = False
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self.loop.create_future()

    def reserve(self, cost: int) -> None:
        """Called by the work, once: wait until `cost` bytes of memory may be used."""
        self._pause()
        self._size = max(1.0, cost / _ORDINARY)
        self._memory.acquire(cost)
        with self._lock:
            if self._over:
                self._memory.release(cost)
            else:
                self._reserved = cost
                self._started = self._clock.now()

    def seconds(self) -> float:
        """How long the work has run so far, without waiting; less where it is a large one."""
        with self._lock:
            running = 0.0 if self._started is None else self._clock.now() - self._started
            return (self._spent + running) / self._size

    def run(self) -> None:
        """Do the work in this thread and hand over its result, unless its caller has gone."""
        with self._lock:
            if self._over:
                return
            self._started = self._clock.now()
        result: T | None = None
        failure: BaseException | None = None
        try:
            result = self._work(self)
        except BaseException as error:  # noqa: BLE001 - whatever it is, a caller waits for it
            failure = as_ordinary(error)
        self._pause()
        self.finish()
        try:
            self.loop.call_soon_threadsafe(_settle, self.future, result, failure)
        except RuntimeError:  # the loop was closed meanwhile: no caller waits
            return

    def finish(self) -> bool:
        """Give back the job's memory; False where that was done before."""
        with self._lock:
            first, self._over = not self._over, True
            reserved, self._reserved = self._reserved, 0
        if reserved:
            self._memory.release(reserved)
        return first

    def _pause(self) -> None:
        with self._lock:
            if self._started is not None:
                self._spent += self._clock.now() - self._started
                self._started = None


class TimeoutPool:
    """Daemon threads that run jobs, each within a time limit.

    Args:
        threads: How many jobs run at once.
        max_seconds: Time limit of one job.
        memory: The memory the jobs share.
    """

    def __init__(self, threads: int, max_seconds: float, memory: ByteSemaphore) -> None:
        self._max_seconds = max_seconds
        self._memory = memory
        self._clock = Clock()
        self._ticking: asyncio.TimerHandle | None = None
        self._jobs: queue.SimpleQueue[PoolTask[Any] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._wanted = threads
        self._alive = 0
        self._abandoned: set[PoolTask[Any]] = set()
        self._closed = False
        for _ in range(threads):
            self._start_thread()

    async def run(self, work: Callable[[PoolTask[T]], T], name: str) -> T:
        """Run `work` in a thread.

        Args:
            work: Gets its `PoolTask`, to reserve memory through.
            name: The picture's name for messages.

        Raises:
            PictureTooSlowError: the work took longer than the limit.
            PictureError: so many earlier jobs hang that no thread is left.
            Exception: whatever `work` raises.
        """
        if self._ticking is None:
            self._tick()
        job = PoolTask(work, self._memory, self._clock)
        self._jobs.put(job)
        try:
            while not job.future.done():
                self._check_alive(name)
                left = self._max_seconds - job.seconds()
                if left <= 0:
                    self._abandon(job)
                    raise PictureTooSlowError(f"{name}: takes over {self._max_seconds:g} s")
                await asyncio.wait((job.future,), timeout=max(left, 0.01))
            return job.future.result()
        finally:
            job.finish()
            job.future.cancel()

    def close(self) -> None:
        """Let the threads end after their present job; does not wait for them."""
        if self._ticking is not None:
            self._ticking.cancel()
        with self._lock:
            self._closed = True
            for _ in range(self._alive):
                self._jobs.put(None)

    def _tick(self) -> None:
        self._clock.tick()
        self._ticking = asyncio.get_running_loop().call_later(Clock.TICK, self._tick)

    def _check_alive(self, name: str) -> None:
        with self._lock:
            hanging = self._alive == 0
        if hanging:
            raise PictureError(f"{name}: not read, {MAX_ABANDONED} pictures before it still hang")

    def _abandon(self, job: PoolTask[Any]) -> None:
        with self._lock:
            if not job.finish():
                return
            self._abandoned.add(job)
            self._alive -= 1
            replace = len(self._abandoned) <= MAX_ABANDONED and not self._closed
        if replace:
            self._start_thread()

    def _start_thread(self) -> None:
        with self._lock:
            self._alive += 1
        threading.Thread(target=self._work, name="dataflow-picture", daemon=True).start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
            if self._came_back(job):
                return
        with self._lock:
            self._alive -= 1

    def _came_back(self, job: PoolTask[Any]) -> bool:
        """Whether this thread was replaced while it did `job` and should end."""
        with self._lock:
            if job not in self._abandoned:
                return False
            self._abandoned.remove(job)
            if self._alive >= self._wanted or self._closed:
                return True
            self._alive += 1
            return False


def _settle(future: asyncio.Future[T], result: T | None, failure: BaseException | None) -> None:
    if future.done():
        return
    if failure is not None:
        future.set_exception(failure)
    else:
        future.set_result(result)  # type: ignore[arg-type]
