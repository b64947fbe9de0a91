"""A window that moves over a JSON text of any size, one value at a time, in constant memory.

Python's json decodes from a position in a string and says where the value ends. The window hands
it what has been read so far; a value that the window cuts off is asked for again with twice as
much text. A value that is wrong, not cut off, is known at once, because its error stands well
before the window's end; so a broken file is not read to its end.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Any, BinaryIO

from dataflow.core.errors import InputError
from dataflow.formats.base import read_limits
from dataflow.formats.base.json_rows import decode_at
from dataflow.formats.base.read_limits import too_long
from dataflow.formats.base.reading import not_utf8, unreadable, wrong_at

_WINDOW = 1 << 20  # bytes read at a time, at least
_LONGEST_TOKEN = 16  # a cut-off "-Infinity", "\\uD83D" or "1e+" stands this near to the end
_space = re.compile(r"[ \t\r\n]*").match


class JsonWindow:
    """The text of `file` from `position` on.

    Args:
        file: The open file, read from where it stands.
        name: The file's name for messages.

    Attributes:
        text: What is in the window.
        at: The current position in `text`.
        line: The line of the current position, from 1.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.text = ""
        self.at = 0
        self.line = 1
        self._file = file
        self._name = name
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._dropped = 0  # characters that have left the window
        self._line_start = 0  # the current line's first character, counted in the whole file
        self._ended = False

    def peek(self) -> str:
        """Skip white space; the next character, or an empty string at the file's end."""
        while True:
            match = _space(self.text, self.at)
            self.move(match.end() if match else self.at)
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._more():
                return ""

    def value(self) -> tuple[Any, int]:
        """The value at the current position, and where in `text` it ends.

        Raises:
            InputError: there is no whole JSON value; names line and column.
        """
        while True:
            found = self._decoded()
            if not isinstance(found, json.JSONDecodeError):
                return found
            ahead = found.pos - self.at  # stays true when the window moves
            left = len(self.text) - found.pos
            open_string = found.msg.startswith("Unterminated string")
            if left < _LONGEST_TOKEN or open_string:
                if len(self.text) - self.at > read_limits.MAX_LINE:
                    raise self.error(too_long("the value", read_limits.MAX_LINE))
                if self._more():
                    continue
            at_end = open_string or not self.text[self.at + ahead :].strip()
            self.move(self.at + ahead)
            ends = "; the file ends inside this row" if at_end else ""
            raise self.error(f"invalid JSON ({found.msg}{ends})") from found

    def _decoded(self) -> tuple[Any, int] | json.JSONDecodeError:
        try:
            return decode_at(self.text, self.at)
        except json.JSONDecodeError as error:
            return error

    def move(self, to: int) -> None:
        """Go on to the position `to` in `text`."""
        breaks = self.text.count("\n", self.at, to)
        if breaks:
            self.line += breaks
            self._line_start = self._dropped + self.text.rfind("\n", self.at, to) + 1
        self.at = to

    def error(self, problem: str) -> InputError:
        """An error at the current position."""
        column = self._dropped + self.at - self._line_start + 1
        return wrong_at(f"{self._name}, line {self.line}, column {column}", problem)

    def _more(self) -> bool:
        """Drop what is behind, read on; False at the file's end."""
        if self._ended:
            return False
        rest = self.text[self.at :]
        self._dropped += self.at
        self.at = 0
        try:
            data = self._file.read(max(_WINDOW, len(rest)))
        except OSError as error:
            raise unreadable(self._name, error) from error
        self._ended = not data
        try:
            self.text = rest + self._decode(data, self._ended)
        except UnicodeDecodeError as error:
            line = self.line + rest.count("\n") + error.object[: error.start].count(b"\n")
            raise not_utf8(f"{self._name}, line {line}") from error
        return not self._ended
