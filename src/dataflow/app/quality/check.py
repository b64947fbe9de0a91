"""Check the captions of a dataset: options in, a quality report out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dataflow.app.options.commands.check import CheckOptions
from dataflow.app.planning.consistency import check_consistency, check_without_fix
from dataflow.app.planning.requirements import given_of, wanted_of
from dataflow.app.quality.faults import Note, list_faults
from dataflow.app.reporter import SILENT, Reporter
from dataflow.checks.dataset.changes import changes_between
from dataflow.checks.dataset.near_duplicates import KEPT
from dataflow.checks.dataset.report import (
    MOST_EXAMPLES,
    CaptionChanges,
    ChangedCaption,
    DatasetReport,
    NearDuplicateGroups,
    QualityReport,
)
from dataflow.checks.dataset.scan import Caption, ChunkScanner
from dataflow.checks.suite import CaptionRequirements
from dataflow.core.errors import InputError, UsageError
from dataflow.core.text import path_text
from dataflow.formats.existing_captions import CaptionedDataset, open_captions
from dataflow.operators.core_vision.preset import preset_of
from dataflow.operators.core_vision.prompts import Prompt, read_prompts
from dataflow.operators.core_vision.structured import read_schema


@dataclass(frozen=True, slots=True, repr=False)
class CheckResult:
    """What `check` found.

    Attributes:
        quality: Counts, lengths, languages and duplicates of each column, with the faults.
    """

    quality: QualityReport

    @property
    def is_sound(self) -> bool:
        """Whether no caption has a fault."""
        return self.quality.is_sound

    def __repr__(self) -> str:
        found = [
            f"{report.faulty:,} of {report.captions:,} captions in {name!r} have a fault"
            for name, report in self.quality.columns.items()
        ]
        return f"<CheckResult of {self.quality.name}: {', '.join(found)}>"


def check(options: CheckOptions, reporter: Reporter = SILENT) -> CheckResult:
    """Check the captions of a dataset. Nothing is changed; see `fix` for that.

    Args:
        options: The dataset, and what its captions must be.
        reporter: Who shows the work and the report.

    Raises:
        UsageError: The options are wrong or contradict each other.
        StopRunError: The dataset cannot be read, or a package is missing.
    """
    check_without_fix(options)
    check_consistency(options)
    asked, data = asked_of(options), opened(options)
    former = None if options.before is None else _former(options, options.before, data)
    with list_faults(options.faults_file) as note:
        quality = looked_at(options, asked, data, note, reporter)
    if former is not None:
        quality.changes = _changes(former, options, data, asked, reporter)
    reporter.quality(quality)
    return CheckResult(quality)


def _former(options: CheckOptions, before: str, data: CaptionedDataset) -> CheckOptions:
    """The options for the former state of the dataset.

    Raises:
        UsageError: It is the dataset itself.
    """
    if os.path.abspath(before) == os.path.abspath(options.output):  # noqa: PTH100
        raise UsageError(f"--before {before} is the dataset itself; name its former state")
    return replace(options, output=before, output_key=list(data.columns), before=None)


def _changes(
    former: CheckOptions,
    options: CheckOptions,
    data: CaptionedDataset,
    asked: CaptionRequirements,
    reporter: Reporter,
) -> CaptionChanges:
    """What changed since the former state, with the first captions that did.

    Raises:
        StopRunError: As `check`.
    """
    was = opened(former)
    report = looked_at(former, asked, was, lambda _: None, reporter)

    def captions(data: CaptionedDataset, options: CheckOptions) -> Iterator[Caption]:
        folder = os.path.join(options.output, "")  # noqa: PTH118 (names may be odd)
        for caption in captions_of(data, options, QualityReport("", {})):
            yield caption._replace(picture=caption.picture.removeprefix(folder))

    changes, examples = changes_between(captions(was, former), captions(data, options), report)
    for number, caption in enumerate(captions(was, former)):
        if len(changes.examples) == len(examples):
            break
        if number in examples:
            changes.examples.append(ChangedCaption(caption, examples[number]))
    return changes


def asked_of(choices: CheckOptions) -> CaptionRequirements:
    """What the captions have to be: as the arguments say, and the preset where they do not.

    Raises:
        UsageError: there is no such preset, it contradicts the arguments, or the schema cannot be
            read.
    """
    schema = None if choices.schema is None else read_schema(choices.schema)
    asked = wanted_of(choices, plain=True, max_duplicates=3, schema=schema)
    if choices.preset is None:
        return asked
    return preset_of(choices.preset).asked(given_of(choices), asked)


def looked_at(
    choices: CheckOptions,
    asked: CaptionRequirements,
    data: CaptionedDataset,
    note: Note,
    reporter: Reporter,
) -> QualityReport:
    """The report; each fault is handed to `note`.

    Raises:
        StopRunError: As `check`.
    """
    kept = KEPT // len(data.columns)
    reports = {
        name: DatasetReport(
            max_duplicates=asked.max_duplicates,
            near=NearDuplicateGroups(kept=kept) if choices.near else None,
        )
        for name in data.columns
    }
    quality = QualityReport(path_text(choices.output), reports)
    has_near = any(report.near is not None for report in reports.values())
    looks = ChunkScanner(asked, with_near=has_near, trigger=choices.trigger or "").all(
        captions_of(data, choices, quality), processes=choices.processes or os.cpu_count() or 1
    )
    count = data.reader.count()
    total = None if count is None else count * len(data.columns)
    with reporter.count("checking", total) as advance:
        for captions, look in looks:
            note(reports[captions[0].column].add(captions, look))
            advance(len(captions))
    for reason, number in data.reader.skipped.passed_over.items():
        reporter.say(f"{number:,} {reason}", is_warning=True)
    quality.unreadable = data.reader.skipped.count
    quality.examples = [row.message for row in data.reader.skipped.listed[:MOST_EXAMPLES]]
    return quality


def captions_of(
    data: CaptionedDataset, choices: CheckOptions, quality: QualityReport
) -> Iterator[Caption]:
    """The captions of a dataset; its rows are counted in `quality`.

    Raises:
        InputError: the dataset cannot be read.
    """
    prompts = _prompts(choices, data)
    for row in data.reader.rows():
        quality.rows += 1
        picture = row.fields.get(choices.image_key)
        if isinstance(picture, dict):
            picture = picture.get("path")
        name = picture if isinstance(picture, str) else ""
        for column in data.columns:
            for found in data.of(row, column):
                yield Caption(
                    row.index,
                    row.source,
                    found.text,
                    name,
                    column,
                    found.number,
                    found.prompts or prompts[column],
                )


def _prompts(choices: CheckOptions, data: CaptionedDataset) -> dict[str, tuple[str, ...]]:
    """What was asked for each column, as far as the arguments tell."""
    own = (
        {}
        if choices.prompt_file is None
        else {p.name: p for p in read_prompts(choices.prompt_file)}
    )
    found = {}
    for column in data.columns:
        prompt = own.get(column) or Prompt(
            column, preset=choices.preset, question=choices.prompt, system=choices.system_prompt
        )
        system = choices.system_prompt if prompt.sent_system is None else prompt.sent_system
        found[column] = tuple(text for text in (system, prompt.sent_question) if text)
    return found


def opened(choices: CheckOptions) -> CaptionedDataset:
    """The dataset.

    Raises:
        UsageError: what was named on the command line is wrong.
    """
    columns: Sequence[str] = choices.output_key or ()
    if choices.prompt_file is not None and not columns:
        columns = [prompt.name for prompt in read_prompts(choices.prompt_file)]
    try:
        return open_captions(
            choices.output,
            columns=columns,
            picture_key=choices.image_key,
            sidecar=choices.sidecar,
            is_whole=choices.schema is not None,
        )
    except InputError as error:  # nothing has begun yet
        raise UsageError(error.message) from error
