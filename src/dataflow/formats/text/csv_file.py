"""CSV (RFC 4180) and TSV (the same with tabs), UTF-8, with a header line unless told otherwise.

Every value is the string between its separators, nothing else: ``00123`` stays ``00123``. The
output quotes only what needs it and ends lines with LF.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

from dataflow.core.errors import InputError, OutputError, UsageError
from dataflow.core.row import Row
from dataflow.formats.base import read_limits
from dataflow.formats.base.json_rows import exact, members
from dataflow.formats.base.json_values import cell, utf8_safe
from dataflow.formats.base.read_limits import too_long
from dataflow.formats.base.reading import (
    UTF8_MARK,
    FileReader,
    long_lines,
    not_utf8,
    open_text,
    unreadable,
    wrong_at,
)
from dataflow.formats.base.writing import AtomicFile, FileWriter
from dataflow.formats.columns.writer_context import WriterContext
from dataflow.remote.path import AnyPath

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_NAMED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "bar": "|"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_HEADER_PART = 1 << 20  # bytes of the first line that are looked at for the separator


def separator_named(name: str) -> str:
    """The separator that a person means by `name`: a character, or ``tab``, ``comma``, ``pipe``.

    Raises:
        UsageError: it is none.
    """
    found = _NAMED.get(name.lower(), name)
    if len(found) != 1 or found in '"\r\n\0':
        raise UsageError(f"--delimiter {name!r} is no single character; 'tab' stands for a tab")
    return found


class CsvReader(FileReader):
    """The rows of a CSV file. CRLF, a byte order mark and blank lines are tolerated.

    What stands between two values is the format's own separator, or, where the header line has
    none of that, the one of ``;``, tab and ``|`` that it has; a first line ``sep=;``, as Excel
    writes it, decides. Behind a ``|`` spaces are no part of the value, as in Flickr30k's file.

    Args:
        path: The file.
        skip_bad_rows: See `FileReader`.
        columns: The columns' names, where the file has no header line; empty where it has one.
        delimiter: What stands between two values; None to look.
    """

    usual = ","
    """The format's own separator."""

    def __init__(
        self,
        path: AnyPath,
        *,
        skip_bad_rows: bool = False,
        columns: Sequence[str] = (),
        delimiter: str | None = None,
    ) -> None:
        super().__init__(path, skip_bad_rows=skip_bad_rows)
        self._columns = tuple(columns)
        self._delimiter = None if delimiter is None else separator_named(delimiter)
        _check_header(self.name, self._columns)

    def rows(self) -> Iterator[Row]:
        """The rows in order, every value a string.

        Raises:
            InputError: quotes are not closed, the header names a column twice, or, where such rows
                are not to be skipped, a row has more or fewer fields than the header, is too long
                or is not UTF-8; the message names the line.
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

    def notices(self) -> list[str]:
        """That another separator than the format's own is read; see `core.dataset.NoticeReader`.

        Raises:
            InputError: the file cannot be read.
        """
        if self._delimiter is not None:
            return []
        with open_text(self.path) as file:
            found, _ = self._separator(file)
        if found == self.usual:
            return []
        return [f"{self.name}: its values are read as separated by {_SEPARATORS[found]}"]

    def _separator(self, file: BufferedReader) -> tuple[str, int]:
        """What stands between two values, and the bytes at the start that only say so."""
        try:
            head = file.peek(_HEADER_PART)[:_HEADER_PART]
        except OSError as error:
            raise unreadable(self.path, error) from error
        text = head.removeprefix(UTF8_MARK).decode("utf-8", "replace")
        line = text.partition("\n")[0].rstrip("\r")
        said = line.lower().removeprefix("sep=") if line.lower().startswith("sep=") else ""
        if len(said) == 1 and said in _SEPARATORS:
            size = len(head) - len(head.removeprefix(UTF8_MARK)) + len(line.encode()) + 1
            return self._delimiter or said, size + (text[len(line) : len(line) + 1] == "\r")
        if self._delimiter is not None:
            return self._delimiter, 0
        plain = re.sub(r'"[^"]*"', "", line)
        if self.usual in plain:
            return self.usual, 0
        counts = {sign: plain.count(sign) for sign in _SEPARATORS if sign != self.usual}
        best = max(counts, key=counts.__getitem__)
        return (best if counts[best] else self.usual), 0

    def _records(self, file: BufferedReader) -> Iterator[_Record]:
        """Each record that is not a blank line."""
        delimiter, preamble = self._separator(file)
        lines = _Lines(self, file, file.read(preamble).count(b"\n") if preamble else 0)
        while True:
            csv.field_size_limit(read_limits.MAX_CELL)
            reader = csv.reader(
                lines, delimiter=delimiter, strict=True, skipinitialspace=delimiter == "|"
            )
            try:
                yield from self._parsed(reader, lines)
            except _TooLongError:
                what = too_long("the line", read_limits.MAX_LINE)
                problem = wrong_at(f"{self.name}, line {lines.number}", what)
                yield _Record(problem.source, [], problem)
                continue  # the next line begins a new record
            return

    def _parsed(self, reader: Iterator[list[str]], lines: _Lines) -> Iterator[_Record]:
        while True:
            where = f"{self.name}, line {lines.number + 1}"
            lines.begin()
            try:
                values = next(reader, None)
            except csv.Error as error:
                if "new-line character" in str(error):
                    raise wrong_at(where, "lines end with CR alone; save them with LF") from error
                raise wrong_at(where, f"invalid CSV ({error})") from error
            if values is None:
                return
            if values:
                wrong = lines.not_utf8
                problem = not_utf8(f"{self.name}, line {wrong[0]}") if wrong else None
                yield _Record(where, values, problem)

    def _values(self, record: _Record, header: Sequence[str]) -> list[str]:
        if record.problem is not None:
            raise record.problem
        if len(record.values) != len(header):
            names = "--columns names" if self._columns else "the header names"
            raise wrong_at(
                record.where,
                f"{len(record.values)} fields, but {names} {len(header)}; "
                "put quotes around a value that holds a separator or a line break",
            )
        return record.values

    def _header(self, records: Iterator[_Record]) -> list[str]:
        if self._columns:
            return list(self._columns)
        record = next(records, _Record(self.name, []))
        header = self._values(record, record.values)
        _check_header(record.where, header)
        return header


def _check_header(where: str, header: Sequence[str]) -> None:
    twice = next((name for name, number in Counter(header).items() if number > 1), None)
    if twice is not None:
        raise wrong_at(where, f"two columns are named {twice!r}; rename one")
    if any("\0" in name for name in header):
        raise wrong_at(where, "a column's name holds a NUL character; this is no CSV")


class _TooLongError(Exception):
    """A record is longer than may be read."""


class _Lines(Iterator[str]):
    """The lines of a file as text; of one record they may not be longer than `MAX_LINE`."""

    def __init__(self, reader: CsvReader, file: BufferedReader, number: int) -> None:
        self._lines = long_lines(file, reader.path)
        self.number = number
        self.not_utf8: list[int] = []
        self._size = 0

    def begin(self) -> None:
        """A record begins with the next line."""
        self.not_utf8, self._size = [], 0

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        self._size += len(line or b"")
        if line is None or self._size > read_limits.MAX_LINE:
            raise _TooLongError
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            self.not_utf8.append(self.number)
            return line.decode("utf-8", "replace")  # separators and quotes stay


@dataclass(frozen=True, slots=True)
class _Record:
    """A line of the table as it was read, and why it cannot be a row; or None."""

    where: str
    values: list[str]
    problem: InputError | None = None


class TsvReader(CsvReader):
    """The rows of a tab-separated file."""

    usual = "\t"


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
        self._is_safe = source.csv_safe
        self._csv = csv.writer(_LfLines(file), delimiter=self.delimiter)
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
        values = [utf8_safe(cells.get(name, "")) for name in names]
        self._csv.writerow([*map(inert, values)] if self._is_safe else values)

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


def inert(cell_text: str) -> str:
    """`cell_text` as no spreadsheet runs it: a quote before what begins as a formula.

    Formulas begin with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return
    (https://owasp.org/www-community/attacks/CSV_Injection). A number stays a number.
    """
    if not cell_text.startswith(_FORMULA) or _NUMBER.fullmatch(cell_text):
        return cell_text
    return f"'{cell_text}"


def before_inert(cell_text: str) -> str:
    """What `inert` was given, by what it returned."""
    rest = cell_text[1:]
    return rest if cell_text != rest and inert(rest) == cell_text else cell_text


class TsvWriter(CsvWriter):
    """A tab-separated file being written."""

    delimiter = "\t"


class _LfLines:
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
