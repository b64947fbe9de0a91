"""`dataflow check`: what the captions of a dataset are like, and which are no captions to keep."""

from __future__ import annotations

import typer

from dataflow.cli.options.check import CheckOptions
from dataflow.cli.shell.exit_codes import FAILED_ROWS
from dataflow.cli.shell.option_groups import takes


@takes(CheckOptions)
def check(choices: CheckOptions) -> None:
    """Tell which captions of OUTPUT are no captions to train on, and what the captions are like.

    Nothing is changed, and exit status 3 says that a fault was found. With --fix those captions are
    asked for again, and 3 says that some are left. Words are counted as word processors do: a Han
    or kana character is one.
    """
    from dataflow.app.inspect import checked  # compiles patterns, for which --help need not wait

    if not checked(choices):
        raise typer.Exit(FAILED_ROWS)
