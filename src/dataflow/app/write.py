"""The output of a run as it is so far."""

from __future__ import annotations

import os
from dataclasses import replace

from dataflow.app.known_output import known_output
from dataflow.app.options.commands.write import WriteOptions
from dataflow.app.planning.plan import plan_of
from dataflow.app.planning.run_options import options_of_run
from dataflow.app.reporter import SILENT, Reporter
from dataflow.core.errors import UsageError
from dataflow.engine.output.write_so_far import write_so_far
from dataflow.engine.paths import SideFiles, escaped_name, resolved_path
from dataflow.engine.reporting.progress import RunCounts
from dataflow.remote.path import RemotePath
from dataflow.serving.fake import FakeServing


def write(options: WriteOptions, reporter: Reporter = SILENT) -> RunCounts:
    """Write what a run has so far, with null for what is open, also while the run goes.

    Args:
        options: The output.
        reporter: Who shows the work.

    Raises:
        UsageError: No run has begun for the output, or it was begun by a Python program.
        OutputError: The output cannot be written.
        JournalError: The journal cannot be read.
    """
    given = known_output(options.output)
    here = resolved_path(escaped_name(given) if isinstance(given, RemotePath) else given)
    journal = SideFiles(here).journal
    if not journal.exists():
        raise UsageError(f"no run has begun for {options.output}: there is no {journal}")
    choices = options_of_run(journal)
    if choices is None:
        raise UsageError(
            f"{journal} does not say how its run was started (a URL with a signature or a password "
            "is not kept); run the command again"
        )
    plan = plan_of(choices, reporter, needs_key=False, serving=FakeServing())  # nothing is asked
    if plan.output.path != here:
        raise UsageError(
            f"the run wrote {plan.output.path}, seen from this folder: change into the folder in "
            "which it was started"
        )
    output = replace(plan.output, tag=f".{os.getpid()}")
    with reporter.watch(plan.progress):
        return write_so_far(replace(plan, output=output))
