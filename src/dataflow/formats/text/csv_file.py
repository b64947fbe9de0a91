"""CSV (RFC 4180, comma) and TSV (the same with tabs), UTF-8, with a header line.

Every value is the string between its separators, nothing else: ``00123`` stays ``00123``. The
output quotes only what needs it and ends lines with LF.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from dataflow.core.errors import InputError, OutputError
from dataflow.core.row import Row
from dataflow.formats.base.json_rows import exact, members
from dataflow.formats.base.json_values import cell, utf8_safe
from dataflow.formats.base.reading import (
    UTF8_MARK,
    FileReader,
    not_utf8,
    open_text,
    unreadable,
    wrong_at,
)
from dataflow.formats.base.writer_context import WriterContext
from dataflow.formats.base.writing import AtomicFile, FileWriter

_LARGEST_FIELD = 2**31 - 1  # characters; the csv module's own limit is 128 KiB for the process


class CsvReader(FileReader):
    """The rows of a CSV file. CRLF, a byte order mark and blank lines are tolerated."""

    delimiter = ","

    def rows(self) -> Iterator[Row]:
        """The rows in order, every value a string.

        Raises:
            InputError: quotes are not closed, the header names a column twice, or, where such rows
                are not to be skipped, a row has more or fewer fields than the header or is not
                UTF-8; the message names the line.
        """
        on_bad_row = self._begin()
        with open_text(self.path) as file:
            records = self._records(file)
            header = self._header(records)
            index = 0
            for record in records:
                try:
                    fields = dict(zip(header, self._values(record, header), strict=True))
                except InputError as error:
                    on_bad_row(error)
                    continue
                yield Row(index=index, fields=fields, source=record.where)
                index += 1

    def column_names(self) -> list[str]:
        """The names in the header line.

        Raises:
            InputError: the header cannot be read.
        """
        with open_text(self.path) as file:
            return self._header(self._records(file))

    def _records(self, file: BinaryIO) -> Iterator[_Record]:
        """Each record that is not a blank line."""
        csv.field_size_limit(_LARGEST_FIELD)
        wrong: list[int] = []
        lines = self._lines(file, wrong)
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
        while True:
            where = f"{self.name}, line {reader.line_num + 1}"
            try:
                values = next(reader, None)
            except csv.Error as error:
                raise wrong_at(where, f"invalid CSV ({error})") from error
            if values is None:
                return
            if values:
                yield _Record(where, values, wrong[0] if wrong else None)
            wrong.clear()

    def _lines(self, file: BinaryIO, wrong: list[int]) -> Iterator[str]:
        """The lines; the numbers of those that are not UTF-8 are appended to `wrong`."""
        try:
            for number, line in enumerate(file, start=1):
                data = line.removeprefix(UTF8_MARK) if number == 1 else line
                try:
                    text = data.decode("utf-8")
                except UnicodeDecodeError:
                    wrong.append(number)
                    text = data.decode("utf-8", "replace")  # separators and quotes stay
                yield text
        except OSError as error:
            raise unreadable(self.path, error) from error

    def _values(self, record: _Record, header: Sequence[str]) -> list[str]:
        if record.not_utf8 is not None:
            raise not_utf8(f"{self.name}, line {record.not_utf8}")
        if len(record.values) != len(header):
            raise wrong_at(
                record.where,
                f"{len(record.values)} fields, but the header names {len(header)}; "
                "put quotes around a value that holds a separator or a line break",
            )
        return record.values

    def _header(self, records: Iterator[_Record]) -> list[str]:
        record = next(records, _Record(self.name, []))
        header = self._values(record, record.values)
        twice = [name for name in header if header.count(name) > 1]
        if twice:
            raise wrong_at(record.where, f"two columns are named {twice[0]!r}; rename one")
        if any("\0" in name for name in header):
            raise wrong_at(record.where, "a column's name holds a NUL character; this is no CSV")
        return header


@dataclass(frozen=True, slots=True)
class _Record:
    """A line of the table as it was read; `not_utf8` is the line that is not, or None."""

    where: str
    values: list[str]
    not_utf8: int | None = None


class TsvReader(CsvReader):
    """The rows of a tab-separated file."""

    delimiter = "\t"


class CsvWriter(FileWriter):
    """A CSV file being written.

    A row without one of the columns gets an empty cell there. What each kind of value becomes is
    said in `plain_value.cell`; numbers that come from JSON keep their digits.

    Args:
        file: The file.
        source: Tells the header; where rows come from nowhere, the first has all columns.

    Raises:
        InputError: the source cannot be read.
    """

    delimiter = ","

    def __init__(self, file: AtomicFile, source: WriterContext) -> None:
        super().__init__(file)
        self._csv = csv.writer(_Lines(file), delimiter=self.delimiter)
        self._added = source.added
        self._names: dict[str, None] | None = None
        if source.names is not None:
            self._write_header([*source.names, *source.added])

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Append one row; see `core.dataset.Writer`.

        Raises:
            OutputError: the row has a column that the header has not, or a value has no text.
        """
        names = self._names
        if names is None:
            names = self._write_header([*row.fields, *self._added, *added])
        unknown = (row.fields.keys() | added.keys()) - names.keys()
        if unknown:
            raise OutputError(
                f"{row.source}: the column {min(unknown)!r} is not in the header; write .jsonl "
                "where rows have different columns"
            )
        try:
            cells = {**_cells(row), **{name: cell(value) for name, value in added.items()}}
        except (TypeError, ValueError) as error:
            raise OutputError(f"{row.source}: cannot be written as CSV: {error}") from error
        self._csv.writerow([utf8_safe(cells.get(name, "")) for name in names])

    def close(self) -> None:
        """Finish the file."""
        if self._names is None:
            self._write_header(self._added)
        super().close()

    def _write_header(self, names: Sequence[str]) -> dict[str, None]:
        self._names = dict.fromkeys(names)
        if names:
            self._csv.writerow([utf8_safe(name) for name in self._names])
        return self._names


class TsvWriter(CsvWriter):
    """A tab-separated file being written."""

    delimiter = "\t"


class _Lines:
    """Where the csv module writes its lines.

    It must believe in CRLF, else (before Python 3.13) it leaves a lone CR in a value unquoted.
    """

    def __init__(self, file: AtomicFile) -> None:
        self._file = file

    def write(self, line: str) -> None:
        self._file.write(line[:-2].encode("utf-8") + b"\n")


def _cells(row: Row) -> dict[str, str]:
    if not isinstance(row.raw, bytes) or all(isinstance(v, str) for v in row.fields.values()):
        return {name: cell(value) for name, value in exact(row).items()}
    # The row came as JSON: 1.10 and 1e400 keep their digits when their own text is taken.
    text = row.raw.decode("utf-8")
    cells = {}
    for name, start, end in members(text):
        value = row.fields[name]
        cells[name] = value if isinstance(value, str) else text[start:end]
        if value is None:
            cells[name] = ""
    return cells
