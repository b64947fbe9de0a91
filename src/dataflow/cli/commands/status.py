"""`dataflow status`: how far the run of an output is."""

from __future__ import annotations

from dataflow.app.options.commands.status import StatusOptions
from dataflow.cli.shell.console import console
from dataflow.cli.shell.streams import need_stdout, put

EXAMPLES = ("dataflow status photos.captions.jsonl", "dataflow status photos/")


def status(options: StatusOptions) -> None:
    """Report how far the run of OUTPUT is: while it works, after it ended, and after a crash.

    OUTPUT is the file that `dataflow caption` writes, or the folder of the pictures. Only the
    journal is read.
    """
    from dataflow.app.status import status as found_status
    from dataflow.display.status import as_json, show_status

    if options.json:
        need_stdout("--json")
    found = found_status(options.output)
    if options.json:
        put([as_json(found)])
    else:
        show_status(found, console)
