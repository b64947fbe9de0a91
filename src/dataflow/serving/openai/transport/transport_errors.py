"""What fails between us and a server → our errors: the border to aiohttp's and the OS's."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import ssl
from collections.abc import Sequence

from dataflow.core.errors import (
    AskTimeoutError,
    ConnectionLostError,
    DataflowError,
    GarbledReplyError,
    ProxyError,
    StopRunError,
    UsageError,
    WrongAddressError,
)
from dataflow.core.resources import lack_of
from dataflow.core.text import scrub
from dataflow.serving.openai.transport.socks_connector import map_socks_error, socks_errors

_NOT_TLS = re.compile(r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|HTTP_REQUEST|UNKNOWN_PROTOCOL")
_CODING = re.compile(r"Can not decode content-encoding: ([\w-]{1,20})", re.IGNORECASE)
_CLASS_NAME = re.compile(r"\b[A-Z]\w*(?:Error|Exception)\b:?\s*")


def network_errors() -> tuple[type[BaseException], ...]:
    """What aiohttp raises when the network or the server's HTTP fails."""
    import aiohttp
    from aiohttp.http_exceptions import HttpProcessingError

    return (
        aiohttp.ClientError, HttpProcessingError, asyncio.TimeoutError, TimeoutError, OSError,
        *socks_errors(),
    )  # fmt: skip


def map_transport_error(
    error: BaseException,
    *,
    host: str,
    timeout: float,
    secrets: Sequence[str | None] = (),
    proxy_variable: str = "",
) -> DataflowError:
    """Our error for one of `network_errors()`.

    Args:
        error: What was raised.
        host: The server, for the message.
        timeout: The limit of the attempt, seconds.
        secrets: Texts that must not appear in the message.
        proxy_variable: The environment variable that names the proxy, for the message.
    """
    import aiohttp

    if lack := lack_of(getattr(error, "os_error", error)):
        return lack
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return proxy_refusal(error.status)
    if isinstance(error, socks_errors()):
        return map_socks_error(error, scrub(describe(error), secrets=secrets))
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        reason = scrub(describe(error), secrets=secrets)
        proxy = f"the proxy {scrub(f'{error.host}:{error.port}', secrets=secrets)}"
        named = f", from {proxy_variable}," if proxy_variable else ""
        return ConnectionLostError(f"{proxy}{named} cannot be reached: {reason}", was_made=False)
    if (coding := _CODING.search(str(error))) is not None:
        return GarbledReplyError(
            f"{host} sends its reply compressed ({coding[1]}), which was not asked for, and it "
            "cannot be unpacked"
        )
    if (tls := _tls_error(error, host)) is not None:
        return tls
    if isinstance(error, aiohttp.InvalidURL):
        return UsageError(f"no URL: {scrub(str(error), secrets=secrets)}")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ConnectionLostError(f"{host} did not take the connection in time", was_made=False)
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)) and not isinstance(
        error, aiohttp.ClientConnectorError
    ):
        return AskTimeoutError(f"no whole reply from {host} within {timeout:g} s")
    was_made = not isinstance(error, aiohttp.ClientConnectorError)
    reason = scrub(describe(error), secrets=secrets)
    return ConnectionLostError(f"the connection to {host} failed: {reason}", was_made=was_made)


def proxy_refusal(status: int) -> DataflowError:
    """The error where a proxy does not let a request through."""
    if status == 407:
        return ProxyError(
            "the proxy asks for a user name and password, or does not accept those given "
            "(HTTP 407): set them in HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
        )
    if status in (401, 403, 405):
        return ProxyError(
            f"the proxy does not let the request through (HTTP {status}): is this the right proxy, "
            "or does the server belong into NO_PROXY?"
        )
    return ConnectionLostError(
        f"the proxy could not reach the server (HTTP {status})", was_made=False
    )


def describe(error: BaseException) -> str:
    """What happened, in words and without the name of a Python class."""
    import aiohttp
    from aiohttp.http_exceptions import HttpProcessingError

    inner = getattr(error, "os_error", None)
    cause = inner if isinstance(inner, OSError) else error
    if isinstance(cause, socket.gaierror) or isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known (DNS); is it spelt right?"
    number = getattr(cause, "errno", None)
    if number == errno.ECONNREFUSED:
        return "nothing listens at this address and port"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection"
    if isinstance(error, (aiohttp.ClientResponseError, HttpProcessingError)):
        rule = str(error.message).strip().partition("\n")[0].rstrip(":")
        return f"its reply is no proper HTTP ({rule}); is this the right port?"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the reply broke off before its end"
    if isinstance(number, int) and number > 0:
        return os.strerror(number)
    text = _CLASS_NAME.sub("", str(cause)).strip(" :")
    text = re.sub(r"<class '[^']*'>|<[\w.]+ object at 0x[0-9a-f]+>|<\w+\([^)]*\)>", "", text)
    return text.strip(" :") or "the server broke HTTP's rules or went away"


def _tls_error(error: BaseException, host: str) -> DataflowError | None:
    inner = getattr(error, "os_error", None)
    for found in (getattr(error, "certificate_error", None), inner, error.__cause__, error):
        if isinstance(found, ssl.SSLCertVerificationError):
            reason = getattr(found, "verify_message", "") or "it does not fit the host"
            return StopRunError(
                f"the certificate of {host} cannot be trusted: {reason}. If it is your own "
                "authority's, give its file with --ca-file FILE (in Python ca_file=…) or in the "
                "environment variable SSL_CERT_FILE"
            )
        if isinstance(found, ssl.CertificateError):
            return StopRunError(f"the certificate of {host} is made out for another host")
        if isinstance(found, ssl.SSLError) and _NOT_TLS.search(str(found)):
            return WrongAddressError(f"{host} does not speak TLS at this port: try http://")
    return None
