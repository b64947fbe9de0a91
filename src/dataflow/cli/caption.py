"""`dataflow caption`: a dataset in, the same dataset with captions out."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from dataflow.cli.choices.caption import Choices
from dataflow.cli.codes import FAILED_ROWS, code_of
from dataflow.cli.command import takes
from dataflow.cli.console import console, go_on, say
from dataflow.cli.outlet import captions_of, described, files_of
from dataflow.cli.planning import plan_of
from dataflow.cli.show import show_summary, showing
from dataflow.cli.streams import need_stdout, put
from dataflow.core.errors import StopRunError, UnderWayError
from dataflow.engine.job import Plan
from dataflow.engine.progress import Summary
from dataflow.engine.runner import run
from dataflow.formats.hub_push import check, push
from dataflow.images.shown import shown

LONGEST_SHOWN = 10_000
"""Characters of a caption that --show prints."""


@takes(Choices)
def caption(choices: Choices) -> None:
    """Give every picture of INPUT a caption.

    Run the same command again to go on where it stopped: nothing is asked twice.
    """
    if choices.show:
        need_stdout("--show")
    plan = plan_of(choices)
    if choices.push_to_hub:
        check(choices.push_to_hub)
    summary = _run(plan, choices)
    if choices.push_to_hub:
        say(f"pushed to {push(files_of(choices, plan.output.path), choices.push_to_hub)}")
    if choices.show:
        columns = plan.output.columns
        captions = captions_of(choices, plan.output.path, columns)
        _print_captions(captions, has_names=len(columns) > 1)
    if summary.failed or summary.skipped:
        raise typer.Exit(FAILED_ROWS)


def _run(plan: Plan, choices: Choices) -> Summary:
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
    output = described(choices, plan.output.path)
    left = getattr(plan.reader, "left", 0)
    show_summary(summary, plan.price, console, output=output, left=left)
    return summary


def _print_captions(captions: Iterable[tuple[str, str, str | None]], *, has_names: bool) -> None:
    put(
        "\t".join(
            [
                shown(picture),
                *([shown(column)] if has_names else []),
                shown(text or "(no caption)", LONGEST_SHOWN),
            ]
        )
        for picture, column, text in captions
    )
