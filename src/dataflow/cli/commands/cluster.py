"""What a run on several machines needs: `dataflow merge` and `dataflow serve`."""

from __future__ import annotations

from dataflow.app.options.commands.merge import MergeOptions
from dataflow.app.options.commands.serve import ServeOptions
from dataflow.cli.shell.console import console, say
from dataflow.cli.shell.exit_codes import FAILED_ROWS

MERGE_EXAMPLES = ("dataflow merge captions.jsonl",)

SERVE_EXAMPLES = (
    "dataflow serve Qwen/Qwen2.5-VL-7B-Instruct --register /shared/servers",
    "dataflow caption data.jsonl --endpoints /shared/servers --model Qwen/Qwen2.5-VL-7B-Instruct",
)


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


def serve(options: ServeOptions) -> int:
    """Serve MODEL to the machines of a cluster, entered in a folder while it is up.

    It is taken out of the folder at its end (Ctrl-C or SIGTERM) before it stops, so that a run
    sends it nothing more and loses nothing. Whoever can write to the folder is sent pictures and
    the key: let only your own machines do so.
    """
    from dataflow.app.serve import serve as served
    from dataflow.cli.shell.reporting import reporter

    served(options, reporter(console))
    return 0
