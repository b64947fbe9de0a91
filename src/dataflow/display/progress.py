"""The progress of a run: a live bar in a terminal and a notebook, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, TextColumn
from rich.progress import Progress as Bar

from dataflow.billing.price import dollars
from dataflow.display.plain import say
from dataflow.display.units import duration
from dataflow.engine.reporting.progress import Progress

LIVE_SECONDS = 0.25
"""Between two looks at the counters where a person watches."""

LINE_SECONDS = 10.0
"""Between two lines where the output goes to a file."""

RECENT_SECONDS = 60.0
"""The time from which speed and time left are taken."""

WIDE = 100
"""Columns of a terminal from which there is space for a bar."""

BAR_WIDTH = 20
"""Columns of the bar."""

LEAST_WAIT = 25
"""Characters with which it is still understood when it is cut off."""

WAIT_RANK = 3
"""The rank of what the run waits for."""


@contextlib.contextmanager
def watching(progress: Progress, console: Console) -> Iterator[None]:
    """Show `progress` on `console` while the block runs: a live bar, or plain lines."""
    over = threading.Event()
    is_live = console.is_terminal or console.is_jupyter
    show = _show_bar if is_live else _show_lines
    thread = threading.Thread(target=show, args=(progress, console, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=2)


def _show_bar(progress: Progress, console: Console, over: threading.Event) -> None:
    line = ProgressLine(progress)
    columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False)]
    if console.width >= WIDE:
        columns.insert(0, BarColumn(bar_width=BAR_WIDTH))
    room = console.width - (BAR_WIDTH + 2 if console.width >= WIDE else 0) - 1
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(progress.phase, total=None)
        while not over.wait(LIVE_SECONDS):
            text = line.text(room)
            here, total = progress.fetched or (line.done, progress.wanted)
            bar.update(task, description=text, total=total, completed=here)


def _show_lines(progress: Progress, console: Console, over: threading.Event) -> None:
    line = ProgressLine(progress)
    while not over.wait(LINE_SECONDS):
        say(console, line.text())


class ProgressLine:
    """One line about a run, with its most needed parts first where there is little room.

    The count never runs backwards. Speed and time left come from the last minute, and stand still
    while the run waits.

    Args:
        progress: The run's counters.
        clock: Seconds, as of `time.monotonic`.
    """

    def __init__(self, progress: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = progress
        self._clock = clock
        self._seen: deque[tuple[float, int, int]] = deque()
        self._speed: tuple[float, float] | None = None  # captions and tokens a second
        self.done = 0

    def text(self, width: int | None = None) -> str:
        """The line as it is now, of at most `width` characters; None for all parts."""
        progress = self._progress
        if progress.phase != "captioning":
            text = progress.engine or progress.phase
            return text if width is None else text[:width]
        asked = progress.captioned + progress.failed
        self.done = max(self.done, asked + progress.reused)
        waits = self._waits_for()
        if not waits:
            self._measure(asked)
        return _fitted(self._parts(waits), width, self._short_wait())

    def _parts(self, waits: str) -> list[tuple[int, str]]:
        """Each part with its rank: what is needed most has the lowest."""
        progress, wanted = self._progress, self._progress.wanted or 0
        share = f" ({100 * self.done // wanted} %)" if wanted else ""
        parts = [(0, f"{self.done:,} of {wanted:,}{share}")]
        if progress.failed:
            parts.append((2, f"{progress.failed:,} failed"))
        if self._speed is not None and self._speed[0] > 0:
            left = max(0, wanted - self.done) / self._speed[0]
            parts.append((1, f"{_about(left)} left"))
            parts.append((5, f"{self._speed[0]:.1f} captions/s"))
            parts.append((8, f"{self._speed[1]:.0f} tokens/s"))
        if progress.cost:
            parts.append((4, dollars(progress.cost)))
        if progress.retried:
            over = f" ({progress.refused:,} × 429)" if progress.refused else ""
            parts.append((5, f"{progress.retried:,} retried{over}"))
        if progress.asked_again:
            parts.append((6, f"{progress.asked_again:,} asked again"))
        if progress.reused:
            parts.append((7, f"{progress.reused:,} answered before"))
        if held := waits or self._held_by():
            parts.append((WAIT_RANK, held))
        if progress.hedged:
            parts.append((9, f"{progress.hedged:,} sent twice"))
        return parts

    def _held_by(self) -> str:
        """What makes the run slower than it could be; empty for nothing."""
        progress, (up, known) = self._progress, self._progress.endpoints
        if up < known:
            return f"{up:,} of {known:,} endpoints answer"
        rate = progress.rate_limit
        return "" if rate is None else f"held to {rate:.3g}/s by the server"

    def _short_wait(self) -> str:
        """What holds the run back, in a few characters."""
        progress = self._progress
        if progress.paused:
            return "no server"
        if progress.limited:
            return "HTTP 429"
        wait = progress.waits_until - self._clock()
        if progress.in_flight == 0 and wait > 0:
            return f"+{duration(wait)}"
        up, known = progress.endpoints
        if up < known:
            return f"{up:,} of {known:,} up"
        return "" if progress.rate_limit is None else f"{progress.rate_limit:.3g}/s max"

    def _waits_for(self) -> str:
        """What the run waits for; empty where it does not."""
        progress = self._progress
        if progress.engine:
            return progress.engine
        if progress.paused:
            return f"waiting for the engine ({progress.paused})"
        if progress.limited:
            return f"the rate limit lets nothing through ({progress.limited})"
        wait = progress.waits_until - self._clock()
        if progress.in_flight == 0 and wait > 0:
            return f"waiting {duration(wait)}, as the server asks"
        return ""

    def _measure(self, asked: int) -> None:
        now, tokens = self._clock(), self._progress.usage.completion_tokens or 0
        started = self._progress.started
        if not self._seen and started is not None:
            self._seen.append((started, 0, 0))
        self._seen.append((now, asked, tokens))
        while len(self._seen) > 2 and self._seen[1][0] <= now - RECENT_SECONDS:
            self._seen.popleft()
        since, asked_then, tokens_then = self._seen[0]
        seconds = now - since
        if seconds > 0 and asked > asked_then:
            self._speed = (asked - asked_then) / seconds, (tokens - tokens_then) / seconds


def _about(seconds: float) -> str:
    """A time left, which is no more exact than its minutes where it is long."""
    return f"{round(seconds / 60)} min" if 600 <= seconds < 3570 else duration(seconds)


def _fitted(parts: list[tuple[int, str]], width: int | None, short_wait: str) -> str:
    """The parts in their order, without those of the highest ranks where they do not fit."""
    kept = list(parts)
    while width is not None and len(kept) > 1 and len(", ".join(text for _, text in kept)) > width:
        longest = max(kept)
        if longest[0] == WAIT_RANK:  # shortened before anything more needed goes
            break
        kept.remove(longest)
    line = ", ".join(text for _, text in kept)
    if width is None or len(line) <= width:
        return line
    before = ", ".join(text for rank, text in kept if rank != WAIT_RANK)
    if short_wait and width - len(before) < LEAST_WAIT:
        line = f"{before}, {short_wait}"
    return line if len(line) <= width else line[: max(1, width - 1)] + "…"
