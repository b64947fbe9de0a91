"""What local engines share: one child process, its client, and bringing it back."""

from __future__ import annotations

import contextlib
import weakref
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from dataflow.core.errors import EngineFailedError
from dataflow.core.protocols.serving import Client
from dataflow.serving.base.list_serving import ListServing
from dataflow.serving.local.engine_log import EngineLog
from dataflow.serving.local.engine_process import EngineProcess, LaunchSpec
from dataflow.serving.local.local_client import LocalClient
from dataflow.serving.openai.client import ChatClient, ClientOptions
from dataflow.serving.openai.transport.credentials import credentials

LOOPBACK = "127.0.0.1"


class LocalServing(ListServing):
    """A serving whose engine is a child process of ours.

    The child is started by the first `connect()`, stays for the next ones, and ends with
    `cleanup()`, with this object and with this process.
    """

    is_local = True
    host: str = LOOPBACK
    """The address that the engine listens on."""
    _key: str
    timeout: float = 1800.0
    """Seconds for one attempt at one request."""
    engine_timeout: float | None = None
    """Seconds without an answer after which an engine with requests is probed and restarted; None
    takes ten times its slowest answer."""

    @abstractmethod
    def child(self) -> EngineProcess:
        """The engine's process, made at the first call.

        Raises:
            StopRunError: there is nothing to start yet.
        """

    @abstractmethod
    def launch(self) -> LaunchSpec:
        """The command of one run of the engine."""

    def listen(self, host: str, key: str) -> None:
        """Let an engine that is not started yet serve other machines, too.

        Args:
            host: The address that it listens on: ``"0.0.0.0"`` for all of this machine.
            key: What it asks of its clients.
        """
        self.host, self._key = host, key

    def report_to(self, log: Path | None, observe: Callable[[str], None] | None) -> None:
        """Say where people follow the engine.

        Args:
            log: The file that keeps what it writes.
            observe: Hears how far a start is; an empty text once the engine answers.
        """
        child = self.child()
        child.log = EngineLog(log) if log is not None else None
        child.observe = observe

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
        async with LocalClient(self, self.child()) as client:
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
