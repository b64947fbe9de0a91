"""Connections on which an answer to one request cannot pass for the answer to the next.

HTTP/1.1 knows an answer by its turn alone. A server or a proxy that sends one twice shifts all that
follow on the connection, and each caption would stand beside the wrong picture. So a connection on
which an unrequested answer came is not used again, and neither is one after an error.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

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


def connection_number() -> int:
    """Tells the connection of this task's latest request from all others that are open."""
    return id(_in_use.get())


def drop_connection() -> None:
    """Do not use the connection of this task's latest request again."""
    protocol = _in_use.get()
    if protocol is not None:
        protocol.close()
