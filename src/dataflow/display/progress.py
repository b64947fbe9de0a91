"""The progress of a run: a live bar in a terminal and a notebook, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar

from dataflow.billing.price import dollars
from dataflow.display.plain import say
from dataflow.display.units import duration
from dataflow.engine.progress import Progress

LIVE_SECONDS = 0.25
"""Between two looks at the counters where a person watches."""

LINE_SECONDS = 10.0
"""Between two lines where the output goes to a file."""


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
    columns: list[ProgressColumn] = [
        BarColumn(bar_width=30),
        TaskProgressColumn(markup=False),
        TextColumn("{task.description}", markup=False),
    ]
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(progress.phase, total=None)
        while not over.wait(LIVE_SECONDS):
            here, total = progress.fetched or (done(progress), progress.wanted)
            bar.update(task, description=state_of(progress), total=total, completed=here)


def _show_lines(progress: Progress, console: Console, over: threading.Event) -> None:
    while not over.wait(LINE_SECONDS):
        say(console, state_of(progress))


def done(progress: Progress) -> int:
    """Captions that have their outcome."""
    return progress.captioned + progress.failed + progress.reused


def state_of(progress: Progress) -> str:
    """One line: done, failed, captions/s, tokens/s, time left."""
    if progress.phase != "captioning":
        return progress.phase
    parts = [f"{done(progress):,} of {progress.wanted or 0:,} done", f"{progress.failed:,} failed"]
    if progress.asked_again:
        parts.append(f"{progress.asked_again:,} asked again")
    seconds = progress.seconds
    if seconds > 0 and progress.captioned:
        speed = (progress.captioned + progress.failed) / seconds
        left = max(0, (progress.wanted or 0) - done(progress)) / speed
        parts += [
            f"{progress.captioned / seconds:.1f} captions/s",
            f"{(progress.usage.completion_tokens or 0) / seconds:.0f} tokens/s",
            f"{duration(left)} left",
        ]
    if progress.cost:
        parts.append(dollars(progress.cost))
    if progress.paused:
        parts.append(f"waiting for the engine ({progress.paused})")
    elif progress.limited:
        parts.append(f"the rate limit lets nothing through ({progress.limited})")
    elif progress.in_flight == 0 and (wait := progress.waits_until - time.monotonic()) > 0:
        parts.append(f"waiting {duration(wait)}, as the server asks")
    return ", ".join(parts)
