"""A row → the requests it makes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

from dataflow.core.errors import BadRowError, RowError
from dataflow.core.picture import ImageRef
from dataflow.core.request import Request
from dataflow.core.row import Row
from dataflow.images.reference import parse_reference
from dataflow.operators.core_vision.prompts import Prompt
from dataflow.serving.base.conversation import DEFAULT_QUESTION, turns_of


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
    """

    folders: Sequence[str] = (".",)
    system_prompt: str = ""
    image_key: str | None = "image"
    conversation_key: str | None = "conversation"
    prompt_key: str | None = None
    prompts: Sequence[Prompt] = (Prompt("caption"),)
    image_root: str | None = None

    def __call__(self, row: Row) -> list[Request | RowError]:
        """For each prompt the request of `row`, or why it makes none.

        Raises:
            BadRowError: the row has no picture, or lacks a column that was named.
            PictureError: a reference points where data may not point.
        """
        pictures: list[ImageRef] = []
        if self.image_key is not None:
            value = _column(row, self.image_key)
            pictures = parse_reference(value, self.folders, image_root=self.image_root)
            if not pictures:
                raise BadRowError(f"{row.source}: no picture in {self.image_key!r}")
        return [self._asked(prompt, row, pictures) for prompt in self.prompts]

    def needs(self) -> list[str]:
        """The columns without which a row makes no request; see `Plan.needs`."""
        needed = [self.image_key, self.prompt_key]
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
            turns = prompt.structure.told(turns)
        return Request(
            turns,
            prompt.sent_sampling,
            droppable=prompt.droppable,
            checks=prompt.checks,
            refine=prompt.refine,
        )

    def _conversation(self, prompt: Prompt, row: Row) -> object:
        if self.prompt_key is not None:
            return _column(row, self.prompt_key)
        if prompt.template is not None:
            return _filled(prompt.template, row)
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
        is_nan = isinstance(value, float) and math.isnan(value)  # what pandas puts for null
        return "" if value is None or is_nan else value


def _filled(template: Any, row: Row) -> str:
    build: Callable[..., object] | None = getattr(template, "build_prompt", None)
    fields: Mapping[str, Any] = row.fields
    try:
        text = build(**fields) if build else str(template).format_map(_Fields(row))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise BadRowError(
            f"{row.source}: the prompt template cannot be filled: {error!r}"
        ) from None
    if not isinstance(text, str):
        raise BadRowError(f"{row.source}: the prompt template gave {type(text).__name__}, not text")
    return text
