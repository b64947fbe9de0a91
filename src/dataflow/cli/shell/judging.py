"""What the commands that ask a judge share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.cli.shell.console import console, say
from dataflow.cli.shell.streams import put

if TYPE_CHECKING:
    from dataflow.app.estimate import EstimateResult


def show_judge_estimate(found: EstimateResult | None, *, is_json: bool) -> int:
    """Show what a judge would be asked; returns the exit code.

    Args:
        found: The estimate; None where there is nothing to ask.
        is_json: Whether it goes to stdout as JSON.
    """
    from dataflow.display.estimate import as_json, show_estimate

    if found is None:
        if is_json:
            put(['{"requests": 0}'])
        else:
            say("There is nothing to ask the judge.")
    elif is_json:
        put([as_json(found)])
    else:
        show_estimate(found, console)
    return 0
