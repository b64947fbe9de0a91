"""What the pipeline asks of a dataset format: a reader of rows and a writer of rows."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from dataflow.core.errors import InputError
from dataflow.core.row import Row

FIRST_ROWS = 1000
"""Rows at the start among which a column must be found."""

MAX_LISTED = 10_000
"""So many bad rows are kept by name; the others are only counted."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read and was left out.

    Attributes:
        source: Where it stands: ``"data.jsonl, line 12, column 3"``.
        message: What is wrong with it.
    """

    source: str
    message: str


@dataclass(slots=True)
class Skipped:
    """The rows that one pass over a dataset left out.

    Attributes:
        listed: The first `MAX_LISTED` of them.
        count: All of them.
        passed_over: How many files, folders or members were no rows at all, by the reason in
            words: ``"masks beside their pictures"`` → 2.
    """

    listed: list[BadRow] = field(default_factory=list)
    count: int = 0
    passed_over: dict[str, int] = field(default_factory=dict)

    def add(self, error: InputError) -> None:
        """Note the row that `error` tells of."""
        self.count += 1
        if len(self.listed) < MAX_LISTED:
            self.listed.append(BadRow(error.source, error.message))

    def pass_over(self, reason: str, number: int = 1) -> None:
        """Count `number` things that are no rows, for `reason`."""
        self.passed_over[reason] = self.passed_over.get(reason, 0) + number

    def merge(self, other: Skipped) -> None:
        """Add what another pass left out."""
        self.count += other.count
        self.listed += other.listed[: MAX_LISTED - len(self.listed)]
        for reason, number in other.passed_over.items():
            self.pass_over(reason, number)


class Reader(Protocol):
    """A dataset that can be read from the start, as often as needed, in constant memory."""

    @property
    def skipped(self) -> Skipped:
        """What the latest call of `rows` left out so far."""
        ...

    def rows(self) -> Iterator[Row]:
        """The rows in order; each call starts again at row 0.

        Raises:
            InputError: naming file and line or row, where the dataset cannot be read.
        """
        ...

    def count(self) -> int | None:
        """The number of rows where it is known without reading the data, else None."""
        ...

    def column_names(self) -> list[str] | None:
        """The columns where they are known without reading the data, else None."""
        ...

    def folder(self) -> str:
        """The folder that relative picture paths in the data are first looked up in."""
        ...


@runtime_checkable
class NoticeReader(Protocol):
    """A reader that knows something which a person should hear before anything is asked."""

    def notices(self) -> list[str]:
        """One sentence each; empty where there is nothing to say.

        Raises:
            InputError: the dataset cannot be read.
        """
        ...


@runtime_checkable
class MultiFileReader(Protocol):
    """A reader of several files."""

    @property
    def files(self) -> Sequence[Any]:
        """The reader of each file, in order."""
        ...


@runtime_checkable
class ColumnSelectingReader(Protocol):
    """A reader that need not read every column."""

    columns: tuple[str, ...] | None
    """The only columns that are read; None for all."""


@runtime_checkable
class CaptionedFolderReader(Protocol):
    """A reader of pictures, some of which have a caption already and make no row."""

    left: int
    """Pictures that the latest pass left as they are, because they have a caption."""


def notices_of(reader: object) -> list[str]:
    """What a person should hear about the dataset before anything is asked.

    Raises:
        InputError: the dataset cannot be read.
    """
    return reader.notices() if isinstance(reader, NoticeReader) else []


def first_rows(reader: Reader) -> Iterator[Row]:
    """The first `FIRST_ROWS` rows.

    Raises:
        InputError: the dataset cannot be read.
    """
    rows = reader.rows()
    try:
        yield from itertools.islice(rows, FIRST_ROWS)
    finally:
        if isinstance(rows, Generator):
            rows.close()


class Writer(Protocol):
    """A dataset being written beside its place; the rows come in order."""

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Append `row` with its fields untouched and `added` (name → JSON value) at their end.

        A name that the row has already is replaced where it stands.

        Raises:
            OutputError: the value or the disk does not allow it.
        """
        ...

    def close(self) -> None:
        """Make what was written whole and durable. Never called after a failure."""
        ...

    def commit(self, target: Any) -> None:
        """Let what was written take its place, after `close`.

        Args:
            target: The output as its user named it: a `Path`, or a file of a store.

        Raises:
            OutputError: the disk does not allow it.
        """
        ...

    def discard(self) -> None:
        """Remove what is not in its place yet; may be called at any time. Never raises."""
        ...
