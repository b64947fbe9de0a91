"""The signals that end a run: the first gently, the second at once, a third by itself."""

from __future__ import annotations

import signal
from types import FrameType

from dataflow.core.portable.signals import ENDING


def hear() -> list[int]:
    """Turn each signal that ends us into a KeyboardInterrupt; returns the list of those that came.

    One that is ignored already, as under nohup, stays ignored.
    """
    came: list[int] = []
    heard = [number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN]

    def interrupt(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:  # a third one needs nothing of ours to work
            for other in heard:
                signal.signal(other, signal.SIG_DFL)
        raise KeyboardInterrupt

    for number in heard:
        signal.signal(number, interrupt)
    return came
