"""Asks a local engine, brings it back when it dies or hangs, finds the requests that kill it."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import http.client
import logging
import struct
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from dataflow.core.aio import now
from dataflow.core.errors import (
    AskTimeoutError,
    ConnectionLostError,
    DataflowError,
    EngineDiedError,
    GarbledReplyError,
    OverloadedError,
    StopRunError,
    TooLongError,
    UnreachableError,
)
from dataflow.core.picture import ImageRef, Picture
from dataflow.core.request import Reply, Request, Turn
from dataflow.serving.local.engine_process import EngineProcess
from dataflow.serving.local.hang_watch import PROBE_SECONDS, HangWatch
from dataflow.serving.local.suspects import Suspect, SuspectQueue
from dataflow.serving.openai.client import ChatClient

if TYPE_CHECKING:
    from typing_extensions import Self


class AskedEngine(Protocol):
    """What a client must know of the serving whose engine it asks."""

    timeout: float
    engine_timeout: float | None

    def key(self) -> str:
        """The key that the engine asks of its clients."""
        ...

    def client_of(self, address: str) -> ChatClient:
        """A client of the engine at `address`."""
        ...


_DYING_SECONDS = 1.0  # how long after a lost connection its engine may still seem to run
_LOOK_SECONDS = 1.0
_TEST_SECONDS = 120.0
_TEST_SIDE = 64
_log = logging.getLogger("dataflow")


@dataclass(frozen=True, slots=True)
class _Line:
    """The client of one run of the engine."""

    address: str
    client: ChatClient
    watch: HangWatch


class LocalClient:
    """A client of a local engine, open while it is entered as a context.

    Args:
        serving: Whose engine it is.
        child: The engine.
    """

    def __init__(self, serving: AskedEngine, child: EngineProcess) -> None:
        self._serving = serving
        self._child = child
        self._stack = contextlib.AsyncExitStack()
        self._line: _Line | None = None
        self._revival: asyncio.Task[None] | None = None
        self._queue = SuspectQueue()
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the engine if it is not up.

        Raises:
            EngineFailedError: it does not start; with its own reason.
            StopRunError: its model or its package cannot be had.
        """
        await self._open()
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections; the engine stays."""
        tasks = [task for task in (self._watching, self._revival) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._stack.aclose()

    async def send(self, request: Request, pictures: Sequence[Picture]) -> Reply:
        """Make one attempt at `request`; see `core.serving.Client`.

        Where the engine dies meanwhile, it is started again and the request is sent again.

        Raises:
            EngineDiedError: the request kills the engine.
            EngineFailedError: the engine died and cannot be brought back.
        """
        one = Suspect()
        try:
            while True:
                was_idle = not self._queue.in_flight
                await self._queue.enter(one)
                line = self._line
                assert line is not None  # noqa: S101 - entering opened it
                line.watch.sent(was_idle=was_idle)
                if (reply := await self._attempt(line, request, pictures)) is not None:
                    return reply
                if one.is_killer:
                    raise EngineDiedError(
                        f"{self._child.name} died {one.deaths} times while it was asked this row "
                        "alone: the row's picture or question kills it"
                    )
        finally:
            self._queue.leave(one)

    async def _attempt(
        self, line: _Line, request: Request, pictures: Sequence[Picture]
    ) -> Reply | None:
        """The reply; None where the engine died and is back."""
        began = now()
        try:
            reply = await line.client.send(request, pictures)
        except (ConnectionLostError, UnreachableError):
            if await self._revived(line, patience=_DYING_SECONDS):
                return None
            raise
        except AskTimeoutError:
            if await self._ends_if_hung(line):
                await self._revived(line, patience=_DYING_SECONDS)
                return None
            raise
        except (OverloadedError, GarbledReplyError):
            if await self._revived(line, patience=0):
                return None
            raise
        except TooLongError as error:
            line.watch.answered(now() - began)
            cure = "(raise --max-model-len, and run the same command again)"
            raised = error.with_message(f"{error.message} {cure}")
            raised.is_adjustable = True
            raise raised from None
        except DataflowError:
            line.watch.answered(now() - began)
            raise
        line.watch.answered(now() - began)
        if self._line is line:
            self._child.has_worked()
        return reply

    # --- an engine that hangs ------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            line = self._line
            if line is None or not self._queue.in_flight or self._revival is not None:
                continue
            silence = line.watch.silence
            if await line.watch.is_hung() and self._line is line and self._queue.in_flight:
                self._end_hung(silence)
                await self._revived(line, patience=_DYING_SECONDS)

    async def _ends_if_hung(self, line: _Line) -> bool:
        """Whether the engine gives no answer at all, not only none to one request; ends it then."""
        if self._line is not line:
            return True
        silence = line.watch.silence
        if silence < self._serving.timeout or await probe(line.address, self._serving.key()):
            return False
        self._end_hung(silence)
        return True

    def _end_hung(self, silence: float) -> None:
        _log.warning(
            "%s has not answered for %.0f s, with %d requests in flight: it hangs; it is ended and "
            "started again", self._child.name, silence, self._queue.in_flight,
        )  # fmt: skip
        self._child.kill()

    # --- an engine that died -------------------------------------------------------------------

    async def _open(self) -> None:
        """Start the engine if it is not up, and open the client that asks it."""
        address = await _started(self._child)
        if self._line is None or self._line.address != address or self._revival is not None:
            # A dead engine's client stays open to the end: others may still be asking through it.
            client = await self._stack.enter_async_context(self._serving.client_of(address))
            key = self._serving.key()
            watch = HangWatch(lambda: probe(address, key), self._serving.engine_timeout)
            self._line = _Line(address, client, watch)

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
        deadline = now() + patience
        while self._child.running:
            if now() >= deadline:
                return
            await asyncio.sleep(0.02)
        self._queue.died()
        while True:
            await self._open()
            if not self._queue.are_there or await self._answers():
                break
        if self._queue.are_there:
            self._child.excuse()
        self._queue.revived()

    async def _answers(self) -> bool:
        """Whether the new engine answers a question of our own: then it is whole.

        Whoever killed it is among the requests then, and the restart does not count against it.
        """
        line = self._line
        assert line is not None  # noqa: S101 - `_open` made it
        try:
            await asyncio.wait_for(line.client.send(*_test_question()), _TEST_SECONDS)
        except (ConnectionLostError, UnreachableError, AskTimeoutError, asyncio.TimeoutError):
            if self._child.running:
                self._child.kill()
                await asyncio.sleep(_DYING_SECONDS)
            return False
        except DataflowError:
            pass  # it says no, which is an answer
        return True

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._revival = None
        if not task.cancelled():
            task.exception()  # everyone who waited has it


def _test_question() -> tuple[Request, list[Picture]]:
    data = _grey_png(_TEST_SIDE)
    ref = ImageRef("bytes", "a test picture", data=data)
    request = Request((Turn("user", (ref, "Hello")),), {"max_tokens": 1})
    return request, [Picture(data, "image/png", _TEST_SIDE, _TEST_SIDE)]


def _grey_png(side: int) -> bytes:
    """A grey square (https://www.w3.org/TR/png/)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = (b"\0" + b"\x80\x80\x80" * side) * side
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


async def probe(address: str, key: str) -> str | None:
    """The metrics of the engine at `address`; empty where it has none, None for no answer."""
    return await asyncio.to_thread(_metrics, address, key)


def _metrics(address: str, key: str) -> str | None:
    server = urlsplit(address)
    connection = http.client.HTTPConnection(
        server.hostname or "", server.port, timeout=PROBE_SECONDS
    )
    try:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        return text if answer.status == 200 else ""
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


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
