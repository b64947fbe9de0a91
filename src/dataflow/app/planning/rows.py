"""Caption rows in memory: a list of dicts or a DataFrame in, the same with captions out."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.option import given_options
from dataflow.app.planning.plan import plan_of
from dataflow.app.reporter import SILENT, Reporter, RunReport
from dataflow.core.errors import UsageError
from dataflow.core.raw_json import plain
from dataflow.engine.columns import added_columns, values_of
from dataflow.engine.in_memory import answer_plan
from dataflow.engine.journal.records import ResultRecord
from dataflow.engine.pipeline.intake import forbid_columns
from dataflow.engine.plan import Plan
from dataflow.engine.reporting.progress import Progress, Summary
from dataflow.formats.rows_in_memory import RowsInMemory

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


def caption_rows(data: Any, options: Mapping[str, Any], reporter: Reporter = SILENT) -> Any:
    """Caption rows in memory.

    Args:
        data: A list of dicts, or a pandas DataFrame.
        options: The options of `caption`, without those about files. With ``journal=FOLDER``, the
            answers are kept there, and the same call resumes after a failure.
        reporter: Who shows the run.

    Returns:
        What `data` was, with the new columns; None for a caption that failed.

    Raises:
        UsageError: `data` is neither, or an option says nothing about rows in memory.
        StopRunError: The run stopped; what was answered is in its `answers`.
    """
    rows = _rows_of(data)
    choices = CaptionOptions(source="", **options)
    for given in given_options(choices):
        if given.name in _OF_FILES:
            raise UsageError(f"{given.flag} is about files; the rows given here are in memory")
    plan = plan_of(choices, reporter, rows=RowsInMemory(rows))
    columns, has_meta = plan.output.columns, choices.meta
    if not plan.output.overwrite:
        for index, row in enumerate(rows):
            forbid_columns(list(added_columns(columns, has_meta=has_meta)), row, f"row {index}")
    try:
        with reporter.watch(plan.progress):
            found = answer_plan(plan, _journal_path(choices))
    finally:
        plan.serving.cleanup()
    is_kept = [not plan.reject_policy.drops(entries) for entries in found]
    added = [
        {name: plain(value) for name, value in values_of(columns, one, has_meta=has_meta).items()}
        for one in itertools.compress(found, is_kept)
    ]
    reporter.finished(RunReport(_summary(plan, found, is_kept), plan.price, "in memory"))
    return _with_columns(data, rows[: len(found)], is_kept, added)


def _rows_of(data: Any) -> list[dict[str, Any]]:
    if hasattr(data, "to_dict") and hasattr(data, "columns"):
        names = list(data.columns)
        twice = next((name for name, count in Counter(names).items() if count > 1), None)
        if twice is not None:
            raise UsageError(f"the DataFrame has two columns called {twice!r}; rename one")
        records: list[dict[str, Any]] = data.to_dict("records")
        return records
    rows = list(data) if isinstance(data, Iterable) else None
    if rows is None or not all(isinstance(row, Mapping) for row in rows):
        raise UsageError(
            "a path, a list of dicts or a DataFrame is needed, not "
            f"{'a list of other things' if rows is not None else type(data).__name__}"
        )
    return rows


def _journal_path(choices: CaptionOptions) -> Path | None:
    return None if choices.journal is None else Path(choices.journal) / "rows.journal"


def _with_columns(
    data: Any,
    rows: Sequence[Mapping[str, Any]],
    is_kept: Sequence[bool],
    added: Sequence[Mapping[str, Any]],
) -> Any:
    if hasattr(data, "assign"):
        frame = data.iloc[: len(is_kept)][list(is_kept)]
        names = list(added[0]) if added else []
        return frame.assign(**{name: [one[name] for one in added] for name in names})
    kept = itertools.compress(rows, is_kept)
    return [{**row, **more} for row, more in zip(kept, added, strict=True)]


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
