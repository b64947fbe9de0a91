"""The list method of a serving that somebody else wrote, called as it takes its arguments."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pybase64 import b64encode

from dataflow.core.errors import ServingContractError
from dataflow.core.picture import ImageRef, Picture
from dataflow.core.protocols.serving import LLMServingABC
from dataflow.core.request import Request
from dataflow.serving.base.conversation import MARKER
from dataflow.serving.base.list_serving import ListServing


@dataclass(frozen=True, slots=True, eq=False)
class PendingRequest:
    """One request that waits for its answer."""

    request: Request
    pictures: Sequence[Picture]
    answer: asyncio.Future[Any]

    @property
    def system_prompt(self) -> str:
        """The system message; empty where there is none."""
        return "\n".join(
            part
            for turn in self.request.turns
            if turn.role == "system"
            for part in turn.parts
            if isinstance(part, str)
        )

    @property
    def references(self) -> list[str]:
        """The pictures as the data names them; bytes as data URIs."""
        pairs = zip(self.request.pictures, self.pictures, strict=True)
        return [_picture(ref, picture) for ref, picture in pairs]

    def conversation(self, *, marks_all: bool) -> list[dict[str, str]]:
        """The turns in DataFlow's form.

        Args:
            marks_all: Whether each picture has its marker; otherwise they have where pictures
                stand elsewhere than before the first user turn. A plain prompt would show a
                marker to its model.
        """
        turns = [turn for turn in self.request.turns if turn.role != "system"]
        flat = [isinstance(part, ImageRef) for turn in turns for part in turn.parts]
        marker = MARKER if marks_all or flat != sorted(flat, reverse=True) else ""
        return [
            {
                "from": "human" if turn.role == "user" else "gpt",
                "value": "".join(part if isinstance(part, str) else marker for part in turn.parts),
            }
            for turn in turns
        ]


class ListMethod:
    """Calls the other's list method in the form in which it takes its arguments.

    Args:
        serving: The other's.

    Attributes:
        name: The method's, for messages.
    """

    def __init__(self, serving: LLMServingABC) -> None:
        self.name, self._method = _method_of(serving)
        self._takes_messages = self.name.endswith("_messages")
        takes = inspect.signature(self._method).parameters
        takes_all = any(p.kind is p.VAR_KEYWORD for p in takes.values())
        self._pictures = "image_list" if self._takes_messages else "image_inputs"
        self._takes_pictures = takes_all or self._pictures in takes
        self._takes_system = takes_all or "system_prompt" in takes

    def start(self, batch: Sequence[PendingRequest]) -> Any:
        """What the other's method returns for `batch`: its answers, or a coroutine of them.

        Raises:
            ServingContractError: there are pictures, and it takes none.
            Exception: whatever the other's code raises.
        """
        options: dict[str, Any] = {}
        if self._takes_system:
            options["system_prompt"] = batch[0].system_prompt
        pictures = [waiting.references for waiting in batch]
        if any(pictures):
            if not self._takes_pictures:
                raise ServingContractError(
                    f"{self.name} takes no {self._pictures}: it would answer without seeing the "
                    f"pictures. Give it a parameter {self._pictures}=None"
                )
            options[self._pictures] = pictures
        conversations = [one.conversation(marks_all=self._takes_messages) for one in batch]
        inputs: list[Any] = conversations if self._takes_messages else _texts(conversations)
        return self._method(inputs, **options)

    def checked(self, answers: Any, wanted: int) -> list[Any]:
        """`answers`, which are as many as `wanted`.

        Raises:
            ServingContractError: they are not, or are no list.
        """
        if isinstance(answers, (str, bytes, Mapping)) or not hasattr(answers, "__len__"):
            raise ServingContractError(
                f"{self.name} returned a {type(answers).__name__} instead of a list of texts"
            )
        if len(answers) != wanted:
            raise ServingContractError(
                f"{self.name} returned {len(answers)} answers to {wanted} questions: "
                "which belongs to which is unknown"
            )
        found = list(answers)
        odd = [one for one in found if one is not None and not isinstance(one, str)]
        if odd and len(odd) == len(found):
            raise ServingContractError(
                f"{self.name} returned a list of {type(odd[0]).__name__}; a list of texts is "
                "needed, with an empty one where there is no answer"
            )
        return found


def overridden_methods(serving: object) -> list[str]:
    """The list methods that a subclass of one of our servings, or the object itself, replaces."""
    if not isinstance(serving, ListServing):
        return []
    return [
        name
        for name in ("generate_from_input_messages", "generate_from_input")
        if getattr(getattr(serving, name), "__func__", None) is not getattr(ListServing, name)
    ]


def _method_of(serving: LLMServingABC) -> tuple[str, Callable[..., Any]]:
    """The method to call, with its name for messages."""
    names = overridden_methods(serving) or ["generate_from_input_messages", "generate_from_input"]
    name = next(name for name in names if callable(getattr(serving, name, None)))
    return f"{type(serving).__name__}.{name}", getattr(serving, name)


def _picture(ref: ImageRef, picture: Picture) -> str:
    if ref.location:
        return ref.location
    return f"data:{picture.media_type};base64,{b64encode(picture.data).decode('ascii')}"


def _texts(conversations: Sequence[Sequence[Mapping[str, str]]]) -> list[str]:
    return ["\n".join(turn["value"] for turn in turns) for turns in conversations]
