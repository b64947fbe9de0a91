"""The arguments of `dataflow check` → its report, path_text."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from rich.progress import Progress

from dataflow.app.checks import given_of, wanted_of
from dataflow.checks.dataset.near_duplicates import KEPT
from dataflow.checks.dataset.report import (
    MOST_EXAMPLES,
    DatasetReport,
    NearDuplicateGroups,
    QualityReport,
)
from dataflow.checks.dataset.scan import Caption, ChunkScanner, ChunkStats, Fault
from dataflow.checks.suite import CaptionRequirements
from dataflow.cli.display.report import as_json, as_value, show_report
from dataflow.cli.options.check import CheckOptions
from dataflow.cli.shell.console import console
from dataflow.cli.shell.streams import need_stdout, put
from dataflow.core.errors import InputError, OutputError, UsageError
from dataflow.core.text import path_text
from dataflow.formats.existing_captions import CaptionedDataset, open_captions
from dataflow.operators.core_vision.preset import preset_of
from dataflow.operators.core_vision.prompts import Prompt, read_prompts
from dataflow.operators.core_vision.structured import read_schema

Note: TypeAlias = Callable[[Iterable[Fault]], None]
"""What faults are handed to, chunk by chunk."""


def checked(choices: CheckOptions) -> bool:
    """Check a dataset and show the report; returns whether nothing is wrong.

    With ``--fix``, the faulty captions are asked for again, and it returns whether none is left.

    Raises:
        UsageError: the arguments are wrong.
        StopRunError: the dataset cannot be read, a package is missing, or the run had to stop.
    """
    if choices.json:
        need_stdout("--json")
    asked, data = asked_of(choices), opened(choices)
    if choices.fix:
        from dataflow.app.fix import fixed  # it needs the road

        return fixed(choices, asked, data, lambda note: _told(choices, asked, data, note))
    if choices.fixed or choices.api_url or choices.endpoints or choices.model or choices.vllm:
        raise UsageError("without --fix nobody is asked and nothing written: leave the others out")
    with listing(choices.listed) as note:
        return _told(choices, asked, data, note).is_sound


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


def _told(
    choices: CheckOptions, asked: CaptionRequirements, data: CaptionedDataset, note: Note
) -> QualityReport:
    quality = looked_at(choices, asked, data, note)
    if choices.json:
        put([as_json(quality)])
    else:
        show_report(quality, console)
    return quality


def looked_at(
    choices: CheckOptions, asked: CaptionRequirements, data: CaptionedDataset, note: Note
) -> QualityReport:
    """The report; each fault is handed to `note`.

    Raises:
        StopRunError: as `checked`.
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
    looks = ChunkScanner(asked, with_near=has_near).all(
        captions_of(data, choices, quality), processes=choices.processes or os.cpu_count() or 1
    )
    count = data.reader.count()
    total = None if count is None else count * len(data.columns)
    for captions, look in _watched(looks, total):
        note(reports[captions[0].column].add(captions, look))
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


@contextlib.contextmanager
def listing(path: str | None) -> Iterator[Note]:
    """What writes faults to `path`, a line each; nothing where there is no path."""
    if path is None:
        yield lambda _: None
        return
    try:
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            yield lambda faults: file.writelines(map(_line, faults))
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}; name another file with --list") from error


def _line(fault: Fault) -> str:
    return json.dumps(as_value(fault), ensure_ascii=False) + "\n"


def _watched(
    looks: Iterable[tuple[list[Caption], ChunkStats]], total: int | None
) -> Iterator[tuple[list[Caption], ChunkStats]]:
    """`looks`, with a bar for a person who watches."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("checking", total=total)
        for captions, look in looks:
            yield captions, look
            bar.advance(task, len(captions))
