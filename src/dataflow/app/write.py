"""The output of a run as it is so far."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dataflow.app.known_output import known_output
from dataflow.app.options.commands.write import WriteOptions
from dataflow.app.planning.plan import plan_of
from dataflow.app.planning.run_options import kept_options, options_from, settings_from
from dataflow.app.reporter import SILENT, Reporter
from dataflow.core.errors import UsageError
from dataflow.engine.output.write_so_far import write_so_far
from dataflow.engine.paths import SideFiles, escaped_name, resolved_path
from dataflow.engine.reporting.progress import RunCounts
from dataflow.remote.path import RemotePath
from dataflow.serving.fake import FakeServing


class _AsAsked(FakeServing):
    """Stands for what the run asked, so that its keys can be made again; nothing is asked.

    Args:
        settings: Those of the run's serving; None where the journal does not keep them.
    """

    def __init__(self, settings: Mapping[str, Any] | None) -> None:
        super().__init__()
        self._settings = settings

    def settings(self) -> Mapping[str, Any]:
        """What the run's keys were made of."""
        return super().settings() if self._settings is None else self._settings


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
    text = kept_options(journal)
    if text is None:
        raise UsageError(
            f"{journal} does not say how its run was started (a URL with a signature or a password "
            "is not kept); run the command again"
        )
    serving = _AsAsked(settings_from(text))
    plan = plan_of(options_from(text), reporter, needs_key=False, serving=serving)
    if plan.output.path != here:
        raise UsageError(
            f"the run wrote {plan.output.path}, seen from this folder: change into the folder in "
            "which it was started"
        )
    output = replace(plan.output, tag=f".{os.getpid()}")
    with reporter.watch(plan.progress):
        return write_so_far(replace(plan, output=output))
