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
from dataflow.formats.base.json_values import dump_bytes
from dataflow.formats.base.reading import FileReader, open_text, wrong_at
from dataflow.formats.base.writing import AtomicFile, FileWriter
from dataflow.formats.columns.writer_context import WriterContext
from dataflow.formats.text.json_window import JsonWindow
from dataflow.remote.path import AnyPath

_ID = "id"  # the column for the names in an object of rows that name their own pictures


class JsonReader(FileReader):
    """The rows of a JSON file: those of one array of objects; an empty file has none.

    Two more layouts are read, because programs write them under this ending: JSON Lines, and one
    object of objects by the pictures' paths (kohya's ``meta_cap.json``), whose names come under
    the picture column.

    Args:
        path: The file.
        picture_key: The column for the paths of such an object.
        skip_bad_rows: See `FileReader`.
    """

    def __init__(
        self, path: AnyPath, *, picture_key: str = "image", skip_bad_rows: bool = False
    ) -> None:
        super().__init__(path, skip_bad_rows=skip_bad_rows)
        self._picture_key = picture_key

    def rows(self) -> Iterator[Row]:
        """The rows in order.

        Raises:
            InputError: the file has none of these layouts, or an element is no object and not to
                be skipped; the message names line and column.
        """
        on_bad_row = self._begin()
        with open_text(self.path) as file:
            window = JsonWindow(file, self.name)
            first = window.peek()
            if first == "{":
                yield from self._of_object(window, on_bad_row)
            elif _enter(window, first):
                yield from self._elements(window, on_bad_row)
                if window.peek():
                    raise window.error("there is more text after the end of the array")

    def _of_object(
        self, window: JsonWindow, on_bad_row: Callable[[InputError], None]
    ) -> Iterator[Row]:
        """The rows of a file that begins with an object."""
        window.move(window.at + 1)
        window.peek()
        name, _ = _member_name(window) if window.peek() != "}" else (None, 0)
        if name is not None and window.peek() == "{":
            yield from self._members(window, name, on_bad_row)
            return
        with open_text(self.path) as file:  # from the start: what was read is no object of rows
            yield from self._lines(JsonWindow(file, self.name), on_bad_row)

    def _members(
        self, window: JsonWindow, name: str, on_bad_row: Callable[[InputError], None]
    ) -> Iterator[Row]:
        """The rows of an object by the pictures' paths; the first one's path is `name`."""
        index = number = 0
        while True:
            fields, end = window.value()
            if isinstance(fields, dict):
                source = f"{self.name}, row {number} (line {window.line})"
                text = window.text[window.at : end]
                # a row that names its picture has its id before the colon, not a path
                key = _ID if self._picture_key in fields else self._picture_key
                if key in fields:
                    yield Row(index, fields, source, text.encode("utf-8"))
                else:
                    own = {key: name, **fields}
                    yield Row(index, own, source, _with_first(text, key, name))
                index += 1
            else:
                on_bad_row(window.error(no_object(fields)))
            window.move(end)
            number += 1
            if not _next(window, "}"):
                break
            name, _ = _member_name(window)
        if window.peek():
            raise window.error("there is more text after the end of the object")

    def _lines(self, window: JsonWindow, on_bad_row: Callable[[InputError], None]) -> Iterator[Row]:
        """The rows of a file that is JSON Lines under another ending."""
        index = number = 0
        while window.peek():
            fields, end = window.value()
            raw = window.text[window.at : end].encode("utf-8")
            source = f"{self.name}, row {number} (line {window.line})"
            error = None if isinstance(fields, dict) else window.error(no_object(fields))
            start = window.line
            window.move(end)
            if number == 0 and not window.peek():
                raise _single_object(self.name, start, fields)
            if error is None:
                yield Row(index, fields, source, raw)
                index += 1
            else:
                on_bad_row(error)
            number += 1

    def _elements(
        self, window: JsonWindow, on_bad_row: Callable[[InputError], None]
    ) -> Iterator[Row]:
        index = number = 0
        while True:
            fields, end = window.value()
            if isinstance(fields, dict):
                raw = window.text[window.at : end].encode("utf-8")
                source = f"{self.name}, row {number} (line {window.line})"
                yield Row(index=index, fields=fields, source=source, raw=raw)
                index += 1
            else:
                on_bad_row(window.error(no_object(fields)))
            window.move(end)
            number += 1
            if not _next(window):
                return


def _single_object(name: str, line: int, fields: Any) -> InputError:
    lists = [key for key, value in fields.items() if isinstance(value, list)]
    cure = "put [ ] around a single row"
    if lists:
        cure = f"if its rows are under {lists[0]!r}, save that array as the file"
    return wrong_at(
        f"{name}, line {line}, column 1",
        "a .json dataset must be one array of rows [{…}, {…}], an object of rows by the pictures' "
        f"paths, or one object a line; this is one object: {cure}",
    )


def _member_name(window: JsonWindow) -> tuple[str, int]:
    """Step over a member's name and its colon; the name, and where its value begins."""
    name, end = window.value()
    if not isinstance(name, str):
        raise window.error("invalid JSON (expected a member's name)")
    window.move(end)
    if window.peek() != ":":
        raise window.error("invalid JSON (expected :)")
    window.move(window.at + 1)
    window.peek()
    return name, window.at


def _with_first(text: str, key: str, value: str) -> bytes:
    """The JSON object `text` with one member more before its own."""
    rest = text[1:].lstrip()
    between = "" if rest.startswith("}") else ", "
    return b"{%s: %s%s%s" % (
        dump_bytes(key),
        dump_bytes(value),
        between.encode(),
        rest.encode("utf-8", "backslashreplace"),
    )


def _enter(window: JsonWindow, first: str) -> bool:
    """Step into the array; False where it has no rows."""
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


def _next(window: JsonWindow, last: str = "]") -> bool:
    """Step over what follows an element; False after the end of the array or object."""
    after = window.peek()
    if after not in {",", last}:
        whole = "array" if last == "]" else "object"
        ends = f"the file ends before the {whole} does" if not after else f"expected , or {last}"
        raise window.error(f"invalid JSON ({ends})")
    window.move(window.at + 1)
    if after == last:
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
