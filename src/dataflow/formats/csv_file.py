"""CSV (RFC 4180, comma) and TSV (the same with tabs), UTF-8, with a header line.

Every value is the string between its separators, nothing else: ``00123`` stays ``00123``. The
output quotes only what needs it and ends lines with LF.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from dataflow.core.dataset import Reader
from dataflow.core.errors import InputError, OutputError
from dataflow.core.row import Row
from dataflow.formats.columns import all_columns, with_new
from dataflow.formats.input_file import UTF8_MARK, FileReader, not_utf8, open_input, unreadable
from dataflow.formats.json_text import members
from dataflow.formats.output_file import OutputFile
from dataflow.formats.plain_value import cell, utf8_safe

_LARGEST_FIELD = 2**31 - 1  # characters; the csv module's own limit is 128 KiB for the process


class CsvReader(FileReader):
    """The rows of a CSV file. CRLF, a byte order mark and blank lines are tolerated."""

    delimiter = ","

    def rows(self) -> Iterator[Row]:
        """The rows in order, every value a string.

        Raises:
            InputError: a row has more or fewer fields than the header, quotes are not closed, or
                the header names a column twice; the message names the line.
        """
        with open_input(self.path) as file:
            records = self._records(file)
            header = self._header(records)
            for index, (line, values) in enumerate(records):
                place = f"{self.name}, line {line}"
                if len(values) != len(header):
                    raise InputError(
                        f"{place}: {len(values)} fields, but the header names {len(header)}; "
                        "put quotes around a value that holds a separator or a line break"
                    )
                yield Row(index=index, fields=dict(zip(header, values, strict=True)), place=place)

    def column_names(self) -> list[str]:
        """The names in the header line.

        Raises:
            InputError: the header cannot be read.
        """
        with open_input(self.path) as file:
            return self._header(self._records(file))

    def _records(self, file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
        """Each record that is not a blank line, with the line on which it starts."""
        csv.field_size_limit(_LARGEST_FIELD)
        reader = csv.reader(self._lines(file), delimiter=self.delimiter, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                values = next(reader, None)
            except csv.Error as error:
                raise InputError(f"{self.name}, line {line}: invalid CSV ({error})") from error
            if values is None:
                return
            if values:
                yield line, values

    def _lines(self, file: BinaryIO) -> Iterator[str]:
        # Lines are decoded one by one, because an error must name its line.
        number = 0
        try:
            for number, line in enumerate(file, start=1):
                yield (line.removeprefix(UTF8_MARK) if number == 1 else line).decode("utf-8")
        except UnicodeDecodeError as error:
            raise not_utf8(f"{self.name}, line {number}") from error
        except OSError as error:
            raise unreadable(self.path, error) from error

    def _header(self, records: Iterator[tuple[int, list[str]]]) -> list[str]:
        line, header = next(records, (1, []))
        twice = [name for name in header if header.count(name) > 1]
        if twice:
            raise InputError(
                f"{self.name}, line {line}: two columns are named {twice[0]!r}; rename one"
            )
        return header


class TsvReader(CsvReader):
    """The rows of a tab-separated file."""

    delimiter = "\t"


class CsvWriter:
    """A CSV file being written.

    A row without one of the columns gets an empty cell there. What each kind of value becomes is
    said in `plain_value.cell`; numbers that come from JSON keep their digits.

    Args:
        path: The file.
        source: The dataset that the rows come from, for the header; where it does not know its
            columns by itself, it is read once for them. None: the first row has all columns.
        columns: The names that will be added.

    Raises:
        OutputError: the file cannot be created.
        InputError: `source` cannot be read.
    """

    delimiter = ","

    def __init__(
        self, path: Path, source: Reader | None = None, columns: Sequence[str] = ()
    ) -> None:
        names = None if source is None else with_new(all_columns(source), columns)
        self._file = OutputFile(path)
        self._csv = csv.writer(_Lines(self._file), delimiter=self.delimiter)
        self._added = list(columns)
        self._names: dict[str, None] | None = None
        if names is not None:
            self._write_header(names)

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Append one row; see `core.dataset.Writer`.

        Raises:
            OutputError: the row has a column that the header has not, or a value has no text.
        """
        names = self._names
        if names is None:
            names = self._write_header(with_new(list(row.fields), (*self._added, *added)))
        unknown = (row.fields.keys() | added.keys()) - names.keys()
        if unknown:
            raise OutputError(
                f"{row.place}: the column {min(unknown)!r} is not in the header; write .jsonl "
                "where rows have different columns"
            )
        try:
            cells = {**_cells(row), **{name: cell(value) for name, value in added.items()}}
        except (TypeError, ValueError) as error:
            raise OutputError(f"{row.place}: cannot be written as CSV: {error}") from error
        self._csv.writerow([utf8_safe(cells.get(name, "")) for name in names])

    def close(self) -> None:
        """Finish the file."""
        if self._names is None:
            self._write_header(self._added)
        self._file.close()

    def abandon(self) -> None:
        """Let go of the file."""
        self._file.abandon()

    def _write_header(self, names: list[str]) -> dict[str, None]:
        self._names = dict.fromkeys(names)
        if names:
            self._csv.writerow([utf8_safe(name) for name in names])
        return self._names


class TsvWriter(CsvWriter):
    """A tab-separated file being written."""

    delimiter = "\t"


class _Lines:
    """Where the csv module writes its lines.

    It must believe in CRLF, else (before Python 3.13) it leaves a lone CR in a value unquoted.
    """

    def __init__(self, file: OutputFile) -> None:
        self._file = file

    def write(self, line: str) -> None:
        self._file.write(line[:-2].encode("utf-8") + b"\n")


def _cells(row: Row) -> dict[str, str]:
    if not isinstance(row.raw, bytes) or all(isinstance(v, str) for v in row.fields.values()):
        return {name: cell(value) for name, value in row.fields.items()}
    # The row came as JSON: 1.10 and 1e400 keep their digits when their own text is taken.
    text = row.raw.decode("utf-8")
    cells = {}
    for name, start, end in members(text):
        value = row.fields[name]
        cells[name] = value if isinstance(value, str) else text[start:end]
        if value is None:
            cells[name] = ""
    return cells
