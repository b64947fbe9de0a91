"""`dataflow caption`: a dataset in, the same dataset with captions out."""

from __future__ import annotations

import sys

import typer

from dataflow.cli.codes import FAILED_ROWS, UNDER_WAY, code_of
from dataflow.cli.console import console, go_on, say
from dataflow.cli.options import Choices, takes
from dataflow.cli.planning import plan_of
from dataflow.cli.show import show_summary, showing
from dataflow.core.errors import StopRunError, UnderWayError
from dataflow.engine.job import Plan
from dataflow.engine.progress import Summary
from dataflow.engine.runner import run
from dataflow.formats.registry import open_reader
from dataflow.images.shown import shown

LONGEST_SHOWN = 10_000
"""Characters of a caption that --show prints."""


@takes(Choices)
def caption(choices: Choices) -> None:
    """Give every picture of INPUT a caption.

    Run the same command again to go on where it stopped: nothing is asked twice.
    """
    summary = _run(plan_of(choices))
    if choices.show:
        _print_captions(summary, choices.image_key, choices.output_key)
    if summary.failed or summary.skipped:
        raise typer.Exit(FAILED_ROWS)


def _run(plan: Plan) -> Summary:
    try:
        with showing(plan.progress, console):
            summary = run(plan)
    except UnderWayError as error:
        say(error.message)
        raise typer.Exit(UNDER_WAY) from error
    except StopRunError as error:
        if not (plan.progress.requests or plan.progress.reused):
            raise
        say(f"error: {error.message}", style="red")
        say(f"What is done is kept. To go on, {go_on()}.")
        raise typer.Exit(code_of(error)) from error
    finally:
        plan.serving.cleanup()
    show_summary(summary, plan.price, console)
    return summary


def _print_captions(summary: Summary, image_key: str, output_key: str) -> None:
    if summary.output is None:
        return
    for row in open_reader(summary.output, picture_key=image_key).rows():
        name = row.fields.get(image_key, row.place)
        text = row.fields.get(output_key)
        line = f"{shown(str(name))}\t{shown(text or '(no caption)', LONGEST_SHOWN)}\n"
        sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace"))
    sys.stdout.flush()
