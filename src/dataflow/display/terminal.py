"""The reporter of a terminal, a notebook or a log: a live bar or plain lines, and a summary."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from dataflow.app.reporter import RunReport
from dataflow.checks.dataset.report import QualityReport
from dataflow.display.plain import say
from dataflow.display.progress import watching
from dataflow.display.report import show_report
from dataflow.display.summary import show_summary
from dataflow.engine.reporting.progress import Progress


class ConsoleReporter:
    """Shows a run on a rich console; see `dataflow.app.reporter.Reporter`.

    Args:
        console: Where it is shown.
        show_quality: What shows the report of a check; None for a page on the console.
        is_quiet: Whether only warnings and what `show_quality` shows are printed.

    Attributes:
        progress: Of the latest run, or None before one.
    """

    def __init__(
        self,
        console: Console,
        show_quality: Callable[[QualityReport], None] | None = None,
        *,
        is_quiet: bool = False,
    ) -> None:
        self.console = console
        self.progress: Progress | None = None
        self._show_quality = show_quality
        self._is_quiet = is_quiet

    @property
    def has_answers(self) -> bool:
        """Whether the latest run has anything that is kept when it stops."""
        found = self.progress
        return found is not None and bool(found.captioned or found.failed or found.reused)

    def say(self, text: str, *, is_warning: bool = False) -> None:
        """Print a sentence."""
        if is_warning or not self._is_quiet:
            say(self.console, text, "yellow" if is_warning else None)

    @property
    def confirm(self) -> Callable[[str], bool] | None:
        """Asks the person at the terminal; None where stdin or the console is none."""
        is_there = self.console.is_terminal and sys.stdin is not None and sys.stdin.isatty()
        return self._ask if is_there else None

    def _ask(self, question: str) -> bool:
        say(self.console, f"{question} [y/N]")
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def watch(self, progress: Progress) -> AbstractContextManager[object]:
        """Show a run: a live bar where a person watches, a line every 10 s elsewhere."""
        self.progress = progress
        if self._is_quiet:
            return contextlib.nullcontext()
        return watching(progress, self.console)

    @contextlib.contextmanager
    def count(self, what: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """Show a bar where a person watches."""
        columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
        is_off = self._is_quiet or not self.console.is_interactive
        with Bar(*columns, console=self.console, transient=True, disable=is_off) as bar:
            task = bar.add_task(what, total=total)
            yield lambda steps: bar.advance(task, steps)

    def finished(self, report: RunReport) -> None:
        """Print the summary of a run."""
        if not self._is_quiet:
            show_summary(report, self.console)

    def quality(self, report: QualityReport) -> None:
        """Print the report of a check."""
        if self._show_quality is not None:
            self._show_quality(report)
        elif not self._is_quiet:
            show_report(report, self.console)


def stderr_reporter(*, is_quiet: bool = False) -> ConsoleReporter:
    """The reporter of a script or a notebook.

    Args:
        is_quiet: Whether it shows warnings only.
    """
    return ConsoleReporter(Console(stderr=True), is_quiet=is_quiet)
