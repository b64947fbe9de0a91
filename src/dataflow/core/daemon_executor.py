"""An executor of one thread that works for as long as the interpreter does.

`concurrent.futures` refuses work once the main thread has ended, though threads that were started
before go on; a run in such a thread could not keep its answers any more.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

T = TypeVar("T")


class DaemonExecutor(Executor):
    """Does one call after another in a daemon thread.

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
