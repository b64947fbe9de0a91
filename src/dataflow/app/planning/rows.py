"""Caption rows in memory: a list of dicts or a DataFrame in, the same with captions out."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.option import given_options
from dataflow.app.planning.plan import plan_of
from dataflow.app.reporter import SILENT, Reporter, RunReport
from dataflow.core.errors import UsageError
from dataflow.core.protocols.serving import AsyncServing
from dataflow.core.raw_json import plain
from dataflow.engine.columns import added_columns, values_of
from dataflow.engine.in_memory import answer_plan
from dataflow.engine.journal.records import ResultRecord
from dataflow.engine.pipeline.intake import forbid_columns
from dataflow.engine.plan import Plan
from dataflow.engine.reporting.progress import Progress, Summary
from dataflow.formats.rows_in_memory import RowsInMemory
from dataflow.formats.tables import rows_of, with_columns

_OF_FILES = frozenset(
    (
        *("output", "output_format", "sidecar", "existing", "rows_per_file", "push_to_hub"),
        *("show", "include", "exclude", "all_pictures", "wds_key", "columns", "delimiter"),
        *("sidecar_root", "newlines", "csv_safe", "with_pictures", "shard_size", "trigger"),
        *("prefix", "suffix", "keep", "drop", "on_bad_row", "batch", "batch_then_live"),
        *("detach", "batch_cancel"),
    )
)
"""Options that say nothing about rows in memory."""


def caption_rows(
    data: Any,
    options: Mapping[str, Any],
    reporter: Reporter = SILENT,
    *,
    serving: AsyncServing | None = None,
) -> Any:
    """Caption rows in memory.

    Args:
        data: A list of dicts, a DataFrame, or another table; see `formats.tables`.
        options: The options of `caption`, without those about files. With ``journal=FOLDER``, the
            answers are kept there, and the same call resumes after a failure.
        reporter: Who shows the run.
        serving: Who is asked instead of the engine that the options name; it is left open.

    Returns:
        What `data` was, with the new columns; None for a caption that failed.

    Raises:
        UsageError: `data` is neither, or an option says nothing about rows in memory.
        StopRunError: The run stopped; what was answered is in its `answers`.
    """
    rows = rows_of(data, "what is captioned must be a path,")
    choices = CaptionOptions(source="", **options)
    for given in given_options(choices):
        if given.name in _OF_FILES:
            raise UsageError(f"{given.flag} is about files; the rows given here are in memory")
    plan = plan_of(choices, reporter, rows=RowsInMemory(rows), serving=serving)
    columns = plan.output.columns
    beside = {"has_meta": choices.meta, "has_provenance": choices.provenance}
    if not plan.output.overwrite:
        for index, row in enumerate(rows):
            forbid_columns(list(added_columns(columns, **beside)), row, f"row {index}")
    try:
        with reporter.watch(plan.progress):
            found = answer_plan(plan, _journal_path(choices))
    finally:
        if serving is None:
            plan.serving.cleanup()
    is_kept = [not plan.reject_policy.drops(entries) for entries in found]
    added = [
        {name: plain(value) for name, value in values_of(columns, one, **beside).items()}
        for one in itertools.compress(found, is_kept)
    ]
    reporter.finished(RunReport(_summary(plan, found, is_kept), plan.price, "in memory"))
    names = list(added_columns(columns, **beside))
    return with_columns(data, rows[: len(found)], is_kept, added, names=names)


def _journal_path(choices: CaptionOptions) -> Path | None:
    return None if choices.journal is None else Path(choices.journal) / "rows.journal"


def _summary(
    plan: Plan, found: Sequence[Sequence[ResultRecord]], is_kept: Sequence[bool]
) -> Summary:
    entries = [entry for one in itertools.compress(found, is_kept) for entry in one]
    flagged, failed = Counter[str](), Counter[str]()
    for entry in entries:
        if entry.error_kind is not None:
            (flagged if entry.is_flagged else failed)[entry.error_kind] += 1
    progress: Progress = plan.progress
    return Summary(
        rows=sum(is_kept),
        captioned=len(entries) - flagged.total() - failed.total(),
        flagged=dict(flagged),
        failed=dict(failed),
        dropped=len(is_kept) - sum(is_kept),
        requests=progress.requests,
        asked_again=progress.asked_again,
        reused=progress.reused,
        seconds=progress.seconds,
        usage=progress.usage,
        cost=progress.cost,
        uncounted=progress.uncounted,
        unpriced=progress.unpriced,
    )
