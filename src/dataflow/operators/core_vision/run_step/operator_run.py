"""An operator's run under way: stopped, awaited and watched from outside."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import Callable, Generator
from typing import Any, Generic, Protocol, TypeVar

from dataflow.core.errors import RunStoppedError
from dataflow.core.errors.tracebacks import shortened
from dataflow.engine.reporting.progress import Progress
from dataflow.engine.run import Run, RunInterruptedError

T = TypeVar("T")

_SLICE = 0.2
"""Seconds between two looks for Ctrl-C."""

_this_thread = threading.local()


class Stoppable(Protocol):
    """What can be stopped."""

    def stop(self, *, at_once: bool = False) -> None:
        """End it."""
        ...


class RunHandle:
    """The engine's run of one call of an operator, which may not have begun yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run: Run[Any] | None = None
        self._stops: list[bool] = []

    @property
    def run(self) -> Run[Any] | None:
        """The engine's run; None before it has begun."""
        return self._run

    @property
    def progress(self) -> Progress | None:
        """How far the run is; None before it has begun."""
        return None if self._run is None else self._run.progress

    def attach(self, run: Run[Any]) -> None:
        """Take `run` for the one that is stopped, at once where that was asked for already."""
        with self._lock:
            self._run, stops = run, list(self._stops)
        for at_once in stops:
            run.stop(at_once=at_once)

    def stop(self, *, at_once: bool = False) -> None:
        """Ask nothing more; what is in flight is finished and kept. From any thread."""
        with self._lock:
            self._stops.append(at_once)
            run = self._run
        if run is not None:
            run.stop(at_once=at_once)

    def check(self) -> None:
        """Refuse to begin where a stop was asked for already.

        Raises:
            RunStoppedError: so it is.
        """
        if self._stops:
            raise RunStoppedError("the run was stopped before it began; nothing was asked")


_active: weakref.WeakKeyDictionary[Any, weakref.WeakSet[RunHandle]] = weakref.WeakKeyDictionary()
_active_lock = threading.Lock()


@contextlib.contextmanager
def handle_of(operator: object) -> Generator[RunHandle, None, None]:
    """The handle of the call of `operator` in this thread, by which `stop_all` reaches it."""
    handle: RunHandle = getattr(_this_thread, "handle", None) or RunHandle()
    with _active_lock:
        _active.setdefault(operator, weakref.WeakSet()).add(handle)
    try:
        handle.check()
        yield handle
    finally:
        with _active_lock:
            _active[operator].discard(handle)


def stop_all(operator: object, *, at_once: bool = False) -> None:
    """Stop every run of `operator`."""
    with _active_lock:
        handles = list(_active.get(operator, ()))
    for handle in handles:
        handle.stop(at_once=at_once)


class OperatorRun(Generic[T]):
    """A call of an operator in a thread of its own, from the moment this is made.

    ``result()`` waits for it, ``await`` does so without holding the event loop, and a cancelled
    ``await`` stops it. Leaving its ``with`` or ``async with`` block early stops it too.

    Args:
        call: The call.
    """

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._handle = RunHandle()
        self._value: list[T] = []
        self._error: BaseException | None = None
        self._over = threading.Event()
        self._when_over: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._work, name="dataflow-operator", daemon=True).start()

    def __repr__(self) -> str:
        run = self._handle.run
        if run is not None:
            return repr(run).replace("<Run", "<OperatorRun", 1)
        return f"<OperatorRun: {'ended' if self.is_over else 'not begun'}>"

    @property
    def progress(self) -> Progress | None:
        """The counters of the run; None before it has begun."""
        return self._handle.progress

    @property
    def is_over(self) -> bool:
        """Whether it has ended, however it did."""
        return self._over.is_set()

    def stop(self, *, at_once: bool = False) -> None:
        """Ask nothing more; what is in flight is finished and kept. From any thread.

        Args:
            at_once: Whether what is in flight is given up too.
        """
        self._handle.stop(at_once=at_once)

    def result(self) -> T:
        """Wait for the end; returns or raises what the operator's `run` does.

        Raises:
            RunInterruptedError: Ctrl-C; the same call continues where it stopped.
        """
        interrupts = 0
        while not self._over.is_set():
            interrupts += self._is_interrupted(interrupts)
        if interrupts and isinstance(self._error, RunStoppedError):
            raise RunInterruptedError(str(self._error)) from None
        return self._outcome()

    def _is_interrupted(self, before: int) -> bool:
        """Wait a moment; Ctrl-C stops the run, and at once where it came before."""
        try:
            self._over.wait(_SLICE)
        except KeyboardInterrupt:
            self.stop(at_once=before > 0)
            return True
        return False

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the end; cancellation stops the run."""
        return self._awaited().__await__()

    def __enter__(self) -> OperatorRun[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.stop()
        with contextlib.suppress(*([] if kind is None else [Exception])):
            self.result()

    async def __aenter__(self) -> OperatorRun[T]:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.stop()
            await self._ended()
        else:
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
        return self._outcome()

    async def _ended(self) -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop may be closed: no caller waits
                loop.call_soon_threadsafe(over.set)

        with self._lock:
            if self._over.is_set():
                return
            self._when_over.append(wake)
        await over.wait()

    def _outcome(self) -> T:
        if self._error is not None:
            raise self._error
        return self._value[0]

    def _work(self) -> None:
        _this_thread.handle = self._handle
        try:
            self._value.append(self._call())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._error = shortened(error)
        with self._lock:
            self._over.set()
            when_over, self._when_over = self._when_over, []
        for wake in when_over:
            wake()
