"""A run that can be stopped, awaited and watched: work in a thread with an event loop of its own.

So it works under a notebook's running loop, and the caller's thread stays free to hear Ctrl-C. The
first stop is gentle: nothing more is asked, what is in flight is finished and kept. The second one
ends the run at once; what was answered is still kept, also where a thread of the run is stuck.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Generator
from typing import Any, Generic, Protocol, TypeVar

from dataflow.core.errors import RunStoppedError
from dataflow.engine.pipeline.stages import RowOutcome
from dataflow.engine.plan import Plan
from dataflow.engine.reporting.progress import Progress

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds after the second stop until a run that is stuck is left behind, in its thread."""

_SLICE = 0.2
"""Seconds between two looks at signals and at the interpreter's end."""

_log = logging.getLogger("dataflow")


RunInterruptedError = KeyboardInterrupt
"""Ctrl-C ended the run; everything answered is in the journal.

It is the built-in exception itself: only for that one does Python end a script by the signal, which
a shell sees as exit status 130. Of lists, the instance has `answers`, as those of `StopRunError`.
"""


class Pipeline(Protocol):
    """What takes the rows of a run to their outcomes."""

    async def drive(self) -> None:
        """Take every row to its outcome."""
        ...

    def drain(self) -> None:
        """Ask nothing more; finish what is in flight."""
        ...


class Run(Generic[T]):
    """A run in a thread of its own, from the moment it is made.

    It is a context manager, synchronous and asynchronous (leaving the block early stops the run),
    and it can be awaited: ``summary = await run``. Where the waiting task is cancelled, the run is
    stopped.

    Args:
        plan: What is run.
        body: The work, called in the run's thread with the run itself.
        on_outcome: Called in the run's thread with each outcome, once it is committed; it must be
            quick, and what it raises ends the run.

    Attributes:
        plan: What is run.
    """

    def __init__(
        self,
        plan: Plan,
        body: Callable[[Run[T]], T | None],
        *,
        on_outcome: Callable[[RowOutcome], None] | None = None,
    ) -> None:
        self.plan = plan
        self.on_outcome = on_outcome
        self._body = body
        self._result: T | None = None
        self._error: BaseException | None = None
        self._stops = 0
        self._stopped_at = 0.0
        self._is_interrupted = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._pipeline: Pipeline | None = None
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._when_over: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._work, name="dataflow-run", daemon=True)
        try:
            self._thread.start()
        except KeyboardInterrupt:  # it is on its way all the same
            self._interrupt()

    def __repr__(self) -> str:
        """Model and progress."""
        progress = self.plan.progress
        state = "ended" if self.is_over else progress.phase
        done = progress.captioned + progress.failed + progress.reused
        return f"<Run of {self.plan.serving.model}: {state}, {done} of {progress.wanted} captions>"

    # --- for the caller ------------------------------------------------------------------------

    @property
    def progress(self) -> Progress:
        """How far it is; read it as often as you like."""
        return self.plan.progress

    @property
    def is_over(self) -> bool:
        """Whether it has ended, however it did."""
        return self._over.is_set()

    def result(self) -> T:
        """Wait for the end and return what came of it.

        In the main thread Ctrl-C stops the run; in another one the interpreter's end does.

        Raises:
            StopRunError: the run could not continue; what is done is kept.
            RunStoppedError: `stop` was called; likewise.
            RunInterruptedError: Ctrl-C; likewise.
        """
        while not self._over.is_set():
            self._wait()
            if self._is_stuck():
                raise self._stop_error()
        self._thread.join()
        return self._outcome()

    def stop(self, *, at_once: bool = False) -> None:
        """End the run: what is in flight is finished and kept; a second call ends it at once.

        From any thread; it does not wait.

        Args:
            at_once: Whether what is in flight is given up too.
        """
        if not self._over.is_set():
            self._stops = max(self._stops + 1, 2 if at_once else 1)
            self._stopped_at = time.monotonic()
            self._pass_on_stop()

    def __enter__(self) -> Run[T]:
        """The run, under way."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for the end; stop the run first where the block ended with an exception."""
        if kind is not None:
            self.stop()
            with contextlib.suppress(Exception, RunInterruptedError):
                self.result()
        elif not self.is_over:
            self.result()

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the end without holding the event loop; cancellation stops the run."""
        return self._awaited().__await__()

    async def __aenter__(self) -> Run[T]:
        """The run, under way."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """As `__exit__`, without holding the event loop."""
        if kind is not None:
            self.stop()
            with contextlib.suppress(Exception):
                await self._ended()
        elif not self.is_over:
            await self

    async def _awaited(self) -> T:
        try:
            await self._ended()
        except asyncio.CancelledError:
            self.stop()
            try:
                await self._ended()
            except asyncio.CancelledError:
                self.stop(at_once=True)
                raise
            raise
        return self._outcome()

    async def _ended(self) -> None:
        loop = asyncio.get_running_loop()
        over = asyncio.Event()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop may be closed: no caller waits
                loop.call_soon_threadsafe(over.set)

        with self._lock:
            if self._over.is_set():
                return
            self._when_over.append(tell)
        await over.wait()

    def _outcome(self) -> T:
        if self._result is not None:
            return self._result  # also where a stop came when all was done
        if isinstance(self._error, KeyboardInterrupt) and not self._stops:
            self._is_interrupted = True  # other people's code was interrupted, in a thread of ours
            raise self._stop_error() from self._error
        if self._stops:
            raise self._stop_error() from self._error
        raise self._error or AssertionError("a run without an outcome")

    def _stop_error(self) -> BaseException:
        progress = self.plan.progress
        done = progress.captioned + progress.reused
        text = (
            f"the run was stopped: {done:,} captions are answered and kept; the same command or "
            "call continues where it stopped"
        )
        return RunInterruptedError(text) if self._is_interrupted else RunStoppedError(text)

    def _wait(self) -> None:
        try:
            # an event, not join(): a join that Ctrl-C breaks off takes the thread for ended
            # (https://github.com/python/cpython/issues/89437); in slices, so that signals wake it
            self._over.wait(_SLICE)
        except KeyboardInterrupt:
            self._interrupt()
        if not self._stops and _was_main_interrupted():
            self._interrupt()

    def _interrupt(self) -> None:
        self._is_interrupted = True
        self.stop()

    def _is_stuck(self) -> bool:
        """Whether it does not end though it should at once: a disk or another's code hangs."""
        waited = time.monotonic() - self._stopped_at
        return self._stops > 2 or (self._stops == 2 and waited > PATIENCE)

    def _pass_on_stop(self) -> None:
        loop, pipeline, task = self._loop, self._pipeline, self._task
        if loop is None or pipeline is None or task is None:
            _log.warning("stopping (Ctrl-C again: at once)")
            return
        if self._stops == 1:
            _log.warning("stopping; %s", self._what_first())
        at_once = self._stops > 1 or self.plan.progress.phase != "captioning"
        with contextlib.suppress(RuntimeError):  # the loop may just have ended by itself
            loop.call_soon_threadsafe(task.cancel if at_once else pipeline.drain)

    def _what_first(self) -> str:
        """What is done before the run ends, for the person who stopped it."""
        progress = self.plan.progress
        if progress.phase == "writing":
            return "the output is written first (Ctrl-C again: at once)"
        if progress.phase != "captioning" and hasattr(self.plan.serving, "connect_batches"):
            return "batches that are under way continue at the server"
        return f"{progress.in_flight} requests in flight are finished first (Ctrl-C again: at once)"

    # --- in the run's thread -------------------------------------------------------------------

    def is_stopping(self) -> bool:
        """Whether a stop was asked for."""
        return self._stops > 0

    def must_end_at_once(self) -> bool:
        """Whether it was asked for twice."""
        return self._stops > 1

    def drive(self, make_pipeline: Callable[[], Pipeline]) -> None:
        """Take every row to its outcome, in an event loop of this thread."""
        if not self._stops:
            asyncio.run(self._drive(make_pipeline))

    async def _drive(self, make_pipeline: Callable[[], Pipeline]) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(_without_interrupts)
        self._task = asyncio.current_task()
        self._pipeline = make_pipeline()
        if not self._stops:
            await self._pipeline.drive()

    def _work(self) -> None:
        try:
            self._result = self._body(self)
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            self._error = error
        finally:
            with self._lock:
                self._over.set()
                when_over, self._when_over = self._when_over, []
            for tell in when_over:
                tell()


def _without_interrupts(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what tasks raised and nobody took; an interrupt is raised in the caller's thread."""
    if not isinstance(context.get("exception"), KeyboardInterrupt):
        loop.default_exception_handler(context)


def _was_main_interrupted() -> bool:
    """Whether Ctrl-C came to the main thread, which now waits for this one.

    It waits with the exception in hand: at the end of a ``with`` block of a pool, in `asyncio.run`,
    which waits for its threads, or when the interpreter ends, which has kept it.
    """
    main = threading.main_thread()
    if main.is_alive():
        active = sys._current_exceptions().get(main.ident or 0)
    else:
        active = getattr(sys, "last_value", None)
    found = active[1] if isinstance(active, tuple) else active  # a tuple until Python 3.12
    return isinstance(found, KeyboardInterrupt)
