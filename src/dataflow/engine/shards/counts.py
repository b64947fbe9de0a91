"""What came of a shard's rows, by its journal."""

from __future__ import annotations

import itertools

from dataflow.engine.journal.journal import Journal
from dataflow.engine.reporting.progress import RunCounts


def counts_of(journal: Journal) -> RunCounts:
    """Rows of the plan in `journal`, and what came of each."""
    counts = RunCounts()
    for _, found in itertools.groupby(journal.outcomes(), key=lambda outcome: outcome[0]):
        counts.rows += 1
        counts.add(result for _, _, result in found if result is not None)
    return counts
