"""The fixed dataset read back, for what people changed there since a run wrote it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dataflow.app.options.commands.check import CheckOptions
from dataflow.app.quality.patch_writer import whole_dataset
from dataflow.core.row import Row
from dataflow.core.text import trimmed
from dataflow.formats.caption_patch import CAPTION_KEY, CaptionPosition, Faulty, FaultyCaptions
from dataflow.formats.existing_captions import CaptionedDataset, FoundCaption


def read_back_of(
    choices: CheckOptions, data: CaptionedDataset, target: Path, spots: Sequence[CaptionPosition]
) -> Callable[[], Iterator[Row]] | None:
    """What reads the captions of the fixed dataset that a run made or a person changed.

    The rows of those at `spots` come first, numbered as in the run. The others stand in the dataset
    itself, so that what differs from it there was changed by a person.

    Returns:
        None for sidecars: nothing is at `target`, and they are read where they are.
    """
    if data.sidecar is not None:
        return None

    def opened() -> CaptionedDataset:
        return replace(data, reader=whole_dataset(replace(choices, output=str(target)), data))

    def read_back() -> Iterator[Row]:
        fixed = opened()
        for row in FaultyCaptions(fixed.reader, spots).rows():
            spot = row.raw.spot
            yield _with_caption(row, fixed.of(row, spot.column), spot.number)
        unasked = itertools.count(len(spots))
        for spot, row in _changed_elsewhere(data, opened(), frozenset(spots)):
            faulty = Row(next(unasked), row.fields, row.source, Faulty(spot, row))
            yield _with_caption(faulty, fixed.of(row, spot.column), spot.number)

    return read_back


def _with_caption(row: Row, found: Sequence[FoundCaption], number: int) -> Row:
    text = found[number].text if number < len(found) else None
    return replace(row, fields={**row.fields, CAPTION_KEY: text})


def _changed_elsewhere(
    data: CaptionedDataset, fixed: CaptionedDataset, spots: frozenset[CaptionPosition]
) -> Iterator[tuple[CaptionPosition, Row]]:
    """Where captions of `fixed` that are not at `spots` differ from those of `data`, with rows."""
    for before, row in zip(data.reader.rows(), fixed.reader.rows(), strict=False):
        for column in data.columns:
            pairs = zip(data.of(before, column), fixed.of(row, column), strict=False)
            for old, new in pairs:
                spot = CaptionPosition(row.index, column, new.number)
                if spot not in spots and trimmed(old.text) != trimmed(new.text):
                    yield spot, row
