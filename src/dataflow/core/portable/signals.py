"""Signals by their names, where the system has them, and what stands for them on Windows."""

from __future__ import annotations

import _thread
import os
import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

ENDING: tuple[int, ...] = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # the last is Windows' Ctrl-Break
    if hasattr(signal, name)
)
"""The signals by which people and systems end a process."""

KILL: int = getattr(signal, "SIGKILL", 9)
"""The number of the signal that no process survives."""


def kill_group(process: int) -> None:
    """End a process and its group at once; on Windows the process alone.

    Raises:
        OSError: it has ended.
    """
    if hasattr(os, "killpg"):
        os.killpg(process, KILL)
    else:
        os.kill(process, signal.SIGTERM)  # Windows ends a process by any signal


def signal_main_thread(number: int) -> None:
    """Let the main thread hear a signal of this process, also where it waits for a lock."""
    main = threading.main_thread().ident
    if main is not None and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main, number)
    else:
        _thread.interrupt_main(signal.Signals(number))


def on_ending(loop: asyncio.AbstractEventLoop, act: Callable[[], object]) -> None:
    """Call `act` in `loop` where a person ends the process; in the main thread alone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, act)
        except NotImplementedError:  # noqa: PERF203 - Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(act))
