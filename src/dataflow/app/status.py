"""How far the run of an output is."""

from __future__ import annotations

import os
from pathlib import Path

from dataflow.app.known_output import known_output
from dataflow.engine.paths import SideFiles
from dataflow.engine.reporting.status import Status, status_in, status_of
from dataflow.engine.selection.shard import shards_in
from dataflow.engine.shards.status import status_of_shards


def status(output: str | os.PathLike[str]) -> Status:
    """How far the run of `output` is: while it works, after it ended, and after a crash.

    Args:
        output: The output of a run, which need not exist yet, or the folder of its pictures.

    Raises:
        UsageError: No run has written or will write there.
        JournalError: The journal cannot be read.
    """
    place = known_output(os.fspath(output))
    if isinstance(place, Path):
        files = SideFiles(place)
        if shards := shards_in(files.shards):
            each = [(one, status_in(SideFiles(place, shard=one.name))) for one in shards]
            return status_of_shards(files, each)
    return status_of(place)
