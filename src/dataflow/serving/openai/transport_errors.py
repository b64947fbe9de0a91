"""What fails between us and a server → our errors: the border to aiohttp's and the OS's."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

from dataflow.core.errors import (
    AskTimeoutError,
    ConnectionLostError,
    DataflowError,
    StopRunError,
    UsageError,
)
from dataflow.core.resources import lack_of
from dataflow.core.text import scrub


def network_errors() -> tuple[type[BaseException], ...]:
    """What aiohttp raises when the network or the server's HTTP fails."""
    import aiohttp
    from aiohttp.http_exceptions import HttpProcessingError

    return (aiohttp.ClientError, HttpProcessingError, asyncio.TimeoutError, TimeoutError, OSError)


def map_transport_error(
    error: BaseException, *, host: str, timeout: float, secrets: Sequence[str | None] = ()
) -> DataflowError:
    """Our error for one of `network_errors()`.

    Args:
        error: What was raised.
        host: The server, for the message.
        timeout: The limit of the attempt, seconds.
        secrets: Texts that must not appear in the message.
    """
    import aiohttp

    if lack := lack_of(getattr(error, "os_error", error)):
        return lack
    said = scrub(f"{type(error).__name__}: {error}", secrets=secrets)
    if _is_bad_certificate(error):
        return StopRunError(f"the certificate of {host} cannot be trusted: {said}")
    if isinstance(error, aiohttp.InvalidURL):
        return UsageError(f"no URL: {said}")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ConnectionLostError(f"{host} did not take the connection in time", was_made=False)
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)) and not isinstance(
        error, aiohttp.ClientConnectorError
    ):
        return AskTimeoutError(f"no whole reply from {host} within {timeout:g} s")
    was_made = not isinstance(error, aiohttp.ClientConnectorError)
    return ConnectionLostError(f"the connection to {host} failed: {said}", was_made=was_made)


def _is_bad_certificate(error: BaseException) -> bool:
    import aiohttp

    if isinstance(error, (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError)):
        return True
    inner = getattr(error, "os_error", None)
    return isinstance(inner, ssl.SSLCertVerificationError)
