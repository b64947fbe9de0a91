"""A dataset of which some captions are made anew, while all else stays as it is.

Who makes them sees a dataset of these captions alone, a row each (`FaultyCaptions`); what comes of
them is put in its place among all others (`CaptionPatchWriter`).
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dataflow.core.errors import InputError
from dataflow.core.protocols.dataset import Reader, Skipped, Writer
from dataflow.core.row import Row
from dataflow.formats.base.affixes import NO_AFFIXES, CaptionAffixes
from dataflow.formats.existing_captions import CaptionedDataset, with_caption

CAPTION_KEY = "caption"
"""The name under which new captions come, whatever the dataset's columns are called."""


class CaptionPosition(NamedTuple):
    """Where a caption stands.

    Attributes:
        row: The row, from 0.
        column: The column.
        number: Which of the captions there it is, from 0.
    """

    row: int
    column: str
    number: int


@dataclass(frozen=True, slots=True)
class Faulty:
    """What `Row.raw` of such a caption's row is.

    Attributes:
        spot: Where the caption stands.
        row: The row of the dataset.
    """

    spot: CaptionPosition
    row: Row


class FaultyCaptions:
    """Some of a dataset's captions as a dataset of their own.

    Args:
        reader: The dataset.
        spots: Where they stand, in the order of the rows.
    """

    def __init__(self, reader: Reader, spots: Sequence[CaptionPosition]) -> None:
        self._reader = reader
        self._spots = spots

    @property
    def skipped(self) -> Skipped:
        """See `core.dataset.Reader`."""
        return self._reader.skipped

    def rows(self) -> Iterator[Row]:
        """A row for each caption, with the fields of the row that it stands in.

        Raises:
            InputError: the dataset cannot be read.
        """
        rows = self._reader.rows()
        at = 0
        try:
            while at < len(self._spots):
                row = next(rows)
                while at < len(self._spots) and self._spots[at].row == row.index:
                    yield Row(at, row.fields, row.source, Faulty(self._spots[at], row))
                    at += 1
        except StopIteration:
            raise InputError(
                f"the dataset has no row {self._spots[at].row} any more; check it anew"
            ) from None
        finally:
            if isinstance(rows, Generator):
                rows.close()

    def count(self) -> int:
        """The number of captions."""
        return len(self._spots)

    def column_names(self) -> list[str] | None:
        """The dataset's columns; see `core.dataset.Reader`."""
        return self._reader.column_names()

    def folder(self) -> str:
        """The dataset's folder; see `core.dataset.Reader`."""
        return self._reader.folder()


class CaptionPatchWriter:
    """Writes all rows of a dataset; those of `FaultyCaptions` with their new captions.

    A caption that is None leaves the old one where it is.

    Args:
        writer: What writes the dataset.
        data: The dataset.
        key: The name under which the captions come.
        writes_all: Whether rows without a new caption are written, too; sidecars need not be.
        affixes: What stands around each new caption that is a text.
    """

    def __init__(
        self,
        writer: Writer,
        data: CaptionedDataset,
        *,
        key: str,
        writes_all: bool = True,
        affixes: CaptionAffixes = NO_AFFIXES,
    ) -> None:
        self._writer = writer
        self._data = data
        self._key = key
        self._writes_all = writes_all
        self._affixes = affixes
        self._rows = data.reader.rows()
        self._row: Row | None = None
        self._new: dict[str, Any] = {}
        self._json: dict[str, bool] = {}

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Put one caption into its place; see `core.dataset.Writer`."""
        spot = row.raw.spot
        if self._row is None or self._row.index != spot.row:
            self._finish_row()
            self._row = self._skipped_to(spot.row)
        if added[self._key] is None:
            return
        old = self._data.unpacked(self._row.fields.get(spot.column))
        for name, value in added.items():
            column = spot.column + name.removeprefix(self._key)  # the caption, or its meta
            if name == self._key and self._holds_json(column):
                value = json.loads(value)
            elif name == self._key:
                text = self._affixes.add(value)
                value = with_caption(self._new.get(column, old), spot.number, text)
            elif isinstance(old, list):
                metas = list(self._new.get(column, self._row.fields.get(column)) or [])
                metas += [None] * (spot.number + 1 - len(metas))
                value = [*metas[: spot.number], value, *metas[spot.number + 1 :]]
            self._new[column] = value

    def close(self) -> None:
        """Write what is left; see `core.dataset.Writer`."""
        self._finish_row()
        for row in self._rows if self._writes_all else ():
            self._writer.write(row, {})
        self._let_go()
        self._writer.close()

    def commit(self, target: Path) -> None:
        """See `core.dataset.Writer`."""
        self._writer.commit(target)

    def discard(self) -> None:
        """See `core.dataset.Writer`."""
        self._let_go()
        self._writer.discard()

    def _holds_json(self, column: str) -> bool:
        """Whether the captions of `column` are JSON values, and no texts of such."""
        if column not in self._json:
            first = self._data.first_value(column) if self._data.is_whole else None
            self._json[column] = isinstance(first, (dict, list))
        return self._json[column]

    def _finish_row(self) -> None:
        if self._row is not None and (self._new or self._writes_all):
            self._writer.write(self._row, self._new)
        self._row, self._new = None, {}

    def _skipped_to(self, index: int) -> Row:
        """The row `index`; those before it are written as they are."""
        for row in self._rows:
            if row.index == index:
                return row
            if self._writes_all:
                self._writer.write(row, {})
        raise InputError(f"the dataset has no row {index} any more; check it anew")

    def _let_go(self) -> None:
        if isinstance(self._rows, Generator):
            self._rows.close()
