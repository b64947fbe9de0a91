"""A worker as a process of this machine, behind a socket that only the two have.

    python -m dataflow.serving.workers.process DESCRIPTOR

DESCRIPTOR is the number of the inherited socket. A message is its length in four bytes and a
pickle: first a `WorkerSetup` down, then leases down and `WorkerAnswers` up. The worker ends when
the socket closes, however the other side ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from dataflow.serving.workers.link import WorkerLostError
from dataflow.serving.workers.messages import LeasedRequest, WorkerAnswers, WorkerSetup
from dataflow.serving.workers.worker import BEAT_SECONDS, LeaseWorker

SILENT_SECONDS = 60.0
"""A worker that says nothing for so long is hung: it is ended, and another takes its place."""

END_SECONDS = 10.0
"""A worker that is to end has so long to end its engine."""

_LENGTH = struct.Struct("!I")


class ProcessLauncher:
    """Starts workers as processes of this machine."""

    def prepare(self) -> None:
        """Nothing is needed."""

    def launch(self, number: int, setup: WorkerSetup) -> ProcessLink:
        """See `link.WorkerLauncher`."""
        return ProcessLink(setup)

    def close(self) -> None:
        """Nothing is shared."""


class ProcessLink:
    """One process; see `link.WorkerLink`.

    Args:
        setup: What it works with.
    """

    def __init__(self, setup: WorkerSetup) -> None:
        self._setup = setup
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def start(self) -> WorkerAnswers:
        """Start the process and wait until it can work."""
        self._process, ours = _started()
        self._reader, self._writer = await asyncio.open_connection(sock=ours)
        await self._send(self._setup)
        while True:  # an engine may need minutes: the worker says all the while that it lives
            said = await self.collect()
            if said is not STARTING:
                return said

    async def give(self, lease: Sequence[LeasedRequest]) -> None:
        """See `link.WorkerLink`."""
        await self._send(list(lease))

    async def collect(self) -> WorkerAnswers:
        """See `link.WorkerLink`."""
        assert self._reader is not None  # noqa: S101 (for the type checker)
        try:
            said = await asyncio.wait_for(_receive(self._reader), SILENT_SECONDS)
        except asyncio.TimeoutError:
            raise WorkerLostError(f"it said nothing for {SILENT_SECONDS:.0f} s") from None
        except (EOFError, OSError) as error:
            raise WorkerLostError(self._how_it_ended()) from error
        return STARTING if said is None else said

    async def close(self) -> None:
        """See `link.WorkerLink`."""
        if self._writer is not None:
            self._writer.close()
        process = self._process
        if process is None:
            return
        for _ in range(int(END_SECONDS / 0.02)):
            if process.poll() is not None:
                return
            await asyncio.sleep(0.02)
        process.kill()
        process.wait()

    async def _send(self, message: Any) -> None:
        assert self._writer is not None  # noqa: S101 (for the type checker)
        try:
            self._writer.write(_packed(message))
            await self._writer.drain()
        except OSError as error:
            raise WorkerLostError(self._how_it_ended()) from error

    def _how_it_ended(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self._process.wait(0.2) if self._process is not None else None
            if status is not None and status < 0:
                return f"ended by {signal.Signals(-status).name}"
            return f"exit status {status}"
        return "the connection broke"


def _started() -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A new worker's process, and our end of its socket."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", __spec__.name, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in a terminal is for the run, which ends it
        )
    return process, ours


STARTING = WorkerAnswers()
"""What a worker says while it starts its engine."""


def _packed(message: Any) -> bytes:
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


async def _receive(reader: asyncio.StreamReader) -> Any:
    """The next message.

    Raises:
        EOFError: there is none any more.
    """
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    # both ends are processes of this program, and nobody else has the socket
    return pickle.loads(await reader.readexactly(length))  # noqa: S301


async def _work(connection: socket.socket) -> None:
    """Work on what comes through `connection` until it closes."""
    reader, writer = await asyncio.open_connection(sock=connection)
    worker = LeaseWorker(await _receive(reader))

    async def say(message: WorkerAnswers | None) -> None:
        writer.write(_packed(message))
        await writer.drain()

    starting = asyncio.create_task(worker.start())
    while not (await asyncio.wait({starting}, timeout=BEAT_SECONDS))[0]:
        await say(None)
    await say(starting.result())

    async def answer() -> None:
        while True:
            await say(await worker.collect())

    answering = asyncio.create_task(answer())
    try:
        while True:
            worker.take(await _receive(reader))
    finally:
        answering.cancel()
        await worker.close()


def main(argv: Sequence[str]) -> None:
    """Work until the socket closes; never returns."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # whoever started it ends it
    connection = socket.socket(fileno=int(argv[0]))
    with contextlib.suppress(EOFError, OSError):
        asyncio.run(_work(connection))
    os._exit(0)  # a thread that is stuck in a decode keeps nothing


if __name__ == "__main__":
    main(sys.argv[1:])
