"""A plan is run, and reported while it runs and when it ends."""

from __future__ import annotations

from collections.abc import Callable

from dataflow.app.reporter import Reporter, RunReport
from dataflow.core.errors import LimitReachedError
from dataflow.core.protocols.dataset import CaptionedFolderReader
from dataflow.engine.plan import Plan
from dataflow.engine.reporting.progress import Summary
from dataflow.engine.runner import run


def run_plan(plan: Plan, reporter: Reporter, describe: Callable[[], str]) -> Summary:
    """Run `plan` and report it.

    Args:
        plan: The run. Its serving is closed at the end.
        reporter: Who shows it.
        describe: Says at the end where the captions are.

    Raises:
        StopRunError: The run stopped; what is done is kept.
    """
    try:
        with reporter.watch(plan.progress):
            summary = run(plan)
    except LimitReachedError:
        if plan.progress.at_limit is not None:
            _report(plan, plan.progress.at_limit, reporter, describe)
        raise
    finally:
        plan.serving.cleanup()
    _report(plan, summary, reporter, describe)
    return summary


def _report(plan: Plan, summary: Summary, reporter: Reporter, describe: Callable[[], str]) -> None:
    for note in plan.serving.notes:
        reporter.say(note, is_warning=True)
    reader = plan.reader
    left = reader.left if isinstance(reader, CaptionedFolderReader) else 0
    passed = dict(reader.skipped.passed_over)
    reporter.finished(RunReport(summary, plan.price, describe(), left, passed))
