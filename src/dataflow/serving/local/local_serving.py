"""What local engines share: one child process, its client, and bringing it back."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import threading
import weakref
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow.core.errors import (
    ConnectionLostError,
    EngineDiedError,
    EngineFailedError,
    GarbledReplyError,
    OverloadedError,
    StopRunError,
    UnreachableError,
)
from dataflow.core.picture import Picture
from dataflow.core.protocols.serving import Client
from dataflow.core.request import Reply, Request
from dataflow.serving.base.list_serving import ListServing
from dataflow.serving.local.engine_process import EngineProcess, LaunchSpec
from dataflow.serving.openai.client import ChatClient, ClientOptions
from dataflow.serving.openai.transport.credentials import credentials

_DYING_SECONDS = 1.0  # how long after a lost connection its engine may still seem to run


class LocalServing(ListServing):
    """A serving whose engine is a child process of ours.

    The child is started by the first `connect()`, stays for the next ones, and ends with
    `cleanup()`, with this object and with this process.
    """

    is_local = True
    timeout: float = 1800.0
    """Seconds for one attempt at one request."""

    @abstractmethod
    def child(self) -> EngineProcess:
        """The engine's process, made at the first call.

        Raises:
            StopRunError: there is nothing to start yet.
        """

    @abstractmethod
    def launch(self) -> LaunchSpec:
        """The command of one run of the engine."""

    def launcher(self) -> Callable[[], LaunchSpec]:
        """`launch`, held so that the child does not keep its serving alive."""
        launch = weakref.WeakMethod(self.launch)

        def call() -> LaunchSpec:
            alive = launch()
            if alive is None:
                raise EngineFailedError("the serving is gone")
            return alive()

        return call

    @abstractmethod
    def key(self) -> str:
        """The key that the engine asks of its clients."""

    @abstractmethod
    def sampling(self) -> Mapping[str, Any]:
        """The sampling sent with each request."""

    def arguments(self) -> Mapping[str, Any]:
        """What it was made of.

        Raises:
            TypeError: it does not say, and so cannot be copied or pickled.
        """
        raise TypeError(f"{type(self).__name__} holds an engine, which cannot be copied")

    def make(self, arguments: Mapping[str, Any]) -> None:
        """Make it of `arguments`, with an engine of its own that is not started."""
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        """Its arguments and what a subclass added: a copy starts an engine of its own."""
        own = {name: value for name, value in super().__getstate__().items() if name[0] != "_"}
        return {"arguments": dict(self.arguments()), "own": own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.make(state["arguments"])
        self.__dict__.update(state["own"])

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        """Open the engine for the running event loop; it is started if it is not up.

        Raises:
            EngineFailedError: it does not start; with its own reason.
            StopRunError: its model or its package cannot be had.
        """
        async with contextlib.AsyncExitStack() as stack:
            client = _LocalClient(self, self.child(), stack)
            await client.open()
            yield client

    def client_of(self, address: str) -> ChatClient:
        """A client of the engine at `address` (``http://127.0.0.1:PORT``)."""
        return ChatClient(
            f"{address}/v1",
            model=self.model,
            options=ClientOptions(
                credentials=credentials(self.key()),
                sampling=self.sampling(),
                timeout=self.timeout,
                connections=self.max_workers,
            ),
        )


def weights_of(file: Path) -> list[Any]:
    """What tells weights from others of that name: name, bytes, time of change (ns)."""
    found = file.stat()
    return [file.name, found.st_size, found.st_mtime_ns]


@dataclass(frozen=True, slots=True)
class _Line:
    """The client of one run of the engine."""

    address: str
    client: ChatClient


class _LocalClient:
    """Asks the engine; when it died, brings it back once for all that are asking."""

    def __init__(
        self, serving: LocalServing, child: EngineProcess, stack: contextlib.AsyncExitStack
    ) -> None:
        self._serving = serving
        self._child = child
        self._stack = stack
        self._line: _Line | None = None
        self._revival: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start the engine if it is not up, and open the client that asks it."""
        address = await _started(self._child)
        if self._line is None or self._line.address != address:
            # A dead engine's client stays open to the end: others may still be asking through it.
            client = await self._stack.enter_async_context(self._serving.client_of(address))
            self._line = _Line(address, client)

    async def send(self, request: Request, pictures: Sequence[Picture]) -> Reply:
        """Make one attempt; see `core.serving.Client`.

        Raises:
            EngineDiedError: the engine died; by now it is back.
            EngineFailedError: it died and cannot be brought back.
        """
        line = self._line
        assert line is not None  # noqa: S101 - `open` made it
        try:
            reply = await line.client.send(request, pictures)
        except (ConnectionLostError, UnreachableError):
            if await self._revived(line, patience=_DYING_SECONDS):
                raise EngineDiedError(f"{self._child.name} died; it is back") from None
            raise
        except (OverloadedError, GarbledReplyError):
            await self._revived(line, patience=0)
            raise
        if self._line is line:
            self._child.has_worked()
        return reply

    async def _revived(self, line: _Line, *, patience: float) -> bool:
        """Whether the engine behind `line` died; when it did, there is a new line by now."""
        if self._line is not line:
            return True
        if self._revival is None:
            self._revival = asyncio.create_task(self._revive(patience))
            self._revival.add_done_callback(self._forget)
        # Shielded: who gives up waiting must not take the engine's return from the others.
        try:
            await asyncio.shield(self._revival)
        except StopRunError as error:
            raise copy.copy(error) from None  # one for each that asks, not one for all
        return self._line is not line

    async def _revive(self, patience: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        while self._child.running:
            if loop.time() >= deadline:
                return
            await asyncio.sleep(0.02)
        await self.open()

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._revival = None
        if not task.cancelled():
            task.exception()  # everyone who waited has it


async def _started(child: EngineProcess) -> str:
    """`child.ensure_running()` without blocking the loop; giving up waiting gives up the start.

    In a thread of its own that is never joined: a model being fetched must not hold up the end of
    the program.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[str] = loop.create_future()

    def deliver(address: str, error: BaseException | None) -> None:
        if result.done():
            return
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(address)

    def work() -> None:
        address, error = "", None
        try:
            address = child.ensure_running()
        except BaseException as raised:  # noqa: BLE001 - it is raised where it is waited for
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: no caller waits any more
            loop.call_soon_threadsafe(deliver, address, error)

    threading.Thread(target=work, name="engine-start", daemon=True).start()
    try:
        return await result
    except asyncio.CancelledError:
        child.abort()
        raise
