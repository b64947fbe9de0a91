"""`dataflow merge`: the shards of a run become one output."""

from __future__ import annotations

from dataflow.app.options.commands.merge import MergeOptions
from dataflow.cli.shell.console import console, say
from dataflow.cli.shell.exit_codes import FAILED_ROWS

EXAMPLES = ("dataflow merge captions.jsonl",)


def merge(options: MergeOptions) -> int:
    """Unite what the shards of OUTPUT have answered, and write OUTPUT from it; nothing is asked.

    The same `dataflow caption` command without --shard then asks for what is missing.
    """
    from dataflow.app.merge import merge as merged
    from dataflow.cli.shell.reporting import reporter

    found = merged(options, reporter(console))
    counts = found.counts
    open_rows = counts.failed.pop("open", 0)
    say(
        f"{options.output}: {counts.captioned + counts.flagged.total():,} captions from "
        f"{len(found.shards):,} shards, {open_rows:,} open, {counts.failed.total():,} failed"
    )
    if found.missing:
        names = ", ".join(map(str, found.missing[:10])) + (" …" if len(found.missing) > 10 else "")
        say(f"no shard began: {names}", style="yellow")
    if open_rows or found.missing:
        say(
            "Next: run the same dataflow caption command without --shard; it asks for what is open."
        )
    say(f"The shards' own files are kept in {found.kept_as}; you can delete them.")
    return FAILED_ROWS if counts.has_errors or open_rows or found.missing else 0
