"""What an application function reports while it works, and to whom: the seam to every display."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from dataflow.billing.price import NoPrice, Price
from dataflow.checks.dataset.report import QualityReport
from dataflow.engine.reporting.progress import Progress, Summary

_log = logging.getLogger("dataflow")


@dataclass(frozen=True, slots=True)
class RunReport:
    """How a run ended, for people.

    Attributes:
        summary: The outcome.
        price: The price of a token.
        output: Where the captions are, in words.
        skipped_pictures: Pictures that had a caption and were left as they are.
        passed_over: Files, folders and members of the input that were no rows, by the reason.
    """

    summary: Summary
    price: Price | NoPrice
    output: str
    skipped_pictures: int = 0
    passed_over: Mapping[str, int] = field(default_factory=dict)


class Reporter(Protocol):
    """Whoever shows a run: a terminal, a notebook, a log, or nobody."""

    def say(self, text: str, *, is_warning: bool = False) -> None:
        """One plain sentence for the user; `text` is never markup."""

    @property
    def confirm(self) -> Callable[[str], bool] | None:
        """Asks a person a question that yes or no answers; None where nobody is there."""
        ...

    def watch(self, progress: Progress) -> AbstractContextManager[object]:
        """Show `progress` while the block runs."""
        ...

    def count(self, what: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
        """Show a bar named `what` while the block runs; the callable advances it."""
        ...

    def finished(self, report: RunReport) -> None:
        """Show how a run ended."""

    def quality(self, report: QualityReport) -> None:
        """Show what a check found."""


class SilentReporter:
    """Shows nothing; warnings go to the log ``dataflow``."""

    confirm: Callable[[str], bool] | None = None

    def say(self, text: str, *, is_warning: bool = False) -> None:
        """Log a warning; drop anything else."""
        if is_warning:
            _log.warning("%s", text)

    def watch(self, progress: Progress) -> AbstractContextManager[object]:
        """Nothing."""
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def count(self, what: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """Nothing."""
        yield lambda _: None

    def finished(self, report: RunReport) -> None:
        """Nothing."""

    def quality(self, report: QualityReport) -> None:
        """Nothing."""


SILENT = SilentReporter()
"""For callers that show nothing."""
