"""The output of a run, read back."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.planning.output import files_of
from dataflow.app.planning.source import input_of, read_options, sidecar_files
from dataflow.core.row import Row
from dataflow.formats.base.affixes import NO_AFFIXES
from dataflow.formats.folder.sidecar import FIELD
from dataflow.formats.registry import open_reader
from dataflow.remote.path import AnyPath


def rows_written(choices: CaptionOptions, target: AnyPath) -> Iterator[Row]:
    """The rows of the finished output, numbered from 0, each caption under its column's name.

    Raises:
        InputError: The output cannot be read back.
    """
    if choices.sidecar is not None and choices.output is None:
        readable = replace(sidecar_files(choices, "overwrite"), affixes=NO_AFFIXES)
        reader = input_of(choices).open(read_options(choices, readable))
        for index, row in enumerate(reader.rows()):
            fields = {**row.fields, choices.output_key: row.fields.get(FIELD)}
            yield replace(row, index=index, fields=fields)
        return
    readers = (
        open_reader(file, picture_key=choices.image_key) for file in files_of(choices, target)
    )
    rows = itertools.chain.from_iterable(reader.rows() for reader in readers)
    for index, row in enumerate(rows):
        yield replace(row, index=index)
