"""The arguments of `dataflow caption` → the plan of its run."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import NoReturn

from dataflow.app.options.budget import BudgetOptions
from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.option import names_of
from dataflow.app.options.run import RunOptions
from dataflow.app.options.shell_command import command_line
from dataflow.app.planning.consistency import check_consistency
from dataflow.app.planning.engine import serving_of, with_workers
from dataflow.app.planning.local_engine import OnFetch
from dataflow.app.planning.output import (
    described,
    is_split,
    may_replace,
    place_of_output,
    target_of,
    writer_of,
)
from dataflow.app.planning.prices import price_of
from dataflow.app.planning.prompts import prompts_of
from dataflow.app.planning.requirements import judging_of
from dataflow.app.planning.run_options import journal_folder_of, options_text
from dataflow.app.planning.shard import shard_of
from dataflow.app.planning.source import (
    Source,
    affixes_of,
    input_of,
    open_source,
    say_about,
    source_of_rows,
)
from dataflow.app.planning.written_rows import changed_sidecars, rows_written
from dataflow.app.reporter import SILENT, Reporter
from dataflow.core.byte_size import bytes_of
from dataflow.core.errors import UsageError
from dataflow.core.protocols.dataset import MultiFileReader, Reader
from dataflow.core.protocols.serving import AsyncServing
from dataflow.core.version import __version__
from dataflow.engine.columns import Column, added_columns
from dataflow.engine.paths import files_at
from dataflow.engine.plan import Output, Plan, PlanFingerprint, SpendLimit
from dataflow.engine.reporting.progress import Progress
from dataflow.engine.selection.row_selection import RowSelection
from dataflow.formats.base.split_output import parts_of
from dataflow.formats.columns.input_columns import CONVERSATIONS
from dataflow.images.base.limits import Limits
from dataflow.operators.core_vision.prompts import Prompt, check_prompts, presets_of
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.remote.fingerprint import path_fingerprint
from dataflow.remote.path import AnyPath, RemotePath, is_url, server_of, to_path

RATE_SECONDS = 10.0
"""Over so long the rate of a download is taken."""

ENGINE_LOG = "engine.log"
"""What an engine on this machine writes, in the folder beside the output."""

_MAKING = sorted(names_of(CaptionOptions) - names_of(RunOptions, BudgetOptions))
"""The options that make the plan; the others only say how it is carried out."""


def plan_of(
    choices: CaptionOptions,
    reporter: Reporter = SILENT,
    *,
    needs_key: bool = True,
    rows: Reader | None = None,
    serving: AsyncServing | None = None,
    is_text: bool = False,
) -> Plan:
    """The plan that the arguments ask for; nothing is started, fetched or written yet.

    Args:
        choices: The options.
        reporter: Who hears of what looks like a mistake.
        needs_key: Whether an API's key must be there; it need not where nothing is asked.
        rows: The dataset, where it is in memory; no output is written then.
        serving: What is asked instead of the engine that the options name.
        is_text: Whether the rows are asked about as texts, without pictures.

    Raises:
        UsageError: the arguments are wrong or contradict each other.
        StopRunError: the engine cannot be had: no key, no package, no such model.
    """
    check_consistency(choices)
    _check_folder(choices.image_root)
    prompts: Sequence[Prompt] = prompts_of(choices)
    target, source = _source_of(choices, rows, is_text=is_text)
    say_about(source, prompts, reporter)
    reader = source.reader
    progress = Progress()
    if serving is None:
        serving = serving_of(choices, _fetch_progress(progress), needs_key=needs_key)
    limits = _limits(choices)
    serving = with_workers(choices, serving, limits)
    check_prompts(prompts, serving)
    prompts, checks, rejects = judging_of(choices, prompts, needs_key=needs_key)
    requests = _requests(choices, source, prompts)
    columns = [prompt.column for prompt in prompts]
    if rows is None:
        output = _output(choices, target, source, columns, reporter)
    else:
        output = _in_memory(choices, target, columns)
    plan = Plan(
        reader=reader,
        requests_of=requests,
        needs=requests.needs(),
        serving=serving,
        output=output,
        checks=checks,
        reject_policy=rejects,
        limits=limits,
        progress=progress,
        presets=presets_of(prompts),
        questions={prompt.name: prompt.wording for prompt in prompts},
        fingerprint=None if rows else _stamp(choices, reader, prompts, serving),
    )
    return _as_run(plan if rows is not None else _watch_engine(plan), choices, reporter)


def _source_of(
    choices: CaptionOptions, rows: Reader | None, *, is_text: bool
) -> tuple[Path, Source]:
    """The output's path and the dataset; for rows in memory, no output."""
    if rows is not None:
        return Path(os.devnull), source_of_rows(choices, rows)
    spec = input_of(choices)
    target = target_of(choices, spec)
    return target, open_source(choices, spec, target, is_text=is_text)


def _as_run(plan: Plan, choices: CaptionOptions, reporter: Reporter) -> Plan:
    """`plan` with how it is carried out: speed, patience, money, batches."""
    return replace(
        plan,
        concurrency=choices.concurrency,
        requests_per_minute=choices.rpm,
        tokens_per_minute=choices.tpm,
        limit=choices.limit,
        only=_only(choices),
        restart=choices.restart,
        retry_failed=choices.retry_failed,
        fsync=choices.fsync,
        give_up_after=choices.give_up_after,
        fault_alarm=_fault_alarm(choices.fault_alarm),
        price=price_of(choices, plan.serving),
        live_price=price_of(choices, plan.serving, live=True),
        spend_limit=_ceiling(choices),
        detach=choices.detach,
        cancel_batches=choices.batch_cancel,
        assume_yes=choices.yes,
        confirm=reporter.confirm,
        edits=choices.edits,
        options=options_text(choices),
        command=command_line("caption", choices),
    )


def _fetch_progress(progress: Progress) -> OnFetch:
    """What a model's download reports to, so that `progress` shows it as its phase."""
    points: list[tuple[float, int]] = []

    def report(name: str, here: int, size: int) -> None:
        at = time.monotonic()
        points[:] = [point for point in points if at - point[0] <= RATE_SECONDS] + [(at, here)]
        seconds = at - points[0][0]
        rate = f", {(here - points[0][1]) / seconds / 1e6:.1f} MB/s" if seconds else ""
        progress.phase = f"fetching {name}, {here / 1e6:,.0f} of {size / 1e6:,.0f} MB{rate}"
        progress.fetched = (here, size)

    return report


def _watch_engine(plan: Plan) -> Plan:
    """`plan`, whose local engine says in its progress what it does and has its words kept."""
    serving, progress = plan.serving, plan.progress
    if serving.is_local:
        from dataflow.serving.local.local_serving import LocalServing  # not where an API answers

        def observe(text: str) -> None:
            progress.engine = text

        if isinstance(serving, LocalServing):
            serving.report_to(plan.output.files.folder / ENGINE_LOG, observe)
    return plan


def _stamp(
    choices: CaptionOptions, reader: Reader, prompts: Sequence[Prompt], serving: AsyncServing
) -> PlanFingerprint | None:
    """All that the plan is made of, where that is files, the arguments and what they name."""
    paths = [to_path(choices.source)]
    if isinstance(reader, MultiFileReader):
        paths = [part.path for part in reader.files]
    elif choices.more:
        return None  # pictures and folders
    if len(paths) > 1 and isinstance(paths[0], RemotePath):
        return None  # to ask for each would take longer than it saves
    files = [(str(path), _version(path)) for path in paths]
    if choices.sidecar is not None or any(version is None for _, version in files):
        return None
    chosen = [getattr(choices, name) for name in _MAKING]
    settings = sorted(serving.settings().items())
    text = repr((__version__, Path.cwd(), files, chosen, prompts, settings))
    digest = blake2b(text.encode("utf-8", "backslashreplace")).hexdigest()
    return PlanFingerprint(digest, reader.folder())


def _version(source: AnyPath) -> tuple[object, ...] | None:
    """What tells that a file has changed; None where nothing does, or it is no file."""
    return (path_fingerprint(source) or None) if source.is_file() else None


def _only(choices: CaptionOptions) -> RowSelection | None:
    """The rows that are asked again; None for all that have no answer.

    Raises:
        UsageError: a file with names cannot be read.
    """
    if not choices.only:
        return None
    names: list[str] = []
    for given in choices.only:
        if not given.startswith("@"):
            names.append(given)
            continue
        try:
            names += Path(given[1:]).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeError) as error:
            raise UsageError(f"--only {given}: the file cannot be read: {error}") from error
    return RowSelection(name.strip() for name in names if name.strip())


def _limits(choices: CaptionOptions) -> Limits:
    if choices.image_cache is not None and is_url(choices.image_cache):
        raise UsageError("--image-cache takes a folder of this machine")
    limits = Limits(
        max_side=choices.max_side,
        allow_private_urls=choices.allow_private_urls,
        trusted_server=server_of(choices.source),
        image_root=choices.image_root,
        image_cache=choices.image_cache,
        max_pixels=choices.max_pixels,
        picture_connections=choices.picture_connections,
        user_agent=choices.user_agent,
    )
    if (size := choices.max_picture_bytes) is not None:
        limits = replace(limits, max_picture_bytes=bytes_of(size, "--max-picture-bytes"))
    if (size := choices.max_picture_memory) is not None:
        limits = replace(limits, max_picture_memory=bytes_of(size, "--max-picture-memory"))
    if choices.image_cache_max is None:
        return limits
    if choices.image_cache is None:
        raise UsageError("--image-cache-max is about --image-cache; give that too")
    return replace(limits, image_cache_max=bytes_of(choices.image_cache_max, "--image-cache-max"))


def _ceiling(choices: CaptionOptions) -> SpendLimit:
    cost = None if choices.max_cost is None else Decimal(str(choices.max_cost))
    return SpendLimit(cost, choices.max_tokens_total)


def _output(
    choices: CaptionOptions,
    target: Path,
    source: Source,
    columns: Sequence[Column],
    reporter: Reporter,
) -> Output:
    place = place_of_output(choices, target)
    if choices.shard is not None and isinstance(place, RemotePath):
        raise UsageError(
            f"--shard needs an output on a disk that every shard sees, not {choices.output}; merge "
            "there, and copy the output"
        )
    is_beside = source.sidecars is not None and choices.output is None
    added = added_columns(columns, has_meta=choices.meta, has_provenance=choices.provenance)
    return Output(
        target,
        columns,
        writer_of(choices, place, source, added, reporter),
        overwrite=may_replace(choices, columns),
        has_meta=choices.meta,
        has_provenance=choices.provenance,
        files_of=parts_of if is_split(choices) else files_at,
        url=place if isinstance(place, RemotePath) else None,
        read_back=None if is_beside else lambda: rows_written(choices, place),
        changed_rows=None if source.sidecars is None else lambda: changed_sidecars(choices, source),
        unaffixed=affixes_of(choices).remove,
        shard=shard_of(choices.shard),
        description=described(choices, place) if is_beside else "",
        journal_folder=journal_folder_of(choices, place),
    )


def _in_memory(choices: CaptionOptions, target: Path, columns: Sequence[Column]) -> Output:
    return Output(
        target,
        columns,
        _no_writer,
        overwrite=choices.overwrite_column,
        has_meta=choices.meta,
        has_provenance=choices.provenance,
    )


def _no_writer(path: Path) -> NoReturn:
    raise AssertionError(f"rows in memory are not written to {path}")


def _requests(choices: CaptionOptions, source: Source, prompts: Sequence[Prompt]) -> RowRequests:
    return RowRequests(
        folders=[source.reader.folder(), os.curdir],
        system_prompt=choices.system_prompt or "",
        image_key=None if source.is_text else source.columns.picture,
        conversation_key=source.columns.conversation or CONVERSATIONS[0],
        prompts=prompts,
        image_root=choices.image_root,
    )


def _fault_alarm(share: float | str | None) -> float | None:
    """The share of answers with one fault that stops the run; None for never."""
    if share is None or str(share).lower() in ("off", "false"):
        return None
    try:
        found = float(share)
    except ValueError:
        found = 0.0
    if not 0 < found <= 1:
        raise UsageError(f"--fault-alarm takes a share above 0, up to 1, or off, not {share!r}")
    return found


def _check_folder(image_root: str | None) -> None:
    if image_root is not None and not Path(image_root).is_dir():
        raise UsageError(f"--image-root {image_root} is no folder")
