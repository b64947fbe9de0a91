"""Which protocol a server speaks at a port, where the one that was tried broke off.

A TLS server that gets plain HTTP mostly closes the connection without a word, and so do some HTTP
servers that get TLS. One look with the other protocol tells the two from a server that is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from urllib.parse import urlsplit

from dataflow.serving.openai.transport.endpoint import Endpoint

PROBE_SECONDS = 5.0
"""For the whole look."""


async def scheme_hint(endpoint: Endpoint) -> str:
    """What to say where the server speaks the other protocol than the URL names; else empty.

    Nothing is sent but the beginning of TLS, or a request for ``/`` without any header.
    """
    try:
        return await asyncio.wait_for(_hint(endpoint), PROBE_SECONDS)
    except (OSError, asyncio.TimeoutError, EOFError):
        return ""


async def _hint(endpoint: Endpoint) -> str:
    url = urlsplit(endpoint.chat_url)
    host = url.hostname or ""
    if endpoint.is_encrypted:
        is_other = await _speaks_http(host, url.port or 443)
        return f"{endpoint.authority} does not speak TLS: try http://" if is_other else ""
    is_other = await _speaks_tls(host, url.port or 80)
    return f"{endpoint.authority} speaks TLS at this port: try https://" if is_other else ""


async def _speaks_tls(host: str, port: int) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without certificates: they load slowly
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent; only whether it is TLS is asked
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=context)
    except ssl.SSLError as error:
        return "CERTIFICATE_REQUIRED" in str(error) or "HANDSHAKE_FAILURE" in str(error)
    await _close(writer)
    return True


async def _speaks_http(host: str, port: int) -> bool:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        return (await reader.readexactly(5)) == b"HTTP/"
    finally:
        await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
