"""Lists in, lists out: the public methods that all our servings share.

They build requests and hand them to the road, which loads the pictures, asks many at a time and
tries again; nothing is kept on disk.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from dataflow.core.errors import DataflowError, RowError, UsageError
from dataflow.core.picture import ImageRef
from dataflow.core.request import Reply, Request
from dataflow.core.serving import AsyncServing
from dataflow.images.reference import parse_reference
from dataflow.serving.base.conversation import turns_of

_log = logging.getLogger("dataflow")

DEFAULT_SYSTEM_PROMPT = "You are a helpful assistant."


class ListServing(AsyncServing):
    """An engine with the list methods.

    Attributes:
        last_errors: The failed items of the last call: index → error.
    """

    last_errors: Mapping[int, DataflowError] = MappingProxyType({})

    def generate_from_input(
        self,
        user_inputs: list[str],
        system_prompt: str = DEFAULT_SYSTEM_PROMPT,
        image_inputs: Sequence[Any] | None = None,
        video_inputs: None = None,
        audio_inputs: None = None,
    ) -> list[str]:
        """Answer each of `user_inputs`, with its pictures before it.

        Args:
            user_inputs: The questions; ``<image>`` in one marks where its picture goes.
            system_prompt: What the model is told before each question; empty for nothing.
            image_inputs: For each question a picture or a list of pictures, each a path, a URL, a
                data URI, base64 text, bytes or ``{"bytes": …, "path": …}``; None for no picture.
            video_inputs: Not supported; must be None.
            audio_inputs: Not supported; must be None.

        Returns:
            As many answers as questions, in order. Where one failed stands ``""``, a warning goes
            to the log, and the error is in `last_errors`.

        Raises:
            StopRunError: no question can be answered until a person acts; the answers so far are
                in its `answers`, with None for what has none.
        """
        _refuse_other_media(video_inputs, audio_inputs)
        return self._generate(user_inputs, image_inputs, system_prompt)

    def generate_from_input_messages(
        self,
        conversations: Sequence[Any],
        image_list: Sequence[Any] | None = None,
        video_list: None = None,
        audio_list: None = None,
        system_prompt: str = DEFAULT_SYSTEM_PROMPT,
    ) -> list[str]:
        """Answer each of `conversations`, with its pictures in their places.

        Args:
            conversations: Lists of turns, as `conversation.turns_of` reads them.
            image_list: For each conversation its pictures, as in `generate_from_input`.
            video_list: Not supported; must be None.
            audio_list: Not supported; must be None.
            system_prompt: As in `generate_from_input`.

        Returns:
            As `generate_from_input`.

        Raises:
            StopRunError: no conversation can be answered until a person acts; see its `answers`.
        """
        _refuse_other_media(video_list, audio_list)
        return self._generate(conversations, image_list, system_prompt)

    def _generate(
        self, conversations: Sequence[Any], pictures: Sequence[Any] | None, system_prompt: str
    ) -> list[str]:
        if isinstance(conversations, str) or isinstance(pictures, (str, bytes)):
            raise UsageError("lists are wanted, one entry for each question, not one text")
        if pictures is None:
            pictures = [None] * len(conversations)
        if len(pictures) != len(conversations):
            raise UsageError(
                f"{len(conversations)} questions with {len(pictures)} entries of pictures"
            )
        requests = [
            _request_of(conversation, references, system_prompt)
            for conversation, references in zip(conversations, pictures, strict=True)
        ]
        return self.answer_texts(requests)

    def answer_texts(self, requests: Sequence[Request | RowError]) -> list[str]:
        """Answer `requests`; what fails is ``""`` and stands in `last_errors`.

        Raises:
        StopRunError: no request can be answered until a person acts; see its `answers`.
        """
        from dataflow.engine.in_memory import answer_all

        outcomes = answer_all(self, requests)
        errors = {i: o for i, o in enumerate(outcomes) if isinstance(o, DataflowError)}
        for index, error in errors.items():
            _log.warning("item %d has no answer: %s: %s", index, error.kind, error)
        self.last_errors = MappingProxyType(errors)
        return [outcome.text if isinstance(outcome, Reply) else "" for outcome in outcomes]


def _request_of(conversation: object, references: object, system_prompt: str) -> Request | RowError:
    try:
        return Request(
            turns_of(conversation, references_of(references), system_prompt=system_prompt)
        )
    except RowError as error:
        return error


def references_of(value: object) -> list[ImageRef]:
    """The pictures that `value` names, relative paths looked up in the working directory.

    Raises:
        RowError: `value` names no picture.
    """
    return parse_reference(value, ())


def _refuse_other_media(video: object, audio: object) -> None:
    if video is not None or audio is not None:
        raise UsageError("only pictures are supported, no video and no audio: leave them None")
