"""`dataflow write`: the output of a run as it is so far."""

from __future__ import annotations

from dataflow.app.options.commands.write import WriteOptions
from dataflow.cli.shell.console import console, say

EXAMPLES = ("dataflow write captions.jsonl",)


def write(options: WriteOptions) -> None:
    """Write what a run has so far into OUTPUT, with null for what is open; nothing is asked.

    It works while the run goes and after it stopped. The same `dataflow caption` command resumes.
    """
    from dataflow.app.write import write as written
    from dataflow.cli.shell.reporting import reporter

    counts = written(options, reporter(console))
    open_rows = counts.failed.pop("open", 0)
    say(
        f"{options.output}: {counts.captioned + counts.flagged.total():,} captions, "
        f"{open_rows:,} open, {counts.failed.total():,} failed"
    )
