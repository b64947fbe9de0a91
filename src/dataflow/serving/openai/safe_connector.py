"""Connections on which an answer to one request cannot pass for the answer to the next.

HTTP/1.1 knows an answer by its turn alone. A server or a proxy that sends one twice shifts all that
follow on the connection, and each caption would stand beside the wrong picture. So a connection on
which something came that nobody asked for is not used again; neither is one after an error; and an
answer that carries the name of the one before it on its connection is taken for that one.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import aiohttp

if TYPE_CHECKING:
    from aiohttp.client import ClientTimeout
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

_in_use: ContextVar[ResponseHandler | None] = ContextVar("dataflow_connection", default=None)


class CleanConnector(aiohttp.TCPConnector):
    """Hands out connections on which nothing has come since the last answer."""

    async def connect(
        self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout
    ) -> Connection:
        """A connection for `req`; see aiohttp's own."""
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol is None or not protocol.should_close:
                _in_use.set(protocol)
                return connection
            connection.close()


def drop_connection() -> None:
    """Do not use the connection of this task's latest request again."""
    protocol = _in_use.get()
    if protocol is not None:
        protocol.close()


class ReplayDetector:
    """Knows an answer that was sent twice by its name."""

    def __init__(self) -> None:
        self._latest: WeakKeyDictionary[ResponseHandler, str] = WeakKeyDictionary()
        self._first = ""
        self._names_vary = False

    def is_repeat(self, name: str) -> bool:
        """Whether the answer called `name` came before on this task's connection.

        Servers that give all their answers one name, or none, are not suspected.
        """
        protocol = _in_use.get()
        if protocol is None:
            return False
        latest = self._latest.get(protocol)
        self._latest[protocol] = name
        self._first = self._first or name
        self._names_vary = self._names_vary or name != self._first
        return self._names_vary and name != "" and name == latest
