"""What asyncio lacks: daemon worker threads, and a queue of waiters that loses no grant."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from dataflow.core.text import error_text

T = TypeVar("T")
K = TypeVar("K")


def now() -> float:
    """Seconds of the running event loop's clock, which a test may replace by one of its own."""
    return asyncio.get_running_loop().time()


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` in an event loop of its own; where one runs already, as in a notebook, beside it.

    Returns:
        What `work` returns; what it raises is raised here.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1, "dataflow-aside") as pool:
        return pool.submit(asyncio.run, work).result()


async def in_thread(work: Callable[[], T]) -> T:
    """Do `work` in a thread of its own; unlike `asyncio.to_thread` also when the main one ended."""
    worker = Worker("dataflow-work")
    try:
        return await worker.do(work)
    finally:
        worker.close(wait=False)


async def import_in_thread(*modules: str) -> None:
    """Import what is heavy in a thread, so that the event loop is not held meanwhile."""
    await in_thread(lambda: [importlib.import_module(name) for name in modules])


class FifoWaiters(Generic[K, T]):
    """Coroutines of one event loop that wait for a grant, first come first served.

    A waiter that is cancelled after it was granted something hands the grant back, so that it
    reaches the next waiter; without that care one cancelled task loses a permit for ever.

    Type parameters: `K`, what a waiter asks for; `T`, what it is granted.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[K, asyncio.Future[T]]] = deque()

    def __len__(self) -> int:
        """How many wait."""
        self._drop_cancelled()
        return len(self._waiting)

    @property
    def first(self) -> K | None:
        """What the one that has waited longest asks for; None where nobody waits."""
        self._drop_cancelled()
        return self._waiting[0][0] if self._waiting else None

    async def wait(self, wanted: K, *, hand_back: Callable[[T], None]) -> T:
        """Wait for a grant.

        Args:
            wanted: What is asked for; `first` shows it.
            hand_back: Called with the grant where the waiting is cancelled after it was given.
        """
        turn: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, turn))
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                hand_back(turn.result())
            raise

    def grant(self, value: T) -> bool:
        """Grant `value` to the one that has waited longest; returns whether anybody waited."""
        self._drop_cancelled()
        if not self._waiting:
            return False
        self._waiting.popleft()[1].set_result(value)
        return True

    def _drop_cancelled(self) -> None:
        while self._waiting and self._waiting[0][1].done():
            self._waiting.popleft()


class Worker:
    """A daemon thread that does one piece of blocking work after another.

    `concurrent.futures` cannot do this: the interpreter waits for its threads when it ends, so that
    one that is stuck in a dead network disk or in other people's code would keep the process.

    Args:
        name: The thread's.
    """

    def __init__(self, name: str) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def do(self, work: Callable[[], T]) -> T:
        """Do `work` in the thread, after what was asked before; returns or raises what it does.

        Where the waiting is cancelled, work that has begun continues. An exception that the event
        loop cannot carry comes as `as_ordinary` makes it.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def settled() -> None:
            if done.cancelled():
                return
            result, error = _outcome(work)
            with contextlib.suppress(RuntimeError):  # the loop may be closed: no caller waits
                loop.call_soon_threadsafe(_settle, done, result, error)

        self._work.put(settled)
        return await done

    def close(self, *, wait: bool) -> None:
        """Let the thread end after its present work; `wait` until it has."""
        self._work.put(None)
        if wait:
            self._thread.join()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()


def _outcome(work: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return work(), None
    except BaseException as error:  # noqa: BLE001 - whatever it is, somebody waits for it
        return None, as_ordinary(error)


class ControlFlowError(RuntimeError):
    """Stands for an exception that means something to the interpreter or the event loop."""


def as_ordinary(error: BaseException) -> BaseException:
    """`error`, or a `ControlFlowError` with it as cause where an event loop cannot carry it.

    StopIteration, CancelledError, GeneratorExit, SystemExit and other classes that are no
    `Exception` would end a task unseen when other people's code raises them, or cannot be set on a
    future (https://docs.python.org/3/library/asyncio-future.html). KeyboardInterrupt stays: it ends
    the run, as the person wants.
    """
    is_plain = isinstance(error, (Exception, KeyboardInterrupt))
    if is_plain and not isinstance(error, (StopIteration, StopAsyncIteration)):
        return error
    ordinary = ControlFlowError(error_text(error))
    ordinary.__cause__ = error
    return ordinary


def _settle(done: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)


class DaemonExecutor(Executor):
    """Does one call after another in a daemon thread, for as long as the interpreter works.

    `concurrent.futures` refuses work once the main thread has ended, though threads that were
    started before go on; a run in such a thread could not keep its answers any more.

    Args:
        name: The thread's.
    """

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_shut = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Do `fn(*args, **kwargs)` after what was submitted before.

        Raises:
            RuntimeError: it is shut down.
        """
        future: Future[T] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
                future.set_exception(error)

        with self._lock:
            if self._is_shut:
                raise RuntimeError("nothing can be submitted after shutdown")
            self._calls.put(call)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; those submitted are still made.

        Args:
            wait: Whether to wait for them.
            cancel_futures: Without effect: none is ever dropped.
        """
        with self._lock:
            if not self._is_shut:
                self._is_shut = True
                self._calls.put(None)
        if wait:
            self._thread.join()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
