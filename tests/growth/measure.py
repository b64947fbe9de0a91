"""How much processor time and memory a member takes; the table of all of them.

``python -m tests.growth.measure`` prints it.
"""

from __future__ import annotations

import gc
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.formats.test_growth import HOSTILE, cost
from tests.growth.members import MEMBERS

MOST_GROWTH = 3.0
"""For twice the size; what is quadratic grows by 4."""

SLACK_SECONDS = 0.03
"""By which a measurement of processor time may be wrong on a busy machine."""

SLACK_BYTES = 1 << 20


class Growth(NamedTuple):
    """What a member takes at its size and at twice its size.

    Attributes:
        seconds: Of processor time, at the one and at the other.
        memory: The peak in bytes, likewise.
    """

    seconds: tuple[float, float]
    memory: tuple[int, int]

    @property
    def is_bounded(self) -> bool:
        """Whether neither grows faster than the input."""
        return (
            self.seconds[1] <= MOST_GROWTH * self.seconds[0] + SLACK_SECONDS
            and self.memory[1] <= MOST_GROWTH * self.memory[0] + SLACK_BYTES
        )


def growth_of(name: str, folder: Path) -> Growth:
    """Measure one member; the fastest of several runs counts."""
    member = MEMBERS[name]
    reads = []
    for size in (member.size, 2 * member.size):
        (folder / str(size)).mkdir()
        reads.append(member.make(folder / str(size), size))
    reads[0]()  # imports are paid for
    seconds = (_seconds(reads[0]), _seconds(reads[1]))
    return Growth(seconds, (_peak(reads[0]), _peak(reads[1])))


def _seconds(read: Callable[[], object]) -> float:
    best = float("inf")
    gc.disable()
    try:
        for _ in range(2):
            began = time.process_time()
            read()
            best = min(best, time.process_time() - began)
    finally:
        gc.enable()
    return best


def _peak(read: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def main() -> None:
    """Print how many members there are, and those that grow most."""
    found = {}
    for name in MEMBERS:
        with tempfile.TemporaryDirectory() as folder:
            found[name] = growth_of(name, Path(folder))
    calls = {}
    for name, (size, make) in HOSTILE.items():
        with tempfile.TemporaryDirectory() as folder:
            one, two = Path(folder, "1"), Path(folder, "2")
            one.mkdir(), two.mkdir()
            calls[name] = (cost(make(one, size)), cost(make(two, 2 * size)))
    print(f"{len(found)} members, and {len(calls)} hostile files of datasets")
    by_time = sorted(found.items(), key=lambda one: -_ratio(*one[1].seconds, 0.005))
    by_memory = sorted(found.items(), key=lambda one: -_ratio(*one[1].memory, 200_000))
    for name, one in by_time[:3]:
        print(f"time   ×{_ratio(*one.seconds, 0.005):.2f}  {one.seconds[1] * 1e3:6.0f} ms  {name}")
    for name, one in by_memory[:3]:
        print(f"memory ×{_ratio(*one.memory, 200_000):.2f}  {one.memory[1] >> 10:6} KiB {name}")
    most = max(calls, key=lambda name: calls[name][1][0] / max(1, calls[name][0][0]))
    print(f"calls  ×{calls[most][1][0] / calls[most][0][0]:.2f}  {most} (hostile file)")
    unbounded = [name for name, one in found.items() if not one.is_bounded]
    print(f"that grow faster than twice: {unbounded or 'none'}")


def _ratio(one: float, two: float, floor: float) -> float:
    """How often the second holds the first; what is too small to measure counts as 1."""
    return two / one if two > floor and one > 0 else 1.0


if __name__ == "__main__":
    main()
