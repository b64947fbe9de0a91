"""The rows of a storage's step, answered into its next: what the operators have in common."""

from __future__ import annotations

import itertools
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from dataflow.billing.price_list import price_for
from dataflow.core.errors import NothingCaptionedError, UsageError
from dataflow.core.protocols.dataset import first_rows
from dataflow.core.protocols.serving import AsyncServing, LLMServingABC
from dataflow.core.protocols.storage import DataFlowStorage, StreamingStorage
from dataflow.engine.columns import added_columns, values_of
from dataflow.engine.in_memory import answer_plan
from dataflow.engine.journal.records import ResultRecord
from dataflow.engine.plan import Output, Plan, SpendLimit
from dataflow.engine.reporting.progress import Summary
from dataflow.engine.run import Run
from dataflow.engine.runner import start
from dataflow.engine.selection.row_selection import RowSelection
from dataflow.formats.rows_in_memory import RowsInMemory
from dataflow.images.base.limits import Limits
from dataflow.operators.core_vision.options import OperatorRunOptions
from dataflow.operators.core_vision.prompts import check_prompts, presets_of
from dataflow.operators.core_vision.quality import QualityPolicy
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.operators.core_vision.run_step.list_rows import read_rows, write_or_save
from dataflow.operators.core_vision.run_step.unsent_pictures import warn_of_unsent_pictures
from dataflow.remote.path import server_of
from dataflow.serving.adapter import as_async_serving

_log = logging.getLogger("dataflow")

_NEVER_ASKED = frozenset({"bad_row", "changed"})
"""Kinds of errors, beside ``picture…``, of rows that no model was asked about."""

_OF_THE_SERVER = frozenset({"bad_request", "refused", "too_long"})
"""Kinds of refusals that a working server gives row by row: the rows stand as null."""

_MEND_PICTURES = "mend the picture column or the folder, and run it again"
_MEND_ENGINE = "mend what the errors say, and run it again with retry_failed=True"


def answer_rows(
    storage: DataFlowStorage,
    serving: LLMServingABC,
    requests: RowRequests,
    *,
    options: OperatorRunOptions | None = None,
    limits: Limits | None = None,
    judging: QualityPolicy | None = None,
    on_start: Callable[[Run[Any]], None] | None = None,
) -> None:
    """Answer the storage's current step into its next.

    Args:
        storage: A `FileStorage` streams and can be resumed; others are read and written whole.
        serving: The model.
        requests: What is asked; its folders are the storage's.
        options: How the run goes.
        limits: What a picture may cost, how large it is sent, and where fetched ones are kept.
        judging: What answers must pass; None for no more than that they are there.
        on_start: Called with the run once it is under way.

    Raises:
        UsageError: the prompts cannot be asked, or the rows have a column of such a name already.
        StopRunError: the run could not go on; what is done is kept, no output is written.
        NothingCaptionedError: every row failed; the output is set aside.
    """
    engine = as_async_serving(serving)
    check_prompts(requests.prompts, engine)
    options = options or OperatorRunOptions()
    missing = options.on_missing_picture or ("fail" if requests.prompt_key is None else "ask")
    step = _StepRun(
        engine,
        replace(requests, on_missing_picture=missing),
        options,
        limits or Limits(),
        judging or QualityPolicy(),
        on_start or (lambda _: None),
    )
    if not isinstance(storage, StreamingStorage):
        step.through_lists(storage)
        return
    try:
        step.through_files(storage)
    except BaseException:
        storage.step_failed()
        raise


def _beside(options: OperatorRunOptions) -> dict[str, bool]:
    """What stands beside each column of captions."""
    return {"has_meta": options.meta, "has_provenance": options.provenance}


@dataclass(frozen=True, slots=True)
class _StepRun:
    """One step: who is asked what, and how."""

    serving: AsyncServing
    requests: RowRequests
    options: OperatorRunOptions
    limits: Limits
    judging: QualityPolicy
    on_start: Callable[[Run[Any]], None]

    def through_files(self, storage: StreamingStorage) -> None:
        options, columns = self.options, self._columns()
        step = storage.open_step(
            picture_key=self.requests.image_key or "image",
            columns=added_columns(columns, **_beside(options)),
            skip_bad_rows=options.on_bad_row == "skip",
        )
        self._warn_of_unsent(first_rows(step.reader))
        trusted = next(filter(None, map(server_of, step.folders)), None)
        output = Output(
            step.output,
            columns,
            step.open_writer,
            overwrite=options.overwrite_column,
            has_meta=options.meta,
            has_provenance=options.provenance,
        )
        run = start(
            self._plan(
                reader=step.reader,
                requests_of=replace(self.requests, folders=step.folders),
                output=output,
                limits=replace(self.limits, trusted_server=trusted),
            )
        )
        self.on_start(run)
        summary = run.result()
        _log.info("%d answers in %d rows, %s", summary.captioned, summary.rows, summary.output)
        _tell(summary)
        if summary.reused and self.serving.may_change:
            _log.warning(
                "%d answers are those of an earlier run or of an equal request: what the answers "
                "of %s depend on is not known. restart=True asks anew; a method settings() that "
                "returns a dict says what they depend on",
                summary.reused,
                self.serving.model,
            )
        _refuse_nothing(summary, output.path)
        storage.step_written()

    def through_lists(self, storage: DataFlowStorage) -> None:
        options, columns = self.options, self._columns()
        if options.only is not None:
            raise UsageError("only is about steps that are files; give just the rows that you mean")
        data = storage.read("dict")
        rows = read_rows(data, storage)[: options.limit]
        reader = RowsInMemory(rows)
        self._warn_of_unsent(reader.rows())
        journal = None if options.journal is None else Path(options.journal).expanduser()
        output = Output(
            journal or Path(os.devnull),
            columns,
            _no_writer,
            overwrite=options.overwrite_column,
            has_meta=options.meta,
            has_provenance=options.provenance,
        )
        found = answer_plan(
            self._plan(
                reader=reader,
                requests_of=replace(self.requests, folders=[os.curdir]),
                output=output,
                limits=self.limits,
            ),
            journal,
            on_start=self.on_start,
        )
        for index, entries in enumerate(found):
            _warn(index, entries)
        _refuse_nothing_of(found)
        is_kept = [not self.judging.reject_policy.drops(entries) for entries in found]
        added = [
            values_of(columns, entries, **_beside(options))
            for entries in itertools.compress(found, is_kept)
        ]
        write_or_save(storage, data, rows, is_kept, added, names=output.names)

    def _columns(self) -> list[Any]:
        return [prompt.column for prompt in self.requests.prompts]

    def _plan(self, **own: Any) -> Plan:
        options = self.options
        cost = None if options.max_cost is None else Decimal(str(options.max_cost))
        price_of = partial(
            price_for, self.serving, price_in=options.price_in, price_out=options.price_out
        )
        return Plan(
            stops_where_all_fail=False,  # a script gets its nulls, and the errors that say why
            serving=self.serving,
            needs=self.requests.needs(),
            checks=self.judging.checks,
            reject_policy=self.judging.reject_policy,
            presets=presets_of(self.requests.prompts),
            questions=self._questions() if options.provenance else {},
            concurrency=options.concurrency,
            requests_per_minute=options.rpm,
            tokens_per_minute=options.tpm,
            limit=options.limit,
            only=None if options.only is None else RowSelection(map(str, options.only)),
            fault_alarm=_share(options.fault_alarm),
            restart=options.restart,
            retry_failed=options.retry_failed,
            fsync=options.fsync,
            give_up_after=options.give_up_after,
            price=price_of(),
            live_price=price_of(live=True),
            spend_limit=SpendLimit(cost, options.max_tokens_total),
            **own,
        )

    def _questions(self) -> dict[str, str]:
        system = self.requests.system_prompt
        return {
            one.name: one.wording
            if one.sent_system is not None
            else f"{system} {one.wording}".strip()
            for one in self.requests.prompts
        }

    def _warn_of_unsent(self, rows: Any) -> None:
        if self.requests.image_key is None:
            warn_of_unsent_pictures(rows, self.requests)


def _share(fault_alarm: float | str | None) -> float | None:
    return None if fault_alarm is None else float(fault_alarm)


def _no_writer(path: Path) -> Any:
    raise AssertionError(f"lists are not written to {path}")


def _tell(summary: Summary) -> None:
    if summary.errors is not None:
        _log.warning(
            "%d answers failed, %d were rejected and kept, %d rows dropped; see %s "
            "(retry_failed=True asks failed rows again)",
            sum(summary.failed.values()), sum(summary.flagged.values()), summary.dropped,
            summary.errors,
        )  # fmt: skip


def _refuse_nothing(summary: Summary, output: Path) -> None:
    """Stop where no row has an answer: a next step would work on nulls alone.

    Where a server that works has refused each row by itself, the rows stand as null.

    Raises:
        NothingCaptionedError: no row has one; the output is set aside.
    """
    if summary.captioned or summary.flagged or not (summary.failed or summary.dropped):
        return
    if summary.failed and _OF_THE_SERVER.issuperset(summary.failed):
        return
    aside = output.with_name(f"{output.stem}.failed{output.suffix}")
    if output.is_file():
        output.replace(aside)
    kinds = summary.failed or {"dropped": summary.dropped}
    raise NothingCaptionedError(
        f"every row failed ({_kinds(kinds)}): see {summary.errors}; the rows without a caption "
        f"are in {aside}; {_cure(kinds)}"
    )


def _refuse_nothing_of(found: Sequence[Sequence[ResultRecord]]) -> None:
    """As `_refuse_nothing`, for rows in memory."""
    entries = [entry for one in found for entry in one]
    if not entries or any(entry.caption is not None for entry in entries):
        return
    counts = Counter(entry.error_kind or "" for entry in entries)
    if _OF_THE_SERVER.issuperset(counts):
        return
    raise NothingCaptionedError(
        f"every row failed ({_kinds(counts)}), the first with: {entries[0].error}; nothing is "
        f"written; {_cure(counts)}"
    )


def _cure(kinds: Iterable[str]) -> str:
    is_unasked = all(kind in _NEVER_ASKED or kind.startswith("picture") for kind in kinds)
    return _MEND_PICTURES if is_unasked else _MEND_ENGINE


def _kinds(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} × {kind}" for kind, count in counts.items())


def _warn(index: int, entries: Sequence[ResultRecord]) -> None:
    for entry in entries:
        if entry.error_kind is not None:
            what = "a rejected answer" if entry.is_flagged else "no answer"
            _log.warning("row %d has %s: %s (%s)", index, what, entry.error, entry.error_kind)
