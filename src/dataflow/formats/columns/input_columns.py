"""Which columns of a dataset hold its pictures and its conversations, where nobody named them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataflow.core.errors import UsageError
from dataflow.core.picture import is_turn, turn_pictures
from dataflow.core.protocols.dataset import Reader, first_rows
from dataflow.core.row import Row
from dataflow.formats.columns.picture_paths import holds_picture, named_in
from dataflow.formats.patterns.endings import PICTURE_ENDINGS

DEFAULT_PICTURE = "image"
"""The picture column where nobody named another."""

_PICTURES = (
    "image",
    *("image_path", "image_file", "image_filename", "file_name", "filename", "file_path"),
    *("filepath", "images", "img", "img_path", "picture", "pictures", "photo", "path", "file"),
    *("image_url", "img_url", "url", "jpg", "png", "webp"),
)
_WEAK = ("path", "file", "url", "filename", "file_name", "file_path", "filepath")
QUESTIONS = ("question", "questions", "query", "instruction", "prompt")
"""Columns that are likely to hold what a person asks of each row."""
CONVERSATIONS = ("conversation", "conversations", "messages")
"""The columns that are read as conversations: DataFlow's, LLaVA's, OpenAI's."""

_LOOK_AT = 20  # rows whose values tell what a column holds


@dataclass(frozen=True, slots=True)
class InputColumns:
    """What was found in a dataset's first rows.

    Attributes:
        picture: The picture column.
        conversation: The column with conversations; None where there is none.
        is_guessed: Whether the picture column has another name than was asked for.
        unasked: Columns that look like each row's question, or conversations under another name.
    """

    picture: str
    conversation: str | None = None
    is_guessed: bool = False
    unasked: tuple[str, ...] = ()


def input_columns(reader: Reader, asked: str = DEFAULT_PICTURE) -> InputColumns:
    """The picture column and the conversation column of a dataset.

    Where there is no column `asked`, and that is the default, the one that clearly holds pictures
    is taken: the only one with pictures in the data, else the only one of a usual name whose
    values look like pictures.

    Args:
        reader: The dataset.
        asked: The picture column that was asked for.

    Raises:
        UsageError: none, or several, could be the picture column; the message names them.
    """
    schema_names = reader.column_names() or ()
    has_asked = asked in schema_names
    if has_asked and not set(schema_names) & set(CONVERSATIONS):
        return InputColumns(asked, unasked=_questions(schema_names))  # no row is fetched
    rows: list[Row] = []
    for row in first_rows(reader):
        if len(rows) < _LOOK_AT:
            rows.append(row)
        has_asked = has_asked or asked in row.fields
        if has_asked and len(rows) >= _LOOK_AT:
            break
    conversation = next((name for name in CONVERSATIONS if _has_turns(rows, name)), None)
    names = list(dict.fromkeys(name for row in rows for name in row.fields))
    unasked: tuple[str, ...] = ()
    if conversation is None:
        unasked = (*_questions(names), *(name for name in names if _has_turns(rows, name)))
    if has_asked or asked != DEFAULT_PICTURE or not rows:
        return InputColumns(asked, conversation, unasked=unasked)
    held = [name for name in names if any(_is_held(row.fields.get(name)) for row in rows)]
    usual = [name for name in names if _plain(name) in _PICTURES and _looks_right(rows, name)]
    for found in (held, usual):
        if len(found) == 1:
            return InputColumns(found[0], conversation, is_guessed=True, unasked=unasked)
    if conversation is not None and any(turn_pictures(t) for t in _turns(rows, conversation)):
        return InputColumns(conversation, conversation, is_guessed=True, unasked=unasked)
    raise _unclear(rows[0], asked, held or usual, [n for n in names if _names_picture(rows, n)])


def _plain(name: str) -> str:
    return name.strip().lower()


def _questions(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if _plain(name) in QUESTIONS)


def _unclear(row: Row, asked: str, several: Sequence[str], others: Sequence[str]) -> UsageError:
    found = several or others
    start = f"{row.source}: no column {asked!r}"
    if len(found) > 1:
        columns = ", ".join(map(repr, found))
        cure = f"pictures may be in {columns}; name the one to caption: --image-key {found[0]}"
    elif found:
        cure = f"if the pictures are in {found[0]!r}, say so: --image-key {found[0]}"
    else:
        there = ", ".join(map(repr, row.fields)) or "none"
        cure = f"there is: {there}; name the one with the pictures: --image-key NAME"
    return UsageError(f"{start}; {cure}")


def _values(rows: Sequence[Row], name: str) -> Iterator[Any]:
    return (value for row in rows if (value := row.fields.get(name)) is not None and value != "")


def _is_held(value: Any) -> bool:
    """Whether pictures stand in the data itself: bytes, a struct with bytes, or a list of these."""
    if isinstance(value, (list, tuple)) and value:
        value = value[0]
    return holds_picture(value)


def _looks_right(rows: Sequence[Row], name: str) -> bool:
    """Whether the values of a column with a usual name are pictures; weak names need an ending."""
    if _plain(name) in _WEAK:
        return _names_picture(rows, name)
    return any(_is_held(value) or named_in(value) for value in _values(rows, name))


def _names_picture(rows: Sequence[Row], name: str) -> bool:
    """Whether a value of the column is a picture's path or a URL."""
    for value in _values(rows, name):
        if isinstance(value, (str, list, tuple, Mapping)):
            for path in named_in(value):
                plain = path.partition("?")[0].lower()
                ending = os.path.splitext(plain)[1]  # noqa: PTH122 (it may be a URL)
                is_url = plain.startswith(("http://", "https://")) and "url" in name.lower()
                if ending in PICTURE_ENDINGS or is_url:
                    return True
    return False


def _has_turns(rows: Sequence[Row], name: str) -> bool:
    return any(_turns(rows, name))


def _turns(rows: Sequence[Row], name: str) -> Iterator[Sequence[Any]]:
    """The conversations among the column's values."""
    return (turns for value in _values(rows, name) if (turns := conversation_in(value)))


def conversation_in(value: Any) -> Sequence[Any]:
    """The turns that `value` is a list of, also as JSON text; empty where it is no such list."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, (list, tuple)) or not all(map(is_turn, value)):
        return ()
    return value
