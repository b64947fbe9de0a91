"""A scripted engine, for testing pipelines without a model and without a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from dataflow.core.errors import ServingContractError
from dataflow.core.picture import Picture
from dataflow.core.protocols.serving import Client
from dataflow.core.request import Reply, Request
from dataflow.core.settings import FROM_1, TEXT
from dataflow.serving.base.list_serving import ListServing

ScriptedReply: TypeAlias = "str | Reply | BaseException"
Script: TypeAlias = (
    "str | Sequence[ScriptedReply] | Callable[[Request, Sequence[Picture]], ScriptedReply]"
)


class FakeServing(ListServing):
    """A scripted engine; it opens no connection.

    Args:
        replies: The same text for every request; or a list that is used up in the order of asking;
            or a function of the request and its loaded pictures. An exception is raised.
        delay: Seconds before each answer, or a function of request and pictures that gives them.
        model: The name it goes by.
        max_workers: Requests in flight at most.

    Attributes:
        asked: How many attempts were made so far.
        most_in_flight: The most attempts that were under way at one time.
    """

    may_change = True

    def __init__(
        self,
        replies: Script = "A picture.",
        *,
        delay: float | Callable[[Request, Sequence[Picture]], float] = 0.0,
        model: str = "fake",
        max_workers: int = 10,
    ) -> None:
        self.model = TEXT.take("model", model)
        self.max_workers = FROM_1.take("max_workers", max_workers)
        self.asked = 0
        self.most_in_flight = 0
        self._in_flight = 0
        self._replies = replies
        self._delay = delay

    def settings(self) -> Mapping[str, Any]:
        """The model's name alone: a changed script is asked again only under another name."""
        return {"model": self.model, "sampling": {}}

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        """Open nothing."""
        yield self.with_slots(self)

    def cleanup(self) -> None:
        """Nothing is held."""

    async def send(self, request: Request, pictures: Sequence[Picture]) -> Reply:
        """Give the script's next answer, or raise it.

        Raises:
            BaseException: what the script holds.
            ServingContractError: the script is used up.
        """
        number = self.asked
        self.asked += 1
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            delay = self._delay(request, pictures) if callable(self._delay) else self._delay
            await asyncio.sleep(delay)
            answer = self._answer(number, request, pictures)
        finally:
            self._in_flight -= 1
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, Reply):
            return answer
        return Reply(answer, finish_reason="stop", model=self.model)

    def _answer(self, number: int, request: Request, pictures: Sequence[Picture]) -> ScriptedReply:
        if callable(self._replies):
            return self._replies(request, pictures)
        if isinstance(self._replies, str):
            return self._replies
        if number >= len(self._replies):
            raise ServingContractError(
                f"the script has {len(self._replies)} replies and was asked once more"
            )
        return self._replies[number]
