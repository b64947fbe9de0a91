"""What the command line shows while it runs and when it ends."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from dataflow.billing.price import NoPrice, Price, dollars
from dataflow.core.request import Usage
from dataflow.engine.progress import Progress, Summary

LIVE_SECONDS = 0.25
"""Between two looks at the counters where a person watches."""

LINE_SECONDS = 10.0
"""Between two lines where stderr goes to a file."""


@contextlib.contextmanager
def showing(progress: Progress, console: Console) -> Iterator[None]:
    """Show `progress` on `console` while the block runs: a live bar, or plain lines."""
    over = threading.Event()
    show = _show_bar if console.is_terminal else _show_lines
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
        TaskProgressColumn(),
        TextColumn("{task.description}"),
    ]
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(progress.phase, total=None)
        while not over.wait(LIVE_SECONDS):
            here, total = progress.fetched or (done(progress), progress.wanted)
            bar.update(task, description=state_of(progress), total=total, completed=here)


def _show_lines(progress: Progress, console: Console, over: threading.Event) -> None:
    while not over.wait(LINE_SECONDS):
        console.print(state_of(progress), highlight=False, markup=False, soft_wrap=True)


def fetch_shown_in(progress: Progress) -> Callable[[str, int, int], None]:
    """What a model's download is told to, so that `progress` shows it as its phase."""

    def tell(name: str, here: int, size: int) -> None:
        progress.phase = f"fetching {name}, {here / 1e6:,.0f} of {size / 1e6:,.0f} MB"
        progress.fetched = (here, size)

    return tell


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


def duration(seconds: float) -> str:
    """Seconds as a person says them: ``"3 h 05 min"``, ``"2 min 10 s"``, ``"12 s"``."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole} s" if seconds >= 10 else f"{seconds:.1f} s"


def tokens(usage: Usage) -> str:
    """``"1,200 read (200 cached, 900 of pictures), 340 written (100 of thoughts)"``."""
    read = [(usage.cached_tokens, "cached"), (usage.picture_tokens, "of pictures")]
    written = [(usage.reasoning_tokens, "of thoughts")]
    return (
        f"{usage.prompt_tokens or 0:,} read{_parts(read)}, "
        f"{usage.completion_tokens or 0:,} written{_parts(written)}"
    )


def _parts(counts: Sequence[tuple[int | None, str]]) -> str:
    told = ", ".join(f"{count:,} {what}" for count, what in counts if count)
    return f" ({told})" if told else ""


def _cost(summary: Summary, price: Price | NoPrice) -> tuple[str, str]:
    """The line about money; about speed where no money is spent."""
    if isinstance(price, NoPrice):
        return "cost", f"not known: {price.reason}"
    if price.is_free:
        speed = (summary.usage.completion_tokens or 0) / max(summary.seconds, 0.001)
        return "speed", f"{speed:.0f} tokens/s"
    text = f"{dollars(summary.cost)} ({price.source})"
    if summary.uncounted:
        text += f", and {summary.uncounted:,} requests of which the server told no tokens"
    return "cost", text


def _asks(summary: Summary) -> str:
    """How often a caption was asked for, on the average."""
    asked = summary.captioned + sum(summary.flagged.values()) + sum(summary.failed.values())
    asked -= summary.reused
    if summary.dropped or asked <= 0:  # of dropped rows nobody knows how many captions they had
        return ""
    return f", {1 + summary.asked_again / asked:.2f} asks a caption"


def show_summary(
    summary: Summary,
    price: Price | NoPrice,
    console: Console,
    *,
    output: str | None = None,
    left: int = 0,
) -> None:
    """The run's outcome as a small table.

    Args:
        summary: The outcome.
        price: Of a token.
        console: Where it is shown.
        output: Where the captions are; None for the summary's own output.
        left: Pictures that had a caption and were left as they are.
    """
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("rows", f"{summary.rows:,}")
    wanted = summary.captioned + sum(summary.flagged.values()) + sum(summary.failed.values())
    several = f" of {wanted:,} captions" if wanted > summary.rows else ""
    table.add_row("captioned", f"{summary.captioned:,}{several}")
    for kind, rows in summary.flagged.items():
        table.add_row(f"flagged: {kind}", f"{rows:,}")
    for kind, rows in summary.failed.items():
        table.add_row(f"failed: {kind}", f"{rows:,}")
    if summary.dropped:
        table.add_row("dropped", f"{summary.dropped:,} rows, as a caption was turned down")
    if summary.skipped:
        table.add_row("left out: bad_line", f"{summary.skipped:,}")
    if left:
        table.add_row("left as they are", f"{left:,}")
    if summary.reused:
        table.add_row("not asked again", f"{summary.reused:,}")
    if summary.asked_again:
        table.add_row("asked again", f"{summary.asked_again:,}{_asks(summary)}")
    table.add_row("requests", f"{summary.requests:,}")
    table.add_row("time", duration(summary.seconds))
    table.add_row("tokens", tokens(summary.usage))
    if summary.requests:
        table.add_row(*_cost(summary, price))
    table.add_row("output", output or str(summary.output))
    if summary.errors is not None:
        table.add_row("errors", str(summary.errors))
    console.print(table, highlight=False, soft_wrap=True)
