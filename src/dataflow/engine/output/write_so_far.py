"""The output as it is so far: what is answered, and null for what is open."""

from __future__ import annotations

from dataclasses import replace

from dataflow.engine.journal.journal import Journal
from dataflow.engine.output.outside_edits import take_in_edits
from dataflow.engine.output.write_output import write_output
from dataflow.engine.pipeline.resume import output_files
from dataflow.engine.pipeline.row_selection import RowSelection
from dataflow.engine.plan import Plan
from dataflow.engine.reporting.progress import RunCounts


def write_so_far(plan: Plan) -> RunCounts:
    """Write the output of a run that goes, or that was stopped; nothing is asked.

    Args:
        plan: The run; its serving is not used.

    Raises:
        OutputError: the output cannot be written; what was there before is untouched.
        JournalError: the journal cannot be read or written.
        InputError: the dataset cannot be read.
    """
    journal = Journal(plan.output.files.journal, is_run=False)
    try:
        snapshot = output_files(plan.output)
        take_in_edits(plan, journal, asks_again=False)
        nothing = replace(plan, only=RowSelection([]))
        counts = write_output(nothing, journal, lambda: False, snapshot=snapshot)
        journal.end_written(output_files(plan.output))
        return counts
    finally:
        journal.close()
