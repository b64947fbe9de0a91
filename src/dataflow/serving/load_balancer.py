"""Several endpoints of one model as one serving.

Each endpoint has a concurrency and a rate of its own, as a run with one endpoint has: so a fast one
takes more and a slow one less, and a rate limit, which is an endpoint's or a key's, slows down no
other. A request goes to the endpoint with a free slot that will answer soonest. An endpoint that
fails several times in a row rests, and is then tried with one request. One whose key, quota or
model ends is left out, by name, while the others finish. Endpoints may join and leave meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from dataflow.core.aio import Worker, now
from dataflow.core.errors import UnreachableError, UsageError
from dataflow.core.protocols.serving import AsyncServing, Client
from dataflow.engine.flow.adaptive_concurrency import START
from dataflow.serving.balancing.client import BalancedClient
from dataflow.serving.balancing.endpoint import BalancedEndpoint
from dataflow.serving.base.list_serving import ListServing

if TYPE_CHECKING:
    from typing_extensions import Self

WATCH_SECONDS = 1.0
"""Between two looks at which endpoints there are."""

FIRST_SECONDS = 1800.0
"""A run waits so long for its first server to join: one that loads a large model needs minutes."""

MOST_WATCHED = 1024
"""Requests in flight at least that a run allows whose endpoints come and go."""

Discover: TypeAlias = "Callable[[], Sequence[AsyncServing] | None]"
"""Which endpoints there are now; None where that is as it was. May read from a slow disk."""

_log = logging.getLogger("dataflow")


class LoadBalancedServing(ListServing):
    """Endpoints of one model, as one serving.

    Args:
        endpoints: At least one; all with the same model and sampling.
        discover: Asked every second which endpoints there are: those that it names join, those that
            it names no more leave. None where they stay as they are. `endpoints` are then those
            that there are at first.
        pattern: A serving with the model and the sampling of all, where there may be none at first.

    Raises:
        UsageError: there is none, or they differ in what determines an answer.
    """

    self_limiting = True

    def __init__(
        self,
        endpoints: Sequence[AsyncServing],
        *,
        discover: Discover | None = None,
        pattern: AsyncServing | None = None,
    ) -> None:
        pattern = pattern or next(iter(endpoints), None)
        if pattern is None:
            raise UsageError("no endpoint is given")
        self._pattern = pattern
        if any(e.settings() != pattern.settings() for e in endpoints):
            raise UsageError("the endpoints differ in model or sampling; captions would, too")
        self._endpoints = tuple(endpoints)
        self._discover = discover
        self.model = pattern.model
        self.penalty = pattern.penalty
        self.api_urls = [url for endpoint in endpoints for url in endpoint.api_urls]
        self.max_workers = sum(e.max_workers for e in endpoints)
        if discover is not None:
            self.max_workers = max(self.max_workers, MOST_WATCHED)
        self._client: BalancedClient | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the open client, which belongs to one event loop."""
        return {**self.__dict__, "_client": None}

    @property
    def notes(self) -> Sequence[str]:
        """The endpoints that were left out or stopped answering, and what was learned of all."""
        own = self._client.notes if self._client is not None else []
        return tuple(dict.fromkeys([*own, *(n for e in self._endpoints for n in e.notes)]))

    def endpoint_counts(self) -> tuple[int, int]:
        """How many endpoints answer, and how many there are."""
        return (1, 1) if self._client is None else self._client.counts

    def learned(self) -> Mapping[str, Mapping[str, Any]]:
        """What was learned at all endpoints."""
        return {name: one for e in self._endpoints for name, one in e.learned().items()}

    def recall(self, learned: Mapping[str, Mapping[str, Any]]) -> None:
        """Each endpoint begins with what was learned of it."""
        for endpoint in self._endpoints:
            endpoint.recall(learned)

    def settings(self) -> Mapping[str, Any]:
        """Model and sampling, which are the same at every endpoint."""
        return self._pattern.settings()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        """Open every endpoint for the running event loop; where they come and go, wait for one.

        Raises:
            UnreachableError: none came.
        """
        async with _Members() as members:
            self._client = members.client
            for endpoint in self._endpoints:
                await members.open(endpoint)
            if self._discover is None:
                yield self._client
                return
            async with _watching(self, members, self._discover):
                yield self._client

    def note_members(self, endpoints: Sequence[AsyncServing]) -> None:
        """Take note of which endpoints there are now."""
        self._endpoints = tuple(endpoints)

    def cleanup(self) -> None:
        """Clean up every endpoint."""
        for endpoint in self._endpoints:
            endpoint.cleanup()


class _Members:
    """The endpoints that are open, each with what closes it; used from one event loop."""

    def __init__(self) -> None:
        self.client = BalancedClient([])
        self._open: dict[BalancedEndpoint, AsyncExitStack] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for endpoint in list(self._open):
            await self._close(endpoint)

    async def open(self, serving: AsyncServing, *, has_joined: bool = False) -> None:
        """Ask this one too from now on."""
        stack = AsyncExitStack()
        client = await stack.enter_async_context(serving.connect())
        most = serving.max_workers
        start = max(START, self.client.usual_level if has_joined else 0)
        endpoint = BalancedEndpoint(
            _name_of(serving),
            client,
            most,
            start=min(most, start) if serving.adaptive_concurrency else most,
            has_joined=has_joined,
        )
        self._open[endpoint] = stack
        self.client.join(endpoint)

    async def update(self, servings: Sequence[AsyncServing]) -> None:
        """Let those join that are new, and those leave that are not among `servings`."""
        names, there = [_name_of(serving) for serving in servings], self.client.names
        for name in there:
            if name not in names:
                self.client.leave(name)
                _log.warning("the server %s has left; %d are left", name, len(self.client.names))
        for name, serving in zip(names, servings, strict=True):
            if name not in there:
                await self.open(serving, has_joined=True)
                _log.warning("the server %s has joined; there are %d", name, len(self.client.names))
        for endpoint in [one for one in self._open if one.has_left and not one.limiter.in_flight]:
            await self._close(endpoint)

    async def _close(self, endpoint: BalancedEndpoint) -> None:
        with contextlib.suppress(OSError):  # a connection to a machine that is gone
            await self._open.pop(endpoint).aclose()


@asynccontextmanager
async def _watching(
    serving: LoadBalancedServing, members: _Members, discover: Discover
) -> AsyncIterator[None]:
    """Keep `members` as `discover` says during the block, which begins once there is one."""
    worker = Worker("dataflow-endpoints")

    async def look() -> None:
        if (found := await worker.do(discover)) is not None:
            await members.update(found)
            serving.note_members(found)

    async def watch() -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            await look()

    try:
        await look()
        await _first(members, look)
        task = asyncio.create_task(watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    finally:
        worker.close(wait=False)


async def _first(members: _Members, look: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Wait until there is an endpoint.

    Raises:
        UnreachableError: none came in time.
    """
    until = now() + FIRST_SECONDS
    if not members.client.names:
        _log.warning("no server is there yet; the run waits for the first one that joins")
    while not members.client.names:
        if now() > until:
            raise UnreachableError(
                f"no server joined within {FIRST_SECONDS / 60:.0f} minutes; start one with "
                "dataflow serve MODEL --register FOLDER, then run the same command again"
            )
        await asyncio.sleep(WATCH_SECONDS)
        await look()


def _name_of(serving: AsyncServing) -> str:
    return next(iter(serving.api_urls), serving.model)
