"""LLaVA's conversations: one array of objects with ``id``, ``image`` and ``conversations``.

The format is that of LLaVA's own training data
(https://github.com/haotian-liu/LLaVA/blob/main/docs/Finetune_Custom_Data.md): turns from ``human``
and ``gpt``, and ``<image>`` where the picture comes in. Such a file is read as any other JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataflow.core.column_types import ListType
from dataflow.core.errors import OutputError, UsageError
from dataflow.core.row import Row
from dataflow.formats.base.json_rows import exact
from dataflow.formats.base.writing import AtomicFile
from dataflow.formats.columns.picture_paths import holds_picture, named_in
from dataflow.formats.columns.writer_context import WriterContext
from dataflow.formats.text.json_file import JsonWriter

_TURNS = ("conversations", "conversation", "messages")
_SPEAKERS = {"user": "human", "assistant": "gpt", "model": "gpt"}
_PICTURE, _COLUMN = "<image>", "image"


def needed(source: WriterContext) -> tuple[str, ...]:
    """The columns that must not be left out: the one with the picture, where there is such.

    Raises:
        InputError: the dataset's first rows cannot be read.
    """
    return source.needed_picture()


class LlavaWriter(JsonWriter):
    """A file of LLaVA's conversations being written.

    The caption is what ``gpt`` says: to the row's own conversation where it has one, else to the
    question that was asked. A row without a caption is left out, for a conversation without an
    answer teaches silence.

    Args:
        file: The file.
        source: Tells the question, the column with the picture, which is named under ``image``,
            and the captions' name: the first column of text.

    Raises:
        UsageError: a row is to have several captions, or one that is JSON.
    """

    def __init__(self, file: AtomicFile, source: WriterContext) -> None:
        super().__init__(file, source)
        if any(isinstance(shape, ListType) for shape in source.shapes.values()):
            raise UsageError("LLaVA's format holds one answer to a question, not a list of them")
        if source.shapes and None not in source.shapes.values():
            raise UsageError("LLaVA's format holds a text as its answer, not JSON")
        self._question = source.question
        self._asks_own = source.asks_own
        self._picture_key, self._choice = source.picture_key, source.choice
        self._name = next((name for name, shape in source.shapes.items() if shape is None), None)

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Append one conversation; see `core.dataset.Writer`."""
        caption = added.get(self._name) if self._name else None
        if caption is None:
            return
        held = row.fields.get(self._picture_key)
        pictures = named_in(held)
        if isinstance(held, (list, tuple)) and held and not pictures:
            raise OutputError(f"{row.source}: {self._picture_key!r} holds pictures without a path")
        row = self._choice.row(row)
        others = {name: value for name, value in added.items() if name != self._name}
        own = {name: _named(row, name, value) for name, value in row.fields.items()}
        turns = next((own.pop(name) for name in _TURNS if name in own), None)
        texts = exact(row)
        own = {name: texts[name] if own[name] is row.fields[name] else own[name] for name in own}
        start = {} if "id" in own else {"id": f"{row.index:09}"}
        if pictures:
            named = {_COLUMN: pictures if len(pictures) > 1 else pictures[0]}
            own = {**own, **named} if _COLUMN in own else {**named, **own}
        talk = {"conversations": self._talk(row, turns, caption, len(pictures))}
        super().write(Row(row.index, {**start, **own}, row.source), {**talk, **others})

    def _talk(self, row: Row, turns: Any, caption: str, pictures: int) -> list[Any]:
        if turns is None:
            turns = []
        if not isinstance(turns, list) or not all(isinstance(turn, Mapping) for turn in turns):
            raise OutputError(f"{row.source}: its conversation is no list of turns to add to")
        talk = [_as_llava(turn) for turn in turns]
        if self._asks_own:  # the row's own question was asked, whatever was answered to it before
            while talk and talk[-1].get("from") == "gpt":
                talk.pop()
        if not talk or talk[-1].get("from") != "human":
            talk.append({"from": "human", "value": self._question})
        there = sum(str(turn.get("value")).count(_PICTURE) for turn in talk)
        if there < pictures:
            first = next(turn for turn in talk if turn.get("from") == "human")
            marks = f"{_PICTURE}\n" * (pictures - there)
            first["value"] = f"{marks}{first.get('value', '')}".rstrip("\n")
        return [*talk, {"from": "gpt", "value": caption}]


def _as_llava(turn: Mapping[str, Any]) -> dict[str, Any]:
    """A turn as LLaVA writes it; one in OpenAI's form has ``role`` and ``content``."""
    if "from" in turn or "role" not in turn:
        return dict(turn)
    content = turn.get("content")
    if isinstance(content, list):
        content = "".join(_part(part) for part in content)
    role = str(turn["role"])
    return {"from": _SPEAKERS.get(role, role), "value": content}


def _part(part: Any) -> str:
    text = part.get("text") if isinstance(part, Mapping) else part
    return text if isinstance(text, str) else _PICTURE


def _named(row: Row, name: str, value: Any) -> Any:
    """A picture by its path; the format has no place for its bytes."""
    if not holds_picture(value):
        return value
    if isinstance(value, bytes):
        raise OutputError(f"{row.source}: {name!r} holds bytes, which LLaVA's format cannot hold")
    if not value.get("path"):
        raise OutputError(f"{row.source}: {name!r} holds a picture without a path to name it")
    return value["path"]
