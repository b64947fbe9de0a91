"""The reporter of this process: main asks it at a stop whether anything is kept."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console

from dataflow.checks.dataset.report import QualityReport
from dataflow.display.terminal import ConsoleReporter

_REPORTERS: list[ConsoleReporter] = []


def reporter(
    console: Console,
    show_quality: Callable[[QualityReport], None] | None = None,
    *,
    is_quiet: bool = False,
) -> ConsoleReporter:
    """A reporter on `console`; see `ConsoleReporter`."""
    _REPORTERS.append(ConsoleReporter(console, show_quality, is_quiet=is_quiet))
    return _REPORTERS[-1]


def has_answers() -> bool:
    """Whether a run of this process has answers that are kept."""
    return any(known.has_answers for known in _REPORTERS)
