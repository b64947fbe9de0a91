"""A serving that somebody else wrote, lists in and lists out, driven by the road."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pybase64 import b64encode

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
from dataflow.core.request import Reply, Request
from dataflow.core.serving import AsyncServing, Client, LLMServingABC
from dataflow.core.text import scrub
from dataflow.serving.base.conversation import MARKER

_log = logging.getLogger("dataflow")

_LINGER = 0.02
_BARREN_BATCHES = 3


class ServingAdapter(AsyncServing):
    """Gathers single requests into the lists that `serving` wants, and hands out its answers.

    A batch whose call raises is asked again one by one, so that only the row that is to blame
    fails. Pictures go as the paths and URLs that the data names; bytes go as data URIs.

    Args:
        serving: The other's serving. Its ``generate_from_input_messages`` is called where it has
            one, else its ``generate_from_input``; either gets those of the arguments
            ``image_list`` or ``image_inputs`` and ``system_prompt`` that it takes.
        batch_size: Requests in one call at most.

    Raises:
        UsageError: `serving` is no serving, or `batch_size` is below 1.
    """

    def __init__(self, serving: LLMServingABC, *, batch_size: int = 32) -> None:
        if not callable(getattr(serving, "generate_from_input", None)):
            raise UsageError(f"{type(serving).__name__} has no generate_from_input()")
        if batch_size < 1:
            raise UsageError(f"batch_size must be 1 or more, not {batch_size}")
        self.serving = serving
        self.model = _model_of(serving)
        self.batch_size = batch_size
        # While one batch is being answered the next one gathers.
        self.max_workers = 2 * batch_size

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


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """One request that waits for its answer."""

    system_prompt: str
    conversation: list[dict[str, str]]
    pictures: list[str]
    answer: asyncio.Future[Any]


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
        self._queue.put_nowait(_Waiting(*_plain(request, pictures), answer))
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
        return self._judge(outcomes)

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
        return await self._thread.do(lambda: self._call(batch))


class _Caller:
    """Calls the other's list method in the form in which it takes its arguments."""

    def __init__(self, serving: LLMServingABC) -> None:
        messages = getattr(serving, "generate_from_input_messages", None)
        self._takes_messages = callable(messages)
        self._method: Callable[..., Any] = messages or serving.generate_from_input
        method = "generate_from_input_messages" if self._takes_messages else "generate_from_input"
        self._name = f"{type(serving).__name__}.{method}"
        takes = inspect.signature(self._method).parameters
        takes_all = any(p.kind is p.VAR_KEYWORD for p in takes.values())
        self._pictures = "image_list" if self._takes_messages else "image_inputs"
        self._takes_pictures = takes_all or self._pictures in takes
        self._takes_system = takes_all or "system_prompt" in takes
        self._has_warned = False

    def __call__(self, batch: Sequence[_Waiting]) -> list[Any]:
        """The answers to `batch`.

        Raises:
            ServingContractError: there are not as many answers as requests.
            Exception: whatever the other's code raises.
        """
        options: dict[str, Any] = {}
        if self._takes_system:
            options["system_prompt"] = batch[0].system_prompt
        if any(waiting.pictures for waiting in batch):
            if self._takes_pictures:
                options[self._pictures] = [waiting.pictures for waiting in batch]
            else:
                self._warn()
        conversations = [waiting.conversation for waiting in batch]
        inputs: list[Any] = conversations if self._takes_messages else _texts(conversations)
        answers = self._method(inputs, **options)
        if isinstance(answers, (str, bytes, Mapping)) or not hasattr(answers, "__len__"):
            raise ServingContractError(
                f"{self._name} returned a {type(answers).__name__} in place of a list of texts"
            )
        if len(answers) != len(batch):
            raise ServingContractError(
                f"{self._name} returned {len(answers)} answers to {len(batch)} questions: "
                "nobody can tell which belongs to which"
            )
        return list(answers)

    def _warn(self) -> None:
        if not self._has_warned:
            self._has_warned = True
            _log.warning(
                "%s takes no %s: it answers without seeing the pictures", self._name, self._pictures
            )


def _settle(answer: asyncio.Future[Any], outcome: Any) -> None:
    if answer.done():
        return  # its client went away
    if isinstance(outcome, BaseException):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)


def _plain(
    request: Request, pictures: Sequence[Picture]
) -> tuple[str, list[dict[str, str]], list[str]]:
    """A request as system prompt, conversation and pictures.

    Markers are put in only where pictures stand elsewhere than before the first user turn: a
    serving that does not know them would show them to its model.
    """
    system = "\n".join(
        part
        for turn in request.turns
        if turn.role == "system"
        for part in turn.parts
        if isinstance(part, str)
    )
    turns = [turn for turn in request.turns if turn.role != "system"]
    flat = [isinstance(part, ImageRef) for turn in turns for part in turn.parts]
    marker = MARKER if flat != sorted(flat, reverse=True) else ""
    conversation = [
        {
            "from": "human" if turn.role == "user" else "gpt",
            "value": "".join(part if isinstance(part, str) else marker for part in turn.parts),
        }
        for turn in turns
    ]
    references = zip(request.pictures, pictures, strict=True)
    return system, conversation, [_picture(ref, picture) for ref, picture in references]


def _picture(ref: ImageRef, picture: Picture) -> str:
    if ref.location:
        return ref.location
    return f"data:{picture.media_type};base64,{b64encode(picture.data).decode('ascii')}"


def _texts(conversations: Sequence[Sequence[Mapping[str, str]]]) -> list[str]:
    return ["\n".join(turn["value"] for turn in turns) for turns in conversations]


def _said(error: Exception) -> str:
    return scrub(f"{type(error).__name__}: {error}")


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
