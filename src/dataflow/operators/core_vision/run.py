"""The rows of a storage's step, answered into its next: what the operators have in common."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dataflow.billing.price_list import price_for
from dataflow.core.errors import InputError, RowError
from dataflow.core.raw_json import plain
from dataflow.core.request import Request
from dataflow.core.row import Row
from dataflow.core.serving import AsyncServing, LLMServingABC
from dataflow.core.storage import DataFlowStorage, StreamingStorage
from dataflow.engine.columns import Column, added_columns, values_of
from dataflow.engine.in_memory import entries_of
from dataflow.engine.journal.records import ResultRecord
from dataflow.engine.pipeline.intake import forbid_columns, require_pictures
from dataflow.engine.plan import UNPRICED, Output, Plan
from dataflow.engine.runner import run
from dataflow.images.base.limits import Limits
from dataflow.operators.core_vision.prompts import check_prompts, presets_of
from dataflow.operators.core_vision.quality import QualityPolicy
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.remote.path import server_of
from dataflow.serving.adapter import ServingAdapter

_log = logging.getLogger("dataflow")


def answer_rows(
    storage: DataFlowStorage,
    serving: LLMServingABC,
    requests: RowRequests,
    *,
    overwrite: bool = False,
    meta: bool = False,
    limits: Limits | None = None,
    judging: QualityPolicy | None = None,
) -> None:
    """Answer the storage's current step into its next.

    Args:
        storage: A `FileStorage` streams and can be resumed; others are read and written whole.
        serving: The model.
        requests: What is asked; its folders are the storage's.
        overwrite: Whether columns of the prompts' names may be replaced; otherwise it is an error.
        meta: Whether a column ``<name>_meta`` is added for each, too.
        limits: What a picture may cost, how large it is sent, and where those of URLs are kept.
        judging: What is asked of answers; None for no more than that they are there.

    Raises:
        UsageError: the prompts cannot be asked, or the rows have a column of such a name already.
        StopRunError: the run could not go on; what is done is kept, no output is written.
    """
    engine = serving if isinstance(serving, AsyncServing) else ServingAdapter(serving)
    check_prompts(requests.prompts, engine)
    judging, limits = judging or QualityPolicy(), limits or Limits()
    if isinstance(storage, StreamingStorage):
        _run_stream(
            storage, engine, requests,
            overwrite=overwrite, meta=meta, limits=limits, judging=judging,
        )  # fmt: skip
    else:
        _run_lists(
            storage, engine, requests,
            overwrite=overwrite, meta=meta, limits=limits, judging=judging,
        )  # fmt: skip


def _columns(requests: RowRequests) -> list[Column]:
    return [prompt.column for prompt in requests.prompts]


def _run_stream(
    storage: StreamingStorage,
    serving: AsyncServing,
    requests: RowRequests,
    *,
    overwrite: bool,
    meta: bool,
    limits: Limits,
    judging: QualityPolicy,
) -> None:
    columns = _columns(requests)
    step = storage.open_step(
        picture_key=requests.image_key or "image", columns=added_columns(columns, has_meta=meta)
    )
    trusted = next(filter(None, map(server_of, step.folders)), None)
    plan = Plan(
        reader=step.reader,
        requests_of=replace(requests, folders=step.folders),
        needs=requests.needs(),
        serving=serving,
        output=Output(step.output, columns, step.open_writer, overwrite, meta),
        checks=judging.checks,
        reject_policy=judging.rejects,
        limits=replace(limits, trusted_server=trusted),
        presets=presets_of(requests.prompts),
        price=price_for(serving),
        live_price=price_for(serving, live=True),
    )
    summary = run(plan)
    _log.info("%d answers in %d rows, %s", summary.captioned, summary.rows, summary.output)
    if summary.errors is not None:
        _log.warning(
            "%d answers failed, %d were turned down and kept, %d rows dropped; see %s",
            sum(summary.failed.values()), sum(summary.flagged.values()), summary.dropped,
            summary.errors,
        )  # fmt: skip


def _run_lists(
    storage: DataFlowStorage,
    serving: AsyncServing,
    requests: RowRequests,
    *,
    overwrite: bool,
    meta: bool,
    limits: Limits,
    judging: QualityPolicy,
) -> None:
    columns = _columns(requests)
    names = list(added_columns(columns, has_meta=meta))
    data = storage.read("dict")
    rows: list[dict[str, Any]] = data.to_dict("records") if hasattr(data, "to_dict") else data
    if not isinstance(rows, list):
        raise InputError(
            f"{type(storage).__name__}.read('dict') gave {type(data).__name__}; a list of dicts "
            "or a DataFrame is needed"
        )
    for index, fields in enumerate(rows if not overwrite else ()):
        forbid_columns(names, fields, f"row {index}")
    asked = _asked(rows, replace(requests, folders=[os.curdir]))
    price = price_for(serving) if meta else UNPRICED
    found = entries_of(
        serving,
        columns,
        asked,
        checks=judging.checks,
        reject_policy=judging.rejects,
        price=price,
        limits=limits,
    )
    for index, entries in enumerate(found):
        _warn(index, entries)
    is_kept = [not judging.rejects.drops(entries) for entries in found]
    rows = list(itertools.compress(rows, is_kept))
    found = list(itertools.compress(found, is_kept))
    added = [
        {name: plain(value) for name, value in values_of(columns, entries, has_meta=meta).items()}
        for entries in found
    ]
    if isinstance(data, list):
        storage.write([{**row, **more} for row, more in zip(rows, added, strict=True)])
    else:
        kept = data if all(is_kept) else data[is_kept]
        storage.write(kept.assign(**{name: [more[name] for more in added] for name in names}))


def _warn(index: int, entries: Sequence[ResultRecord]) -> None:
    for entry in entries:
        if entry.error_kind is not None:
            what = "an answer that was turned down" if entry.is_flagged else "no answer"
            _log.warning("row %d has %s: %s (%s)", index, what, entry.error, entry.error_kind)


def _asked(
    rows: Sequence[dict[str, Any]], requests: RowRequests
) -> list[Sequence[Request | RowError]]:
    asked: list[Sequence[Request | RowError]] = []
    numbered = [Row(index, fields, f"row {index}") for index, fields in enumerate(rows)]
    require_pictures(numbered, requests.needs())
    for row in numbered:
        try:
            asked.append(requests(row))
        except RowError as error:  # noqa: PERF203 - each row fails by itself
            asked.append([error] * len(requests.prompts))
    return asked
