"""A row → the requests it makes."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any, Literal

from dataflow.core.errors import BadRowError, RowError
from dataflow.core.picture import ImageRef
from dataflow.core.request import Request
from dataflow.core.row import Row
from dataflow.images.reference import parse_reference
from dataflow.operators.core_vision.prompts import Prompt
from dataflow.serving.base.conversation import (
    DEFAULT_QUESTION,
    MARKER,
    literal,
    turns_of,
)

CONVERSATION = "conversation"
"""The column of turns that is read where no other is named; rows may lack it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRequests:
    """Makes the requests of each row, one for each prompt; call it with the row.

    Attributes:
        folders: Where relative picture paths are looked up, in this order.
        system_prompt: Sent as the system message, where a prompt has none; none where empty.
        image_key: The column with the row's picture or pictures; None for text only.
        conversation_key: The column with the row's turns, where it has one; None to ignore it.
        prompt_key: The column with the row's question, instead of all others.
        prompts: What is asked.
        image_root: Picture paths may not leave this folder; None for anywhere.
        video_key: A column that no row may fill; None for no such column.
        on_missing_picture: Whether a row whose picture is null fails or is asked without one.
    """

    folders: Sequence[str] = (".",)
    system_prompt: str = ""
    image_key: str | None = "image"
    conversation_key: str | None = CONVERSATION
    prompt_key: str | None = None
    prompts: Sequence[Prompt] = (Prompt("caption"),)
    image_root: str | None = None
    video_key: str | None = None
    on_missing_picture: Literal["fail", "ask"] = "fail"

    def __call__(self, row: Row) -> list[Request | RowError]:
        """For each prompt the request of `row`, or why it makes none.

        Raises:
            BadRowError: the row has no picture, or lacks a column that was named.
            PictureError: a reference points where data may not point.
        """
        video = None if self.video_key is None else row.fields.get(self.video_key)
        if not _is_null(video) and video not in ("", []):
            raise BadRowError(
                f"{row.source}: there is a video in {self.video_key!r}; videos are not supported"
            )
        pictures = self._pictures(row)
        return [self._asked(prompt, row, pictures) for prompt in self.prompts]

    def _pictures(self, row: Row) -> list[ImageRef]:
        if self.image_key is None:
            return []
        if self.on_missing_picture == "ask":
            value = row.fields.get(self.image_key)
        else:
            value = _column(row, self.image_key)
        pictures = parse_reference(value, self.folders, image_root=self.image_root)
        if not pictures and self.on_missing_picture == "fail":
            raise BadRowError(f"{row.source}: no picture in {self.image_key!r}")
        return pictures

    def needs(self) -> list[str]:
        """The columns without which a row makes no request; see `Plan.needs`."""
        needed = [self.image_key, self.prompt_key]
        if self.prompt_key is None and self.conversation_key != CONVERSATION:
            needed.append(self.conversation_key)
        if self.prompt_key is None:
            needed += [name for prompt in self.prompts for name in names_in(prompt.template)]
        return [name for name in needed if name is not None]

    def _asked(self, prompt: Prompt, row: Row, pictures: Sequence[ImageRef]) -> Request | RowError:
        system = prompt.sent_system
        try:
            turns = turns_of(
                self._conversation(prompt, row),
                pictures,
                system_prompt=self.system_prompt if system is None else system,
                default_question=prompt.sent_question or DEFAULT_QUESTION,
            )
        except RowError as error:
            return error
        if prompt.structure is not None:
            turns = prompt.structure.asked_for(turns)
        return Request(
            turns,
            prompt.sent_sampling,
            droppable=prompt.droppable,
            checks=prompt.checks,
            refine=prompt.refine,
            send=prompt.sent_options,
        )

    def _conversation(self, prompt: Prompt, row: Row) -> object:
        if self.prompt_key is not None:
            return _column(row, self.prompt_key)
        if prompt.template is not None:
            # a text, also where a field makes it look like a list of turns
            return [{"from": "human", "value": _filled(prompt.template, row)}]
        if self.conversation_key is not None and prompt.sent_question is None:
            return row.fields.get(self.conversation_key)
        return None


def names_in(template: object) -> Iterator[str]:
    """The columns that a text with ``{column}`` places names; none of another template."""
    if isinstance(template, str):
        for _, place, _, _ in Formatter().parse(template):
            if place is not None:
                yield re.split(r"[.\[]", place, maxsplit=1)[0]


def _column(row: Row, name: str) -> object:
    if name in row.fields:
        return row.fields[name]
    raise BadRowError(row.lacks(name))


class _Fields:
    """A row's fields for a template: what is not there is an error, what is null is empty."""

    def __init__(self, row: Row) -> None:
        self._row = row

    def __getitem__(self, name: str) -> object:
        value = _column(self._row, name)
        return "" if _is_null(value) else _as_text(value)


def _as_text(value: object) -> object:
    """A field's value in a prompt: a marker for a picture in it is text."""
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, (list, tuple, Mapping)) and MARKER in str(value):
        return literal(str(value))
    return value


def _is_null(value: object) -> bool:
    # pandas marks what is missing by NaN, NA or NaT
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _filled(template: Any, row: Row) -> str:
    build: Callable[..., object] | None = getattr(template, "build_prompt", None)
    try:
        text = _built(build, row) if build else str(template).format_map(_Fields(row))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise BadRowError(
            f"{row.source}: the prompt template cannot be filled: {error!r}"
        ) from None
    if not isinstance(text, str):
        raise BadRowError(f"{row.source}: the prompt template gave {type(text).__name__}, not text")
    return text


def _built(build: Callable[..., object], row: Row) -> object:
    """What `build` makes of the fields that it takes: all, those it names, or none."""
    fields = {name: _as_text(value) for name, value in row.fields.items()}
    takes = inspect.signature(build).parameters
    if any(one.kind is one.VAR_KEYWORD for one in takes.values()):
        return build(**fields)
    for name, one in takes.items():
        if one.default is one.empty and one.kind is not one.VAR_POSITIONAL:
            _column(row, name)  # says which columns there are
    return build(**{name: fields[name] for name in takes if name in fields})
