"""The signals that end a run: the first gently, the second at once, a third by itself."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING

from dataflow.core.portable.signals import ENDING, signal_main_thread

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

AGAIN_SECONDS = 0.01
"""After so long an interrupt is raised once more that Python ignored."""


def hear() -> list[int]:
    """Turn each signal that ends us into a KeyboardInterrupt; returns the list of those that came.

    One that is ignored already, as under nohup, stays ignored. Python ignores what is raised in a
    finalizer or a callback of the garbage collector: an interrupt that meets one is raised again.
    """
    came: list[int] = []
    heard = [number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN]
    is_again = False

    def interrupt(number: int, _frame: FrameType | None) -> None:
        nonlocal is_again
        if not is_again:
            came.append(number)
        is_again = False
        if len(came) > 1:  # a third one needs nothing of ours to work
            for other in heard:
                signal.signal(other, signal.SIG_DFL)
        raise KeyboardInterrupt

    def raise_again(ignored: UnraisableHookArgs) -> None:
        nonlocal is_again
        if ignored.exc_type is not KeyboardInterrupt or not came:
            former(ignored)
            return
        is_again = True
        later = threading.Timer(AGAIN_SECONDS, signal_main_thread, came[-1:])
        later.daemon = True
        later.start()

    for number in heard:
        signal.signal(number, interrupt)
    former, sys.unraisablehook = sys.unraisablehook, raise_again
    return came
