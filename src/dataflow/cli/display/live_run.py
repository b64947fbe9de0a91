"""A plan is run, and shown while it runs and when it ends."""

from __future__ import annotations

from collections.abc import Callable

import typer

from dataflow.cli.display.run import show_summary, showing
from dataflow.cli.shell.console import console, go_on, say
from dataflow.cli.shell.exit_codes import code_of
from dataflow.core.errors import StopRunError, UnderWayError
from dataflow.engine.plan import Plan
from dataflow.engine.progress import Summary
from dataflow.engine.runner import run


def run_shown(plan: Plan, described: Callable[[], str]) -> Summary:
    """Run `plan`; returns what came of it.

    Args:
        plan: The run. Its serving is let go of at the end.
        described: Says at the end where the captions are.

    Raises:
        typer.Exit: the run stopped, and it was said why.
        StopRunError: it stopped before anything was done.
    """
    try:
        with showing(plan.progress, console):
            summary = run(plan)
    except UnderWayError as error:
        say(error.message)
        raise typer.Exit(code_of(error)) from error
    except StopRunError as error:
        if not (plan.progress.requests or plan.progress.reused):
            raise
        say(f"error: {error.message}", style="red")
        say(f"What is done is kept. To go on, {go_on()}.")
        raise typer.Exit(code_of(error)) from error
    finally:
        plan.serving.cleanup()
    left = getattr(plan.reader, "left", 0)
    show_summary(summary, plan.price, console, output=described(), left=left)
    return summary
