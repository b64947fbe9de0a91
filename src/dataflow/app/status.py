"""How far the run of an output is."""

from __future__ import annotations

import os

from dataflow.engine.reporting.status import Status, status_of
from dataflow.remote.path import to_path


def status(output: str | os.PathLike[str]) -> Status:
    """How far the run of `output` is: while it works, after it ended, and after a crash.

    Args:
        output: The output of a run, which need not exist yet.

    Raises:
        UsageError: No run has written or will write there.
        JournalError: The journal cannot be read.
    """
    return status_of(to_path(os.fspath(output)))
