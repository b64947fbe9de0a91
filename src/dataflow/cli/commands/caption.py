"""`dataflow caption`: a dataset in, the same dataset with captions out."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from dataflow.app.output import captions_of, described, files_of
from dataflow.app.plan import plan_of
from dataflow.cli.display.live_run import run_shown
from dataflow.cli.options.caption import CaptionOptions
from dataflow.cli.shell.console import say
from dataflow.cli.shell.exit_codes import FAILED_ROWS
from dataflow.cli.shell.option_groups import takes
from dataflow.cli.shell.streams import need_stdout, put
from dataflow.core.text import short_text
from dataflow.formats.hub.hf_push import check, push

LONGEST_SHOWN = 10_000
"""Characters of a caption that --show prints."""


@takes(CaptionOptions)
def caption(choices: CaptionOptions) -> None:
    """Give every picture of INPUT a caption.

    Run the same command again to go on where it stopped: nothing is asked twice.
    """
    if choices.show:
        need_stdout("--show")
    plan = plan_of(choices)
    if choices.push_to_hub:
        check(choices.push_to_hub)
    if plan.output.url is not None:
        journal = plan.output.beside(".journal")
        say(f"{plan.output.url}: its journal is {journal}; the same command goes on from it")
    summary = run_shown(plan, lambda: described(choices, plan.output.place))
    if choices.push_to_hub:
        say(f"pushed to {push(files_of(choices, plan.output.path), choices.push_to_hub)}")
    if choices.show:
        columns = plan.output.columns
        captions = captions_of(choices, plan.output.place, columns)
        _print_captions(captions, has_names=sum(len(column.holds) for column in columns) > 1)
    if summary.failed or summary.flagged or summary.dropped or summary.skipped:
        raise typer.Exit(FAILED_ROWS)


def _print_captions(captions: Iterable[tuple[str, str, str | None]], *, has_names: bool) -> None:
    put(
        "\t".join(
            [
                short_text(picture),
                *([short_text(column)] if has_names else []),
                short_text(text or "(no caption)", LONGEST_SHOWN),
            ]
        )
        for picture, column, text in captions
    )
