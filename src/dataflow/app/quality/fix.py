"""Ask again for the faulty captions of a dataset: options in, the fixed dataset out."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.commands.check import CheckOptions
from dataflow.app.options.option import shared_values
from dataflow.app.planning.consistency import check_consistency
from dataflow.app.planning.plan import plan_of
from dataflow.app.quality.caption_origin import PersonsCaptions, origin_of, position_of
from dataflow.app.quality.check import asked_of, looked_at, opened
from dataflow.app.quality.faults import Note, list_faults
from dataflow.app.quality.fixed_output import read_back_of
from dataflow.app.quality.patch_writer import patch_writer, target_of, whole_dataset
from dataflow.app.reporter import SILENT, Reporter
from dataflow.app.run import run_plan
from dataflow.checks.dataset.report import QualityReport
from dataflow.checks.dataset.scan import Fault
from dataflow.checks.rules.text import clipped
from dataflow.checks.suite import CaptionRequirements, checks_for
from dataflow.core.errors import InputError, RowError, UsageError
from dataflow.core.protocols.check import Check
from dataflow.core.protocols.serving import sampling_of
from dataflow.core.request import Request
from dataflow.core.row import Row
from dataflow.core.side_files import refuse_link
from dataflow.engine.columns import Column
from dataflow.engine.paths import free_name, make_folder
from dataflow.engine.pipeline.intake import numbered
from dataflow.engine.plan import Plan
from dataflow.engine.quality.reject_policy import mark_of
from dataflow.engine.reporting.progress import Summary
from dataflow.formats.caption_patch import (
    CAPTION_KEY,
    CaptionPosition,
    FaultyCaptions,
)
from dataflow.formats.existing_captions import CaptionedDataset, is_talk, messages_before
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.serving.base.conversation import DEFAULT_QUESTION


@dataclass(frozen=True, slots=True, repr=False)
class FixResult:
    """What `fix` did.

    Attributes:
        quality: What the check found before.
        summary: The run that asked again; None where nothing was to be fixed.
        output: Where the fixed captions are.
        faults_file: The file that lists the faults and the old captions.
    """

    quality: QualityReport
    summary: Summary | None
    output: Path
    faults_file: Path

    @property
    def is_sound(self) -> bool:
        """Whether no faulty caption is left."""
        return self.summary is None or not self.summary.failed

    def __repr__(self) -> str:
        if self.summary is None:
            return f"<FixResult: nothing to fix, {self.output}>"
        captioned, failed = self.summary.captioned, sum(self.summary.failed.values())
        return f"<FixResult: {captioned:,} captioned, {failed:,} failed, {self.output}>"


def fix(options: CheckOptions, reporter: Reporter = SILENT) -> FixResult:
    """Ask again for the captions that have a fault, and write the dataset with the new ones.

    All faults, and with them the old captions, are listed in a file first.

    Args:
        options: The dataset, what its captions must be, and the model that is asked.
        reporter: Who shows the work.

    Raises:
        UsageError: The options contradict each other, or the dataset cannot be written.
        StopRunError: The dataset cannot be read, or the run had to stop.
    """
    if options.before is not None:
        raise UsageError("--before compares, and --fix asks; give them one after the other")
    check_consistency(options)
    asked, data, trigger = asked_of(options), opened(options), options.trigger
    origin = origin_of(options.output, target_of(options, data))
    options = origin.asked_as_before(options)
    spots: list[CaptionPosition] = []
    try:
        plan = fixing_plan(options, data, spots, reporter)  # what is wrong with it is said at once
    except InputError as error:  # nothing has begun yet
        raise UsageError(f"{error.message}; rows that cannot be read would be lost") from error
    listed = _fault_list(options, data, plan)

    def look(note: Note) -> QualityReport:
        quality = looked_at(replace(options, trigger=trigger), asked, data, note, reporter)
        reporter.quality(quality)
        return quality

    try:
        persons = PersonsCaptions(origin, is_kept=not options.fix_edits)
        quality = _looked_at(look, listed, spots, persons)
        persons.report(reporter)
        if not spots:
            _forget_empty(listed)
            reporter.say("No caption needs fixing.")
            return FixResult(quality, None, plan.output.path, listed)
        reporter.say(f"{len(spots):,} captions are asked for again: {_questions(plan)}")
        where = f"*{data.sidecar} beside the pictures" if data.sidecar else str(plan.output.path)
        summary = run_plan(_rejecting(plan, asked, quality), reporter, lambda: where)
        reporter.say(f"The faults and the old captions are listed in {listed}.")
        return FixResult(quality, summary, plan.output.path, listed)
    finally:
        plan.serving.cleanup()


def _rejecting(plan: Plan, asked: CaptionRequirements, quality: QualityReport) -> Plan:
    """The plan with the checks; where no answer is sound, none takes the place of what is there."""
    rejects = replace(plan.reject_policy, then="fail", mark=mark_of(asked, plan.reject_policy.mark))
    return replace(plan, checks=_checks(asked, quality, plan), reject_policy=rejects)


def _fault_list(options: CheckOptions, data: CaptionedDataset, plan: Plan) -> Path:
    """Where the faults and the old captions are listed; a former list of sidecars is kept."""
    listed = Path(options.faults_file or plan.output.files.faults)
    if options.faults_file is None:
        make_folder(listed.parent)
        refuse_link(listed)
    if data.sidecar is not None and listed.exists():
        listed.rename(free_name(listed))  # what it lists stands nowhere else any more
    return listed


def _forget_empty(listed: Path) -> None:
    """Where nothing is wrong, nothing is left behind."""
    if listed.exists() and not listed.stat().st_size:
        listed.unlink()
        with contextlib.suppress(OSError):  # something else is in it
            listed.parent.rmdir()


def _looked_at(
    look: Callable[[Note], QualityReport],
    listed: Path,
    spots: list[CaptionPosition],
    persons: PersonsCaptions,
) -> QualityReport:
    """Check the dataset: list each fault in the file `listed`, and where it stands in `spots`."""

    def note(faults: Iterable[Fault]) -> None:
        noted = list(faults)
        write(noted)
        where = (position_of(fault) for fault in noted if not persons.leaves(fault))
        spots.extend(spot for spot, _ in itertools.groupby(where))  # one may have several faults

    with list_faults(str(listed)) as write:
        quality = look(note)
    if quality.unreadable:
        raise UsageError(
            f"{quality.name}: rows that cannot be read would be lost; repair them before --fix"
        )
    spots.sort()
    return quality


def _questions(plan: Plan) -> str:
    """What is asked, for a person to see before it is paid for."""
    by_column = cast("_Requests", plan.requests_of).by_column.values()
    prompts = [prompt for requests in by_column for prompt in requests.prompts]
    asked = (str(prompt.template or prompt.sent_question or DEFAULT_QUESTION) for prompt in prompts)
    return ", ".join(f"“{clipped(question)}”" for question in dict.fromkeys(asked))


def _checks(asked: CaptionRequirements, quality: QualityReport, plan: Plan) -> list[Check]:
    """The checks of the new captions; they know those that the dataset has."""
    by_column = cast("_Requests", plan.requests_of).by_column.values()
    if any(prompt.template is not None for requests in by_column for prompt in requests.prompts):
        # what the question says about each picture, a true caption may say again
        asked = replace(asked, disabled=asked.disabled | {"echo"})
    checks = checks_for(asked)
    seen = [report.repeated for report in quality.columns.values() if report.repeated is not None]
    if len(seen) == 1:  # of several columns nobody could tell which it is
        checks["repeated"] = seen[0]
    return [*checks.values()]


def fixing_plan(
    choices: CheckOptions,
    data: CaptionedDataset,
    spots: Sequence[CaptionPosition],
    reporter: Reporter,
) -> Plan:
    """The plan of a run that asks for the captions at `spots` again; see `planning.plan_of`.

    Args:
        choices: The arguments.
        data: The dataset, as it was checked.
        spots: Where the faulty captions stand, in the order of the rows.
        reporter: Who hears of what looks like a mistake.

    Raises:
        UsageError: the arguments contradict each other, or the dataset cannot be written.
        StopRunError: the engine cannot be had.
    """
    target = target_of(choices, data)
    shared = shared_values(choices, CaptionOptions)
    given = {k: v for k, v in shared.items() if k not in {"output", "output_key", "sidecar"}}
    plan = plan_of(CaptionOptions(source=choices.output, output=str(target), **given), reporter)
    data = replace(data, reader=whole_dataset(choices, data))
    requests = cast("RowRequests", plan.requests_of)
    has_meta, has_provenance = (
        all(f"{column}{ending}" in data.names for column in data.columns)
        for ending in ("_meta", "_provenance")
    )
    return replace(
        plan,
        reader=FaultyCaptions(data.reader, spots),
        requests_of=_Requests(data, _by_column(requests, data), sampling_of(plan.serving)),
        output=replace(
            plan.output,
            columns=[Column(CAPTION_KEY)],
            open_writer=patch_writer(
                choices, data, target, {"_meta": has_meta, "_provenance": has_provenance}
            ),
            read_back=read_back_of(choices, data, target, spots),
            overwrite=True,
            has_meta=has_meta,
            has_provenance=has_provenance,
            cell_of=lambda row: tuple(row.raw.spot),
        ),
        needs=(),
        questions=dict.fromkeys([CAPTION_KEY], *plan.questions.values())
        if len(plan.questions) == 1
        else {},
        fingerprint=None,  # which captions are asked for depends on more than what it is made of
    )


def _by_column(requests: RowRequests, data: CaptionedDataset) -> dict[str, RowRequests]:
    """What asks for the captions of each column.

    Raises:
        UsageError: it is not known for each.
    """
    prompts = {prompt.name: prompt for prompt in requests.prompts}
    if len(data.columns) == len(prompts) == 1:
        prompts = dict.fromkeys(data.columns, *prompts.values())
    missing = [column for column in data.columns if column not in prompts]
    if missing:
        raise UsageError(
            f"nothing is said of what to ask for the column {missing[0]!r}: each column has its "
            "own question; name them with --prompt-file"
        )
    return {column: replace(requests, prompts=[prompts[column]]) for column in data.columns}


@dataclass(frozen=True, slots=True)
class _Requests:
    """Makes the request of each faulty caption; see `Plan.requests_of`."""

    data: CaptionedDataset
    by_column: Mapping[str, RowRequests]
    sampling: Mapping[str, Any]

    def __call__(self, row: Row) -> list[Request | RowError]:
        spot, whole = row.raw.spot, row.raw.row
        requests = self.by_column[spot.column]
        value = whole.fields.get(spot.column)
        if is_talk(value):
            fields = {**whole.fields, spot.column: messages_before(value, spot.number)}
            requests = replace(requests, conversation_key=spot.column)
            whole, number = replace(whole, fields=fields), 0
        else:
            number = spot.number
        (made,) = requests(whole)
        if isinstance(made, Request):
            # what was found faulty is judged by the very checks that found it so
            made = replace(numbered(made, number, self.sampling.get("seed")), checks=None)
        return [made]
