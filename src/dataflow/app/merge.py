"""The shards of a run → one journal and one output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow.app.options.commands.merge import MergeOptions
from dataflow.app.options.commands.write import WriteOptions
from dataflow.app.reporter import SILENT, Reporter
from dataflow.app.write import write
from dataflow.core.errors import UsageError
from dataflow.engine.locks.run_lock import RunLock
from dataflow.engine.paths import SideFiles, resolved_path
from dataflow.engine.reporting.progress import RunCounts
from dataflow.engine.selection.shard import Shard
from dataflow.engine.shards.merge import merge_journals
from dataflow.remote.path import is_url


@dataclass(frozen=True, slots=True)
class MergeResult:
    """What `merge` made.

    Attributes:
        counts: What the output holds; rows that no shard has asked about count as ``"open"`` in
            its `failed`.
        shards: Those that were merged.
        missing: Those of the run that never began.
        kept_as: The folder under which the shards' own files are kept.
    """

    counts: RunCounts
    shards: Sequence[Shard]
    missing: Sequence[Shard]
    kept_as: Path


def merge(options: MergeOptions, reporter: Reporter = SILENT) -> MergeResult:
    """Unite the journals of a run's shards, and write its output from them.

    Args:
        options: The output.
        reporter: Who shows the work.

    Raises:
        UsageError: No shard has begun, or batches are under way.
        OutputError: A shard is still at work, or the output cannot be written.
        JournalError: A journal cannot be read or written.
    """
    if is_url(options.output):
        raise UsageError(
            f"{options.output}: give the path of the output in the folder of --journal, where the "
            "shards' journals are"
        )
    here = resolved_path(Path(options.output))
    lock = RunLock(SideFiles(here).lock)
    try:
        merged = merge_journals(here)
        counts = write(WriteOptions(output=options.output), reporter)
    finally:
        lock.release()
    return MergeResult(counts, merged.shards, merged.missing, merged.kept_as)
