"""The screens of a run, for docs/screens.md: made by the code that draws them in a terminal."""

from __future__ import annotations

import io
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from rich.console import Console

from dataflow.app.reporter import RunReport
from dataflow.billing.price import Price, Rates
from dataflow.core.request import Usage
from dataflow.display.progress import ProgressLine
from dataflow.display.summary import show_summary
from dataflow.engine.reporting.failure_messages import FailureMessage
from dataflow.engine.reporting.progress import Progress, Summary

WIDTHS = (60, 80, 120)
"""Columns of a terminal."""

_NOW = 1000.0

_SAID = {
    "One of three endpoints dead": [
        "the endpoint http://10.0.0.7:8000/v1 does not answer, and rests: connection refused",
    ],
    "Ctrl-C": [
        "stopping; 64 requests in flight are finished first (Ctrl-C again: at once)",
        "what is answered so far is in photos.captions.jsonl: 41,314 captions, 58,649 open",
        "Stopped; every answer is kept. To resume, run the same command again.",
    ],
}
"""What is said above the line, or instead of it at the end."""


def sections() -> str:
    """Each situation with its line at each width, and the summary at the end."""
    parts = []
    for name, progress in _situations().items():
        lines = [f"### {name}", "", "```text", *_SAID.get(name, [])]
        lines += [f"{width:>4} │ {_line(progress, width)}" for width in WIDTHS]
        parts.append("\n".join([*lines, "```"]))
    parts.append("\n".join(["### Ctrl-C", "", "```text", *_SAID["Ctrl-C"], "```"]))
    parts.append(f"### Finished, with failures\n\n```text\n{_summary()}```")
    return "\n\n".join(parts)


def _line(progress: Progress, width: int) -> str:
    """The line of a run that went well until now."""
    line, now = ProgressLine(progress, lambda: _NOW), replace(progress)
    progress.paused = progress.limited = None
    progress.waits_until = 0.0
    line.text()
    progress.paused, progress.limited = now.paused, now.limited
    progress.waits_until = now.waits_until
    return line.text(width)


def _situations() -> dict[str, Progress]:
    return {
        "Running": _progress(),
        "Held by the server's rate limit": _progress(retried=212, refused=210, rate_limit=40.0),
        "The rate limit lets nothing through": _progress(
            retried=340, refused=340, in_flight=0,
            limited="HTTP 429: Rate limit reached for gpt-4o: 500 requests per day",
        ),
        "One of three endpoints dead": _progress(
            retried=16, captioned=30_000, endpoints=(2, 3)
        ),
        "The server is gone": _progress(
            in_flight=0, retried=8, paused="cannot connect to 10.0.0.7:8000: connection refused"
        ),
        "The server asks to wait": _progress(in_flight=0, retried=8, waits_until=_NOW + 95),
        "Resumed after Ctrl-C": _progress(reused=41_314, captioned=20_100, failed=0),
    }  # fmt: skip


def _progress(**more: object) -> Progress:
    values: dict[str, object] = {
        "phase": "captioning", "wanted": 100_000, "captioned": 41_250, "failed": 37,
        "asked_again": 402, "cost": Decimal("12.41"), "started": _NOW - 1250, "in_flight": 64,
        "usage": Usage(38_000_000, 2_900_000), "requests": 41_700,
    }  # fmt: skip
    return Progress(**{**values, **more})  # type: ignore[arg-type]


def _summary() -> str:
    console = Console(file=io.StringIO(), width=80)
    message = "a picture of 0 bytes"
    summary = Summary(
        rows=100_000, captioned=99_940, failed={"bad_picture": 41, "refused": 19},
        requests=101_204, asked_again=612, reused=61_200, seconds=1183.0,
        usage=Usage(38_000_000, 2_900_000), cost=Decimal("12.41"),
        failures=[
            FailureMessage("bad_picture", 41, message, 29, "replace or remove these pictures")
        ],
        output=Path("photos.captions.jsonl"), errors=Path("photos.captions.jsonl.errors.jsonl"),
    )  # fmt: skip
    price = Price(
        Rates(Decimal("0.15"), Decimal("0.15"), Decimal("0.60")), "--price-in, --price-out"
    )
    show_summary(RunReport(summary, price, "photos.captions.jsonl"), console)
    shown = console.file
    assert isinstance(shown, io.StringIO)  # noqa: S101 (for the type checker)
    return shown.getvalue()
