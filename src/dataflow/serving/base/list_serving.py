"""Lists in, lists out: the public methods that all our servings share.

They build requests and hand them to the pipeline, which loads the pictures, asks many at a time and
tries again; nothing is kept on disk.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from dataflow.core.errors import BadRowError, DataflowError, RowError, UsageError
from dataflow.core.errors.tracebacks import short_traceback
from dataflow.core.picture import ImageRef
from dataflow.core.protocols.serving import AsyncServing, Client
from dataflow.core.request import Reply, Request
from dataflow.core.settings import ANY_TEXT, value_text
from dataflow.images.reference import parse_reference
from dataflow.serving.base.call_errors import CallErrors
from dataflow.serving.base.conversation import turns_of
from dataflow.serving.base.shared_slots import SharedSlots, SlottedClient

_log = logging.getLogger("dataflow")

DEFAULT_SYSTEM_PROMPT = "You are a helpful assistant."


class ListServing(AsyncServing):
    """An engine with the list methods."""

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles hold: no errors of calls, no slots in use."""
        state = dict(self.__dict__)
        for name in ("_errors_of_calls", "_slots"):
            state.pop(name, None)
        return state

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r}, max_workers={self.max_workers})"

    @property
    def model_name(self) -> str:
        """The model's name, as `model`."""
        return self.model

    @property
    def last_errors(self) -> Mapping[int, DataflowError]:
        """The failed items of this thread's latest call: index → error."""
        return self._call_errors().of_this_thread()

    def _call_errors(self) -> CallErrors:
        # not in __init__: subclasses of users may not call ours
        found: CallErrors = self.__dict__.setdefault("_errors_of_calls", CallErrors())
        return found

    def with_slots(self, client: Client) -> Client:
        """`client`, whose requests are at most `max_workers` at once over all runs."""
        return SlottedClient(client, self._shared_slots(), self.max_workers)

    def _shared_slots(self) -> SharedSlots:
        slots: SharedSlots = self.__dict__.setdefault("_slots", SharedSlots())
        return slots

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
            system_prompt: The instruction before each question; empty for nothing.
            image_inputs: For each question a picture or a list of pictures, each a path, a URL, a
                data URI, base64 text, bytes or ``{"bytes": …, "path": …}``; None for no picture.
                Questions beyond the end of the list are asked without one, and a warning says so.
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

    @short_traceback
    def _generate(
        self, conversations: Sequence[Any], pictures: Sequence[Any] | None, system_prompt: str
    ) -> list[str]:
        ANY_TEXT.or_none().take("system_prompt", system_prompt)
        questions = _listed("the questions", conversations)
        given = [None] * len(questions) if pictures is None else _listed("the pictures", pictures)
        if len(given) > len(questions):
            raise UsageError(f"{len(questions)} questions with {len(given)} entries of pictures")
        if short := len(questions) - len(given):
            _log.warning(
                "the list of pictures ends early: the last %d of %d questions are asked without "
                "a picture",
                short,
                len(questions),
            )
            given += [None] * short
        requests = [
            _request_of(conversation, references, system_prompt)
            for conversation, references in zip(questions, given, strict=True)
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
        self._call_errors().note(errors)
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
        RowError: `value` names no picture; so does what pandas has for a missing value (NaN, NA).
    """
    is_nan = isinstance(value, float) and value != value
    if is_nan or type(value).__name__ in ("NAType", "NaTType"):
        raise BadRowError(f"the picture is missing ({value}); None means that there is none")
    return parse_reference(value, ())


def _listed(what: str, given: Any) -> list[Any]:
    """The items of a list, tuple, array or column of a DataFrame.

    Raises:
        UsageError: it is a text, or has no items.
    """
    if isinstance(given, (str, bytes, Mapping)) or not hasattr(given, "__len__"):
        raise UsageError(f"{what} must be a list with one entry for each, not {value_text(given)}")
    return list(given)


def _refuse_other_media(video: object, audio: object) -> None:
    if video is not None or audio is not None:
        raise UsageError("only pictures are supported, no video and no audio: leave them None")
