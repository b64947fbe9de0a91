"""The HTTP session of one client: its connections, headers, certificates and proxy."""

from __future__ import annotations

import os
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.core.errors import UsageError
from dataflow.core.secrets import register_secret
from dataflow.serving.openai.transport.credentials import Credentials
from dataflow.serving.openai.transport.endpoint import Endpoint
from dataflow.serving.openai.transport.proxy import Proxy, find_proxy

if TYPE_CHECKING:
    import aiohttp

CONNECT_SECONDS = 30.0
"""For one connection at most."""

SPARE = 64
"""Connections beyond those of the requests that hang: for jobs that are loaded ahead."""

_LONGEST_HEADER = 64 * 2**10  # proxies and gateways add whole policies


@dataclass(frozen=True, slots=True)
class Session:
    """An open HTTP session.

    Attributes:
        http: aiohttp's session.
        options: What each of its requests is given: the proxy and its credentials.
        secrets: Texts that must not appear in a message.
        proxy_variable: The environment variable that names the proxy through which they go; empty
            where there is none.
    """

    http: aiohttp.ClientSession
    options: dict[str, Any]
    secrets: tuple[str | None, ...]
    proxy_variable: str = ""

    async def close(self) -> None:
        """Close all connections."""
        await self.http.close()


def open_session(
    endpoint: Endpoint,
    credentials: Credentials,
    *,
    connections: int,
    timeout: float,
    ca_file: str | os.PathLike[str] | None = None,
) -> Session:
    """Open a session for the running event loop; nothing is sent yet.

    Args:
        endpoint: The API.
        credentials: The headers of every request.
        connections: Requests in flight at most; as many again may hang, and keep their connections
            while others are sent in their place.
        timeout: Seconds for one exchange.
        ca_file: A PEM file of certificates to trust beside the system's; None for those alone,
            among which OpenSSL counts what ``SSL_CERT_FILE`` names.

    Raises:
        MissingPackageError: a SOCKS proxy is named, and its package is not installed.
        ProxyError: the proxy that the environment names cannot be used.
        UsageError: `ca_file`, or the file that ``SSL_CERT_FILE`` names, holds no certificates.
    """
    import aiohttp

    proxy = None if endpoint.is_loopback else find_proxy(endpoint.chat_url)
    settings: dict[str, Any] = {"limit": 2 * connections + SPARE, "ttl_dns_cache": 60}
    if endpoint.is_encrypted:
        _check_certificate_variable()
    if ca_file is not None:
        settings["ssl"] = _trusting(ca_file)
    # trust_env stays off: it would also send what stands in ~/.netrc.
    http = aiohttp.ClientSession(
        connector=_connector(proxy, settings),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={
            "Accept-Encoding": "identity",
            "User-Agent": "dataflow-caption",
            **credentials.headers,
            # in a tunnel the proxy is shown them when it is built, and the server never
            **({} if endpoint.is_encrypted else _proxy_headers(proxy)),
        },
        trust_env=False,
        max_line_size=_LONGEST_HEADER,
        max_field_size=_LONGEST_HEADER,
        timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, CONNECT_SECONDS)),
    )
    secrets = (*credentials.secrets, proxy.password if proxy else None)
    variable = (proxy.variable or "the environment") if proxy else ""
    return Session(http, _proxy_options(proxy), secrets, variable)


def _connector(proxy: Proxy | None, settings: Mapping[str, Any]) -> aiohttp.TCPConnector:
    from dataflow.serving.openai.transport.safe_connector import CleanConnector
    from dataflow.serving.openai.transport.socks_connector import socks_connector

    if proxy is not None and proxy.is_socks:
        return socks_connector(proxy, **settings)
    return CleanConnector(**settings)


def _proxy_options(proxy: Proxy | None) -> dict[str, Any]:
    """What each request is given, so that it goes through an HTTP proxy."""
    if proxy is None or proxy.is_socks:
        return {}
    return {"proxy": proxy.url, "proxy_headers": _proxy_headers(proxy)}


def _proxy_headers(proxy: Proxy | None) -> dict[str, str]:
    """What an HTTP proxy is shown to let a request through."""
    if proxy is None or proxy.is_socks or not (proxy.user or proxy.password):
        return {}
    token = b64encode(f"{proxy.user}:{proxy.password}".encode()).decode("ascii")
    register_secret(token)
    return {"Proxy-Authorization": f"Basic {token}"}


def _trusting(ca_file: str | os.PathLike[str]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    _load(context, os.fspath(ca_file), f"the file of certificates {ca_file}")
    return context


def _check_certificate_variable() -> None:
    """Refuse a file in ``SSL_CERT_FILE`` that cannot be read; OpenSSL passes over it in silence."""
    path = os.environ.get("SSL_CERT_FILE")
    if path:
        name = f"the file of certificates {path}, from the environment variable SSL_CERT_FILE,"
        _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), path, name)


def _load(context: ssl.SSLContext, path: str, name: str) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as error:
        is_missing = isinstance(error, OSError) and not isinstance(error, ssl.SSLError)
        reason = (is_missing and error.strerror) or "it holds no certificate in PEM form"
        raise UsageError(f"{name} cannot be used: {reason}") from None
