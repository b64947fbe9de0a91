"""JSON Lines: one JSON object a line (https://jsonlines.org), UTF-8; also called NDJSON.

Each row keeps its own bytes; reading and writing never hold more than one row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from dataflow.core.errors import InputError
from dataflow.core.row import Row
from dataflow.formats.base import read_limits
from dataflow.formats.base.json_rows import no_object, one_line, parse, row_object
from dataflow.formats.base.read_limits import too_long
from dataflow.formats.base.reading import (
    FileReader,
    long_lines,
    not_utf8,
    open_text,
    wrong_at,
)
from dataflow.formats.base.writing import AtomicFile, FileWriter
from dataflow.formats.columns.writer_context import WriterContext


class JsonlReader(FileReader):
    """The rows of a JSON Lines file. Blank lines, CRLF and a byte order mark are tolerated."""

    def rows(self) -> Iterator[Row]:
        """The rows in order.

        Raises:
            InputError: a line is no JSON object and not to be skipped; the message names line and
                column.
        """
        on_bad_row = self._begin()
        with open_text(self.path) as file:
            index = 0
            for number, line in enumerate(long_lines(file, self.path), start=1):
                raw = b"" if line is None else line.strip(b" \t\r\n")
                if not raw and line is not None:
                    continue
                try:
                    if line is None:
                        raise wrong_at(
                            f"{self.name}, line {number}",
                            too_long("the line", read_limits.MAX_LINE),
                        )
                    row = self._row(index, number, raw, line.find(raw[:1]))
                except InputError as error:
                    on_bad_row(error)
                    continue
                yield row
                index += 1

    def _row(self, index: int, number: int, raw: bytes, indent: int) -> Row:
        where = f"{self.name}, line {number}"
        try:
            fields = parse(raw)
        except UnicodeDecodeError as error:
            raise not_utf8(where) from error
        except json.JSONDecodeError as error:
            raise wrong_at(
                f"{where}, column {indent + error.pos + 1}",
                f"invalid JSON ({error.msg}); each line must be one whole JSON object",
            ) from error
        if not isinstance(fields, dict):
            raise wrong_at(where, no_object(fields))
        return Row(index=index, fields=fields, source=where, raw=raw)


class JsonlWriter(FileWriter):
    """A JSON Lines file being written.

    Args:
        file: The file.
        source: Not needed: each row brings its own bytes and names.
    """

    def __init__(self, file: AtomicFile, source: WriterContext) -> None:
        super().__init__(file)

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Append one row; see `core.dataset.Writer`."""
        self._file.write(one_line(row_object(row, added)) + b"\n")
