"""A dataset of any origin with the words that people gave its captions: a copy, or in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dataflow.app.options.commands.check import CheckOptions
from dataflow.app.options.commands.edits import EditsOptions
from dataflow.app.planning.run_options import options_of_run
from dataflow.app.quality.check import opened
from dataflow.app.quality.patch_writer import patch_writer, target_of, whole_dataset
from dataflow.core.errors import UsageError
from dataflow.core.row import Row
from dataflow.engine.edits import in_force_of
from dataflow.engine.journal.decisions import Decision
from dataflow.engine.journal.read_only import JournalView
from dataflow.engine.paths import SideFiles
from dataflow.formats.caption_patch import CAPTION_KEY, CaptionPosition, Faulty
from dataflow.formats.existing_captions import CaptionedDataset
from dataflow.review.items import PlannedKeys, keyed_captions


@dataclass(frozen=True, slots=True)
class WrittenEdits:
    """What was written.

    Attributes:
        count: Captions with a person's words, or that a person rejected and that are empty now.
        place: Where, for people.
    """

    count: int
    place: str


def write_edits(options: EditsOptions) -> WrittenEdits:
    """Write a dataset with its edits; all else in it stays as it is.

    Args:
        options: The dataset, and `write` for a copy or `in_place`.

    Raises:
        UsageError: The dataset cannot be written so.
        InputError: It cannot be read.
        OutputError: The disk does not take it.
        JournalError: The journal cannot be read.
    """
    source = Path(options.output)
    journal = SideFiles(source).journal
    choices = CheckOptions(output=options.output, fixed=options.write)
    data = opened(choices)
    _check(options, data, journal)
    data = replace(data, reader=whole_dataset(choices, data))
    target = source if options.in_place else target_of(choices, data)
    part = target.with_name(target.name + ".part")
    writer = patch_writer(choices, data, target)(part)
    count = 0
    try:
        for number, (position, row, text) in enumerate(_edited(data, choices.image_key, journal)):
            writer.write(
                Row(number, row.fields, row.source, Faulty(position, row)), {CAPTION_KEY: text}
            )
            count += 1
        writer.close()
        writer.commit(target)
    except BaseException:
        writer.discard()
        raise
    beside = f"*{data.sidecar} beside the pictures"
    return WrittenEdits(count, beside if data.sidecar else str(target))


def _check(options: EditsOptions, data: CaptionedDataset, journal: Path) -> None:
    if not journal.exists():
        raise UsageError(f"nobody decided on a caption of {options.output}")
    if options.write is not None and options.in_place:
        raise UsageError("--write makes a copy and --in-place does not; give one of them")
    if data.sidecar is not None and not options.in_place:
        raise UsageError("the captions are files beside the pictures: give --in-place")
    if options.in_place and options_of_run(journal) is not None:
        raise UsageError(
            f"{options.output} was made by a run, which keeps the edits: dataflow write "
            f"{options.output} writes them"
        )


def _edited(
    data: CaptionedDataset, picture_key: str, journal: Path
) -> Iterator[tuple[CaptionPosition, Row, str]]:
    """Each caption that a person edited or rejected, in the order of the rows."""
    decisions: Mapping[tuple[bytes, str], Decision] = in_force_of(journal)
    planned = PlannedKeys(JournalView(journal).planned_captions())
    for key, row, column, found in keyed_captions(data, picture_key, planned):
        decision = decisions.get((key, column))
        if decision is None or decision.kind not in ("edit", "reject"):
            continue
        text = decision.caption(found.text) or ""
        if text != found.text:
            yield CaptionPosition(row.index, column, found.number), row, text
