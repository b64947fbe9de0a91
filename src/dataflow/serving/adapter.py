"""A serving that somebody else wrote, lists in and lists out, driven by the pipeline.

Its methods run one after the other in a thread of their own. Methods that are coroutines
(``async def``) are awaited in the run's event loop.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pybase64 import b64encode

from dataflow.checks.rules.error_text import is_error_message
from dataflow.core.aio import Worker
from dataflow.core.errors import (
    BadRequestError,
    DataflowError,
    EmptyCaptionError,
    ServingContractError,
    StopRunError,
    TryAgainError,
    UsageError,
)
from dataflow.core.picture import ImageRef, Picture
from dataflow.core.protocols.serving import AsyncServing, Client, LLMServingABC
from dataflow.core.request import Reply, Request
from dataflow.core.settings import FROM_1
from dataflow.core.text import scrub
from dataflow.serving.base.conversation import MARKER
from dataflow.serving.base.list_serving import ListServing

_log = logging.getLogger("dataflow")

_LINGER = 0.02
_BARREN_BATCHES = 3


class ServingAdapter(AsyncServing):
    """Gathers single requests into the lists that `serving` wants, and hands out its answers.

    A batch whose call raises is asked again one by one, so that only the row that is to blame
    fails. Pictures go as the paths and URLs that the data names; bytes go as data URIs.

    An answer that is an error's message (``"Error: 429 …"``) is a failure of its row.

    Args:
        serving: The other's serving. Its ``generate_from_input_messages`` is called where it has
            one, with ``<image>`` where each picture goes, else its ``generate_from_input``; either
            gets those of the arguments ``image_list`` or ``image_inputs`` and ``system_prompt``
            that it takes. Of one of our servings, the method that a subclass overrides is called.
        batch_size: Requests in one call at most.

    Raises:
        UsageError: `serving` is no serving, or `batch_size` is below 1.
    """

    def __init__(self, serving: LLMServingABC, *, batch_size: int = 32) -> None:
        if not callable(getattr(serving, "generate_from_input", None)):
            raise UsageError(f"{type(serving).__name__} has no generate_from_input()")
        self.serving = serving
        self.model = _model_of(serving)
        self.batch_size = FROM_1.take("batch_size", batch_size)
        self.is_local = bool(getattr(serving, "is_local", False))
        self.api_urls = tuple(getattr(serving, "api_urls", ()))
        # While one batch is being answered the next one gathers.
        self.max_workers = 2 * batch_size
        self.may_change = not callable(getattr(serving, "settings", None))

    def settings(self) -> Mapping[str, Any]:
        """The serving's own `settings()` where it has them, else its class and model's name."""
        own = getattr(self.serving, "settings", None)
        settings = own() if callable(own) else {}
        kind = f"{type(self.serving).__module__}.{type(self.serving).__qualname__}"
        return {"serving": kind, "model": self.model, **settings}

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        """Start gathering; calls are made one at a time, in a thread of their own."""
        async with _Gatherer(_Caller(self.serving), self.batch_size, self.model) as gatherer:
            yield gatherer

    def generate_from_input(self, user_inputs: list[str], system_prompt: str) -> list[str]:
        """Call the serving's own."""
        return self.serving.generate_from_input(user_inputs, system_prompt)

    def cleanup(self) -> None:
        """Call the serving's own."""
        self.serving.cleanup()


def as_async_serving(serving: LLMServingABC) -> AsyncServing:
    """`serving` as the pipeline drives it.

    One of our own servings is driven directly, unless a subclass overrides one of its list
    methods: that method is what its author wants called.
    """
    if isinstance(serving, AsyncServing) and not overridden_methods(serving):
        return serving
    return ServingAdapter(serving)


def overridden_methods(serving: object) -> list[str]:
    """The list methods that a subclass of one of our servings, or the object itself, replaces."""
    if not isinstance(serving, ListServing):
        return []
    return [
        name
        for name in ("generate_from_input_messages", "generate_from_input")
        if getattr(getattr(serving, name), "__func__", None) is not getattr(ListServing, name)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
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


class _Gatherer:
    """Single requests in, batches out."""

    def __init__(self, call: _Caller, batch_size: int, model: str) -> None:
        self._call = call
        self._batch_size = batch_size
        self._model = model
        self._barren = 0
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._held: _Waiting | None = None
        self._open: set[asyncio.Future[Any]] = set()

    async def __aenter__(self) -> _Gatherer:  # noqa: PYI034 - a private class
        self._thread = Worker("dataflow-foreign")
        self._worker = asyncio.create_task(self._work())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._worker.cancel()
        with suppress(asyncio.CancelledError):
            await self._worker
        self._thread.close(wait=False)

    async def send(self, request: Request, pictures: Sequence[Picture]) -> Reply:
        """Wait for the answer that a batch brings."""
        answer = asyncio.get_running_loop().create_future()
        self._open.add(answer)
        answer.add_done_callback(self._open.discard)
        self._queue.put_nowait(_Waiting(request, pictures, answer))
        text = await answer
        if not isinstance(text, str) or not text.strip():
            raise EmptyCaptionError(f"the serving answered with no text ({type(text).__name__})")
        return Reply(text, model=self._model)

    async def _work(self) -> None:
        try:
            while True:
                batch = await self._gather()
                outcomes = await self._answer(batch)
                for waiting, outcome in zip(batch, outcomes, strict=True):
                    _settle(waiting.answer, outcome)
        finally:
            for answer in tuple(self._open):
                _settle(answer, StopRunError("the serving was closed before it answered"))

    async def _gather(self) -> list[_Waiting]:
        """Up to `batch_size` waiting requests with one system prompt, after a short linger."""
        first = self._held or await self._queue.get()
        self._held = None
        batch = [first]
        while len(batch) < self._batch_size:
            try:
                waiting = await asyncio.wait_for(self._queue.get(), _LINGER)
            except asyncio.TimeoutError:
                break
            if waiting.system_prompt != first.system_prompt:
                self._held = waiting
                break
            batch.append(waiting)
        return batch

    async def _answer(self, batch: list[_Waiting]) -> list[Any]:
        """What came of each request of `batch`: a text, or an error."""
        try:
            outcomes = await self._in_thread(batch)
        except (StopRunError, TryAgainError) as error:
            return [error] * len(batch)  # the serving says itself who must act
        except Exception as error:  # noqa: BLE001 - whatever the other's code raises
            outcomes = [error] if len(batch) == 1 else [await self._alone(w) for w in batch]
        return self._judge([_failure_in(outcome) for outcome in outcomes])

    async def _alone(self, waiting: _Waiting) -> Any:
        try:
            return (await self._in_thread([waiting]))[0]
        except Exception as error:  # noqa: BLE001 - whatever the other's code raises
            return error

    def _judge(self, outcomes: list[Any]) -> list[Any]:
        """Rows' failures, or the serving's own where nothing comes of any row."""
        failures = [o for o in outcomes if isinstance(o, Exception)]
        self._barren = self._barren + 1 if len(failures) == len(outcomes) else 0
        if self._barren and (len(outcomes) > 1 or self._barren >= _BARREN_BATCHES):
            stop = StopRunError(f"the serving fails for every row: {_said(failures[-1])}")
            stop.__cause__ = failures[-1]
            return [stop] * len(outcomes)
        return [_row_error(o) if isinstance(o, Exception) else o for o in outcomes]

    async def _in_thread(self, batch: list[_Waiting]) -> list[Any]:
        answers = await self._thread.do(lambda: self._call.start(batch))
        if inspect.isawaitable(answers):
            answers = await answers
        return self._call.checked(answers, len(batch))


class _Caller:
    """Calls the other's list method in the form in which it takes its arguments."""

    def __init__(self, serving: LLMServingABC) -> None:
        self._name, self._method = _method_of(serving)
        self._takes_messages = self._name.endswith("_messages")
        takes = inspect.signature(self._method).parameters
        takes_all = any(p.kind is p.VAR_KEYWORD for p in takes.values())
        self._pictures = "image_list" if self._takes_messages else "image_inputs"
        self._takes_pictures = takes_all or self._pictures in takes
        self._takes_system = takes_all or "system_prompt" in takes

    def start(self, batch: Sequence[_Waiting]) -> Any:
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
                    f"{self._name} takes no {self._pictures}: it would answer without seeing the "
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
                f"{self._name} returned a {type(answers).__name__} instead of a list of texts"
            )
        if len(answers) != wanted:
            raise ServingContractError(
                f"{self._name} returned {len(answers)} answers to {wanted} questions: "
                "which belongs to which is unknown"
            )
        return list(answers)


def _method_of(serving: LLMServingABC) -> tuple[str, Callable[..., Any]]:
    """The method to call, with its name for messages."""
    names = overridden_methods(serving) or ["generate_from_input_messages", "generate_from_input"]
    name = next(name for name in names if callable(getattr(serving, name, None)))
    return f"{type(serving).__name__}.{name}", getattr(serving, name)


def _failure_in(outcome: Any) -> Any:
    """The error that an answer tells of in place of a caption; else the answer itself.

    DataFlow's servings return ``"Error: …"`` where a request failed.
    """
    is_error = isinstance(outcome, str) and is_error_message(outcome)
    return _SaidError(outcome) if is_error else outcome


class _SaidError(Exception):
    """What a serving answered is an error's message."""


def _settle(answer: asyncio.Future[Any], outcome: Any) -> None:
    if answer.done():
        return  # its client went away
    if isinstance(outcome, BaseException):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)


def _picture(ref: ImageRef, picture: Picture) -> str:
    if ref.location:
        return ref.location
    return f"data:{picture.media_type};base64,{b64encode(picture.data).decode('ascii')}"


def _texts(conversations: Sequence[Sequence[Mapping[str, str]]]) -> list[str]:
    return ["\n".join(turn["value"] for turn in turns) for turns in conversations]


def _said(error: Exception) -> str:
    is_text = isinstance(error, _SaidError)
    return scrub(str(error) if is_text else f"{type(error).__name__}: {error}")


def _row_error(error: Exception) -> DataflowError:
    if isinstance(error, DataflowError):
        return error
    row_error = BadRequestError(f"the serving failed for this row: {_said(error)}")
    row_error.__cause__ = error
    return row_error


def _model_of(serving: object) -> str:
    for name in ("model", "model_name", "model_name_or_path", "hf_model_name_or_path"):
        model = getattr(serving, name, None)
        if isinstance(model, str) and model:
            return model
    return type(serving).__name__
