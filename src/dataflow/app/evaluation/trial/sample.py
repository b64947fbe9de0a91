"""A sample of a dataset, as a small dataset of its own: the same for every model that is tried."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow.app.evaluation.opening import PictureFiles
from dataflow.app.evaluation.output.files import write_rows
from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.evaluation.trial import TrialOptions
from dataflow.app.options.option import names_of
from dataflow.app.options.source import SourceOptions
from dataflow.app.planning.source import input_of, open_source
from dataflow.core.errors import RowError, UsageError
from dataflow.core.row import Row
from dataflow.images.reference import parse_reference

IMAGE = "image"


@dataclass(frozen=True, slots=True)
class TrialSample:
    """The sample.

    Attributes:
        path: The dataset of the sample, JSON Lines; pictures are in ``image``.
        rows: How many rows it has.
        of: How many rows the whole dataset has.
    """

    path: Path
    rows: int
    of: int


def draw_sample(options: TrialOptions, folder: Path) -> TrialSample:
    """Draw the sample; the same seed draws the same rows of the same dataset.

    Raises:
        UsageError: There is no such dataset, or it has no rows.
        InputError: It cannot be read.
    """
    named = {name: getattr(options, name) for name in names_of(SourceOptions)}
    path = folder / "sample.jsonl"
    choices = CaptionOptions(**named, source=options.source, output=str(folder / "whole.jsonl"))
    source = open_source(choices, input_of(choices), path)
    folders = [source.reader.folder(), os.curdir]
    rows, count = _reservoir(source.reader.rows(), options)
    if not rows:
        raise UsageError(f"{options.source} has no rows")
    pictures = PictureFiles(folder / "pictures")

    def written() -> Iterator[dict[str, Any]]:
        for row in rows:
            fields = dict(row.fields)
            picture = fields.pop(source.columns.picture, None)
            yield {IMAGE: _named(picture, folders, pictures), **_plain(fields)}

    return TrialSample(path, write_rows(path, written()), count)


def _reservoir(rows: Iterator[Row], options: TrialOptions) -> tuple[list[Row], int]:
    """Rows drawn in one pass (Vitter's algorithm R, ACM TOMS 11, 1985), in the dataset's order."""
    rng = random.Random(options.seed)
    kept: list[Row] = []
    count = 0
    for count, row in enumerate(rows, 1):
        if options.limit is not None and count > options.limit:
            count -= 1
            break
        if len(kept) < options.sample:
            kept.append(row)
        elif (at := rng.randrange(count)) < options.sample:
            kept[at] = row
    return sorted(kept, key=lambda row: row.index), count


def _named(value: Any, folders: list[str], pictures: PictureFiles) -> Any:
    """A row's picture or pictures as a row of the sample names them."""
    try:
        names = [pictures.named(ref) for ref in parse_reference(value, folders)]
    except RowError:
        return value if isinstance(value, str) else None  # the run says what is wrong with it
    return names[0] if len(names) == 1 else names or None


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """What JSON can hold of a row's other fields, under names that the trial does not use."""
    kept = {}
    for name, value in fields.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            continue
        if name != IMAGE:
            kept[name] = value
    return kept
