"""The proxy that the environment names for an address.

``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``, in capitals or not, as curl and Go
read them (https://curl.se/docs/manpage.html, "ENVIRONMENT";
https://pkg.go.dev/golang.org/x/net/http/httpproxy): ``NO_PROXY`` lists names, which stand for what
lies under them, too, addresses, networks such as ``10.0.0.0/8``, each with a port if it is meant
alone, and ``*``.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from dataflow.core.errors import ProxyError
from dataflow.core.secrets import register_secret

_HTTP = frozenset({"http", "https"})
_SOCKS = frozenset({"socks4", "socks4a", "socks5", "socks5h"})


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy server.

    Attributes:
        url: Its address, without user name and password.
        user: The user name, or empty.
        password: The password, or empty.
        variable: The environment variable that names it.
    """

    url: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    variable: str = ""

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS, and not HTTP."""
        return self.url.partition("://")[0] in _SOCKS


def find_proxy(url: str, environment: Mapping[str, str] | None = None) -> Proxy | None:
    """The proxy for `url`, or None where it is asked directly.

    Args:
        url: An http or https URL.
        environment: The variables; None for the process's own.

    Raises:
        ProxyError: the variable holds no address of a proxy, or one of a kind that is not known.
    """
    variables = os.environ if environment is None else environment
    parts = urlsplit(url)
    wanted = [f"{parts.scheme}_proxy", "all_proxy"]
    named = next(
        (n for name in wanted for n in (name, name.upper()) if variables.get(n, "").strip()), None
    )
    if named is None:
        return None
    exceptions = variables.get("no_proxy", "") or variables.get("NO_PROXY", "")
    if is_exempt(parts.hostname or "", _port_of(parts), exceptions):
        return None
    return _parse(variables[named].strip(), named)


def _port_of(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _parse(text: str, variable: str) -> Proxy:
    wrong = f"the environment variable {variable} holds no address of a proxy that can be used"
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port, host = parts.port, parts.hostname
    except ValueError:
        raise ProxyError(f"{wrong}: it looks like http://host:3128") from None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    register_secret(password, parts.password, f"{parts.username}:{parts.password}")
    scheme = parts.scheme.lower()
    scheme = "socks5" if scheme == "socks" else scheme
    if not host or scheme not in _HTTP | _SOCKS:
        raise ProxyError(f"{wrong}: it looks like http://host:3128 or socks5://host:1080")
    name = f"[{host}]" if ":" in host else host
    default = 1080 if scheme in _SOCKS else 443 if scheme == "https" else 80
    return Proxy(f"{scheme}://{name}:{port or default}", user, password, variable)


def is_exempt(host: str, port: int, exceptions: str) -> bool:
    """Whether `exceptions`, in the form of ``NO_PROXY``, names this host.

    Args:
        host: A name or an address, without brackets.
        port: The port that is asked.
        exceptions: Entries between commas or blanks.
    """
    host = host.lower().strip(".")
    entries = exceptions.replace(",", " ").lower().split()
    return any(_names(entry, host, port) for entry in entries)


def _names(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    address = _address(host)
    if address is not None and "/" in entry:
        try:
            return address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, wanted = _split_port(entry)
    if wanted is not None and wanted != port:
        return False
    if address is not None:
        return _address(name.strip("[]")) == address
    name = name.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith("." + name))


def _split_port(entry: str) -> tuple[str, int | None]:
    if _address(entry.strip("[]")) is not None:
        return entry, None  # an IPv6 address without a port
    name, colon, port = entry.rpartition(":")
    return (name, int(port)) if colon and port.isdigit() else (entry, None)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
