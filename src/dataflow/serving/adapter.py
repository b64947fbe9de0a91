"""A serving that somebody else wrote, lists in and lists out, driven by the pipeline.

Its methods run one after the other in a thread of their own. Methods that are coroutines
(``async def``) are awaited in the run's event loop.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from dataflow.checks.forms.error_text import is_error_message
from dataflow.core.aio import ControlFlowError, Worker, as_ordinary
from dataflow.core.errors import (
    BadRequestError,
    DataflowError,
    EmptyCaptionError,
    ServingContractError,
    StopRunError,
    TryAgainError,
    UsageError,
)
from dataflow.core.picture import Picture
from dataflow.core.protocols.serving import AsyncServing, Client, LLMServingABC
from dataflow.core.request import Reply, Request
from dataflow.core.settings import FROM_1, value_text
from dataflow.core.text import error_text, scrub
from dataflow.serving.base.code_digest import code_digest
from dataflow.serving.base.list_method import ListMethod, PendingRequest, overridden_methods

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
        """The serving's own `settings()` where it has them, else what its code shows.

        That is its class, its model's name, and a digest of its code and of the values that it was
        made with: code that was mended asks again, as a changed prompt does.
        """
        own = getattr(self.serving, "settings", None)
        settings = _plain(own(), type(self.serving).__name__) if callable(own) else {}
        if not callable(own) or overridden_methods(self.serving):
            settings = {"code": code_digest(self.serving, has_settings=callable(own)), **settings}
        kind = f"{type(self.serving).__module__}.{type(self.serving).__qualname__}"
        return {"serving": kind, "model": self.model, **settings}

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        """Start gathering; calls are made one at a time, in a thread of their own."""
        async with _Gatherer(ListMethod(self.serving), self.batch_size, self.model) as gatherer:
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


class _Gatherer:
    """Single requests in, batches out."""

    def __init__(self, call: ListMethod, batch_size: int, model: str) -> None:
        self._call = call
        self._batch_size = batch_size
        self._model = model
        self._barren = 0
        self._queue: asyncio.Queue[PendingRequest] = asyncio.Queue()
        self._held: PendingRequest | None = None
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
        self._queue.put_nowait(PendingRequest(request, pictures, answer))
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

    async def _gather(self) -> list[PendingRequest]:
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

    async def _answer(self, batch: list[PendingRequest]) -> list[Any]:
        """What came of each request of `batch`: a text, or an error."""
        try:
            outcomes = await self._in_thread(batch)
        except (StopRunError, TryAgainError) as error:
            return [error] * len(batch)  # the serving says itself who must act
        except Exception as error:  # noqa: BLE001 - whatever the other's code raises
            outcomes = [error] if len(batch) == 1 else [await self._alone(w) for w in batch]
        return self._judge([_failure_in(outcome) for outcome in outcomes])

    async def _alone(self, waiting: PendingRequest) -> Any:
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

    async def _in_thread(self, batch: list[PendingRequest]) -> list[Any]:
        answers = await self._thread.do(lambda: self._call.start(batch))
        if inspect.isawaitable(answers):
            answers = await _awaited(answers)
        return self._call.checked(answers, len(batch))


async def _awaited(answers: Awaitable[Any]) -> Any:
    """What a coroutine of the other's returns or raises; a CancelledError of its own is an error.

    It has a task of its own, so that it cannot be taken for our own cancellation.
    """
    task = asyncio.ensure_future(_ordinary(answers))
    try:
        await asyncio.wait([task])
    finally:
        task.cancel()
    try:
        return task.result()
    except asyncio.CancelledError as error:
        raise as_ordinary(error) from error


async def _ordinary(answers: Awaitable[Any]) -> Any:
    try:
        return await answers
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - it is raised
        ordinary = as_ordinary(error)
        raise ordinary from (ordinary.__cause__ if ordinary is error else error)


def _plain(settings: Any, name: str) -> Mapping[str, Any]:
    """What the other's `settings()` returned.

    Raises:
        ServingContractError: it is no dict of plain values, which a request key can be made of.
    """
    try:
        if isinstance(settings, Mapping):
            json.dumps(dict(settings), allow_nan=False)
            return settings
        reason = f"it is {value_text(settings)}"
    except (TypeError, ValueError, RecursionError) as error:
        reason = str(error)
    raise ServingContractError(
        f"{name}.settings() must return a dict of texts, numbers, lists and dicts, by which "
        f"answers are known to be the same: {reason}"
    )


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


def _said(error: Exception) -> str:
    is_text = isinstance(error, (_SaidError, ControlFlowError))
    return scrub(str(error) if is_text else error_text(error))


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
