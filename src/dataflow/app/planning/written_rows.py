"""The output of a run, read back."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.planning.output import files_of
from dataflow.app.planning.source import Source
from dataflow.core.row import Row
from dataflow.engine.edits import machine_captions
from dataflow.engine.journal.written_table import exact_digest
from dataflow.engine.paths import SideFiles
from dataflow.engine.plan import ChangedRow
from dataflow.formats.folder.sidecar import SidecarFiles
from dataflow.formats.registry import open_reader
from dataflow.formats.text.csv_file import before_inert
from dataflow.remote.path import AnyPath, is_remote


def rows_written(choices: CaptionOptions, target: AnyPath) -> Iterator[Row]:
    """The rows of the finished output, numbered from 0, each caption under its column's name.

    Raises:
        InputError: The output cannot be read back.
    """
    readers = (
        open_reader(file, picture_key=choices.image_key) for file in files_of(choices, target)
    )
    rows = itertools.chain.from_iterable(reader.rows() for reader in readers)
    for index, row in enumerate(rows):
        fields = row.fields
        if choices.csv_safe:
            fields = {
                name: before_inert(value) if isinstance(value, str) else value
                for name, value in fields.items()
            }
        if choices.output_key not in fields and isinstance(
            talk := fields.get("conversations"), list
        ):
            fields = {**fields, choices.output_key: _last_answer(talk)}  # LLaVA's format
        yield replace(row, index=index, fields=fields)


def _last_answer(talk: list[Any]) -> str | None:
    """What the model says last in a conversation of LLaVA's format."""
    answers = [turn.get("value") for turn in talk if isinstance(turn, dict)]
    roles = [turn.get("from") for turn in talk if isinstance(turn, dict)]
    is_answered = bool(roles) and roles[-1] in ("gpt", "assistant")
    return answers[-1] if is_answered and isinstance(answers[-1], str) else None


def changed_sidecars(choices: CaptionOptions, source: Source) -> Iterator[ChangedRow]:
    """The rows whose sidecars somebody changed since a run wrote them.

    Raises:
        InputError: The dataset or a sidecar cannot be read.
        OutputError: What is known of the sidecars cannot be read or kept.
    """
    sidecars, column = source.sidecars, choices.output_key
    if sidecars is None or sidecars.originals is None or sidecars.originals.is_empty():
        return
    fixed = _fixed_captions(choices)
    for row in source.reader.rows():
        picture = row.fields[source.columns.picture]
        change = sidecars.change(picture)
        if change is None:
            continue
        take_in = functools.partial(_take_in, sidecars, picture, column)
        if change.is_deleted:
            yield ChangedRow(row, None, take_in)
        elif change.text is None:
            sidecars.take_in(picture, None)
        else:
            captions = _captions(change.text, choices.n)
            texts = [captions] if isinstance(captions, str) else captions
            is_fixed = {exact_digest(text) for text in texts if text} <= fixed
            yield ChangedRow(row, {column: captions}, take_in, is_fixed=is_fixed)


def fixed_place(folder: Path) -> Path:
    """Where ``check --fix`` has its journal for the sidecars in `folder`."""
    return folder.with_name(f"{folder.resolve().name}.fixed.jsonl")


def _fixed_captions(choices: CaptionOptions) -> set[bytes]:
    """The digests of what engines answered to ``check --fix``; none where it never ran."""
    if is_remote(choices.source):
        return set()
    journal = SideFiles(fixed_place(Path(choices.source))).journal
    return machine_captions(journal) if journal.exists() else set()


def _take_in(
    sidecars: SidecarFiles, picture: str, column: str, captions: Mapping[str, Any]
) -> None:
    found = captions.get(column)  # nothing of a file that was deleted
    if isinstance(found, list):  # as the writer leaves out those that failed
        found = [one for one in found if one is not None]
    sidecars.take_in(picture, found or "")


def _captions(text: str, n: int) -> str | list[str | None]:
    """The captions of a sidecar, one a line; what is more than `n` stays with the last."""
    if n == 1:
        return text
    lines: list[str | None] = [*text.split("\n", n - 1)]
    return lines + [None] * (n - len(lines))
