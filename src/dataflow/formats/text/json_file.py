"""JSON: one array of objects, UTF-8, of any size; read and written in constant memory.

Each row keeps its own bytes. The output has the layout ``[``, one element a line indented by two
spaces, ``]``; an element that spreads over lines stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dataflow.core.errors import InputError
from dataflow.core.row import Row
from dataflow.formats.base.json_rows import no_object, row_object
from dataflow.formats.base.reading import FileReader, open_text
from dataflow.formats.base.writer_context import WriterContext
from dataflow.formats.base.writing import AtomicFile, FileWriter
from dataflow.formats.text.json_window import JsonWindow


class JsonReader(FileReader):
    """The rows of a JSON file that holds one array of objects; an empty file has none."""

    def rows(self) -> Iterator[Row]:
        """The rows in order.

        Raises:
            InputError: the file is no array, or an element is no object and not to be skipped; the
                message names line and column.
        """
        on_bad_row = self._begin()
        with open_text(self.path) as file:
            window = JsonWindow(file, self.name)
            if _enter(window):
                yield from self._elements(window, on_bad_row)
                if window.peek():
                    raise window.error("there is more text after the end of the array")

    def _elements(
        self, window: JsonWindow, on_bad_row: Callable[[InputError], None]
    ) -> Iterator[Row]:
        index = number = 0
        while True:
            fields, end = window.value()
            if isinstance(fields, dict):
                raw = window.text[window.at : end].encode("utf-8")
                where = f"{self.name}, row {number} (line {window.line})"
                yield Row(index=index, fields=fields, source=where, raw=raw)
                index += 1
            else:
                on_bad_row(window.error(no_object(fields)))
            window.move(end)
            number += 1
            if not _next(window):
                return


def _enter(window: JsonWindow) -> bool:
    """Step into the array; False where it has no rows."""
    first = window.peek()
    if first == "{":
        raise window.error(
            "a .json dataset must be one array of rows [{…}, {…}], this is an object; put [ ] "
            "around a single row, and name a file with one object a line .jsonl"
        )
    if first and first != "[":
        raise window.error("a .json dataset must be one array of rows [{…}, {…}]")
    if not first:
        return False
    window.move(window.at + 1)
    if window.peek() != "]":
        return True
    window.move(window.at + 1)
    if window.peek():
        raise window.error("there is more text after the end of the array")
    return False


def _next(window: JsonWindow) -> bool:
    """Step over what follows an element; False after the array's end."""
    after = window.peek()
    if after not in {",", "]"}:
        ends = "the file ends before the array does" if not after else "expected , or ]"
        raise window.error(f"invalid JSON ({ends})")
    window.move(window.at + 1)
    if after == "]":
        return False
    window.peek()
    return True


class JsonWriter(FileWriter):
    """A JSON array being written.

    Args:
        file: The file.
        source: Not needed: each row brings its own bytes and names.
    """

    def __init__(self, file: AtomicFile, source: WriterContext) -> None:
        super().__init__(file)
        self._any = False

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Append one row; see `core.dataset.Writer`."""
        before = b",\n  " if self._any else b"[\n  "
        self._file.write(before + row_object(row, added))
        self._any = True

    def close(self) -> None:
        """Finish the array and the file."""
        self._file.write(b"\n]\n" if self._any else b"[]\n")
        super().close()
