"""Connections by way of a SOCKS proxy; the one file that knows aiohttp-socks."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import TYPE_CHECKING, Any

from dataflow.core.errors import (
    ConnectionLostError,
    DataflowError,
    MissingPackageError,
    ProxyError,
)
from dataflow.serving.openai.transport.proxy import Proxy

if TYPE_CHECKING:
    import aiohttp


def socks_connector(proxy: Proxy, **options: Any) -> aiohttp.TCPConnector:
    """A connector whose connections go through `proxy`.

    Args:
        proxy: A SOCKS proxy.
        options: aiohttp's own of a connector.

    Raises:
        MissingPackageError: aiohttp-socks is not installed.
    """
    try:
        from aiohttp_socks import ProxyConnector
        from python_socks import parse_proxy_url
    except ImportError:
        raise MissingPackageError(
            f"{proxy.variable} names a SOCKS proxy, which needs a package that is not installed: "
            'pip install "dataflow-caption[socks]"'
        ) from None

    from dataflow.serving.openai.transport.safe_connector import CleanConnector

    class CleanSocksConnector(CleanConnector, ProxyConnector):
        pass

    # a name is resolved by the proxy where the scheme says so: socks5h, socks4a
    url = proxy.url.replace("socks5h://", "socks5://").replace("socks4a://", "socks4://")
    kind, host, port, _, _ = parse_proxy_url(url)
    return CleanSocksConnector(
        host=host, port=port, proxy_type=kind, username=proxy.user or None,
        password=proxy.password or None, rdns=True, **options,
    )  # fmt: skip


def socks_errors() -> tuple[type[BaseException], ...]:
    """What a SOCKS proxy's library raises, once it is in use."""
    library = sys.modules.get("aiohttp_socks")
    if library is None:
        return ()
    return (
        library.ProxyError, library.ProxyConnectionError, library.ProxyTimeoutError,
        asyncio.IncompleteReadError,
    )  # fmt: skip


def map_socks_error(error: BaseException, reason: str) -> DataflowError:
    """Our error for one of `socks_errors()`; `reason` is its text, without secrets."""
    library = sys.modules["aiohttp_socks"]
    if isinstance(error, asyncio.IncompleteReadError):
        reason = "it closed the connection"
    reason = re.sub(r"\s*\[[^\]]*\]\s*", " ", reason).strip()
    if not isinstance(error, library.ProxyError):
        return ConnectionLostError(f"the proxy cannot be reached: {reason}", was_made=False)
    if re.search(r"auth|username|password|credential", reason, re.IGNORECASE):
        return ProxyError(
            f"the proxy does not accept the user name and password: {reason}. Set them in "
            "ALL_PROXY=socks5h://USER:PASSWORD@HOST:PORT"
        )
    return ConnectionLostError(f"the proxy could not reach the server: {reason}", was_made=False)
