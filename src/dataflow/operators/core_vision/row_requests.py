"""A row → the request it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataflow.core.errors import BadRowError, InputError
from dataflow.core.request import Request
from dataflow.core.row import Row
from dataflow.images.reference import parse_reference
from dataflow.serving.conversation import DEFAULT_QUESTION, turns_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRequests:
    """Makes the request of each row; call it with the row.

    Attributes:
        folders: Where relative picture paths are looked up, in this order.
        system_prompt: Sent as the system message; none where empty.
        image_key: The column with the row's picture or pictures; None for text only.
        conversation_key: The column with the row's turns, where it has one; None to ignore it.
        prompt_key: The column with the row's question, instead of a conversation.
        prompt_template: Makes the question of the row's fields: a text with ``{column}`` places,
            or an object whose ``build_prompt(**fields)`` returns the text.
        question: Asked where the row brings none.
        image_root: Picture paths may not leave this folder; None for anywhere.
    """

    folders: Sequence[str] = (".",)
    system_prompt: str = ""
    image_key: str | None = "image"
    conversation_key: str | None = "conversation"
    prompt_key: str | None = None
    prompt_template: Any = None
    question: str = DEFAULT_QUESTION
    image_root: str | None = None

    def __call__(self, row: Row) -> Request:
        """The request of `row`.

        Raises:
            BadRowError: the row has no picture, or its conversation no readable shape.
            PictureError: a reference points where data may not point.
            InputError: the dataset's first row lacks a column that was named.
        """
        pictures = []
        if self.image_key is not None:
            value = _column(row, self.image_key)
            pictures = parse_reference(value, self.folders, image_root=self.image_root)
            if not pictures:
                raise BadRowError(f"{row.place}: no picture in {self.image_key!r}")
        turns = turns_of(
            self._conversation(row),
            pictures,
            system_prompt=self.system_prompt,
            default_question=self.question,
        )
        return Request(turns)

    def _conversation(self, row: Row) -> object:
        if self.prompt_key is not None:
            return _column(row, self.prompt_key)
        if self.prompt_template is not None:
            return _filled(self.prompt_template, row)
        if self.conversation_key is not None:
            return row.fields.get(self.conversation_key)
        return None


def _column(row: Row, name: str) -> object:
    if name in row.fields:
        return row.fields[name]
    columns = ", ".join(map(repr, row.fields)) or "none"
    message = f"{row.place}: no column {name!r}; there is: {columns}"
    # the whole dataset lacks it, most likely: say so before anything is spent
    raise (InputError if row.index == 0 else BadRowError)(message)


def _filled(template: Any, row: Row) -> str:
    build: Callable[..., object] | None = getattr(template, "build_prompt", None)
    fields: Mapping[str, Any] = row.fields
    try:
        text = build(**fields) if build else str(template).format_map(fields)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise BadRowError(f"{row.place}: the prompt template cannot be filled: {error!r}") from None
    if not isinstance(text, str):
        raise BadRowError(f"{row.place}: the prompt template gave {type(text).__name__}, not text")
    return text
