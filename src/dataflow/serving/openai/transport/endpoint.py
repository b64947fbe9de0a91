"""Where an API is: the address as a user gives it → checked URLs."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

from dataflow.core.errors import UsageError
from dataflow.core.secrets import register_secret
from dataflow.serving.openai.transport.credentials import fill_variables

_ENDPOINT = "/chat/completions"
_ELSEWHERE = "put the key into an environment variable or a file instead"
_INSIDE = (".local", ".lan", ".internal", ".home.arpa", ".intranet", ".home", ".localdomain")
_SHARED_SPACE = ipaddress.ip_network("100.64.0.0/10")  # RFC 6598; Tailscale's addresses
PUBLIC_QUERY = frozenset({"api-version", "model", "deployment", "region"})
"""Names in a URL's query, in lower case, whose values are no secrets."""

_VARIABLE_VALUE = re.compile(r"(?<==)\$(?:\{\w+\}|\w+)(?=&|$)")
_SECRET_NAME = re.compile(
    r"(^|[_-])(api)?(key|token|secret|password|sig|signature)$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible API.

    Attributes:
        chat_url: The URL of its chat completions.
        models_url: The URL of its list of models.
        host: The host's name or address, without port, in lower case.
        base_url: What all its URLs begin with, without a query.
        query: What all its URLs end with, or empty.
    """

    chat_url: str
    models_url: str
    host: str
    base_url: str
    query: str = ""

    def url(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """The URL of `path`, which begins with a slash, with `query` in addition to its own."""
        both = "&".join(part for part in (self.query, urlencode(query or {})) if part)
        return f"{self.base_url}{path}{'?' if both else ''}{both}"

    @property
    def authority(self) -> str:
        """The host, and the port where the URL names one: ``"127.0.0.1:8000"``."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2]

    @property
    def is_loopback(self) -> bool:
        """Whether the API is on this machine."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_private(self) -> bool:
        """Whether the API is on this machine or in its own network, by its name or number.

        A name without a dot, or one that ends as names inside a network do, counts as such
        (RFC 6762, RFC 8375 and ICANN's ``.internal``).
        """
        if self.is_loopback or "." not in self.host.strip("."):
            return self.is_loopback or ":" not in self.host or self._address_is_private()
        return self.host.endswith(_INSIDE) or self._address_is_private()

    def _address_is_private(self) -> bool:
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return address.is_private or address.is_link_local or address in _SHARED_SPACE

    @property
    def has_version(self) -> bool:
        """Whether its path names the API's version, as ``/v1`` does."""
        return bool(re.search(r"/(v\d|openai)", self.base_url.partition("://")[2]))

    @property
    def is_encrypted(self) -> bool:
        """Whether what is sent travels encrypted."""
        return self.chat_url.startswith("https:")


def read_endpoint(base_url: str) -> Endpoint:
    """The address behind `base_url`.

    Args:
        base_url: ``"https://host/v1"``, with or without a slash at the end, or the whole endpoint,
            ``"https://host/v1/chat/completions"``. A query (``?api-version=…``) is kept; in it,
            ``$NAME`` stands for that environment variable, quoted as a URL needs it.

    Raises:
        UsageError: `base_url` is no http or https URL, or holds a key, or a name and password.
    """
    url = _split(base_url)
    path = url.path.rstrip("/")
    path = path.removesuffix(_ENDPOINT)

    def join(end: str) -> str:
        return urlunsplit((url.scheme, url.netloc, path.rstrip("/") + end, url.query, ""))

    base = urlunsplit((url.scheme, url.netloc, path.rstrip("/"), "", ""))
    host = (url.hostname or "").lower()
    return Endpoint(join(_ENDPOINT), join("/models"), host, base, url.query)


def _filled(match: re.Match[str]) -> str:
    return quote(fill_variables(match[0], "the API's URL"), safe="")


def _split(base_url: str) -> SplitResult:
    if not isinstance(base_url, str):
        raise UsageError(f"the API's URL must be text, not {type(base_url).__name__}")
    if "@" in base_url.partition("?")[0]:
        raise UsageError(f"the API's URL holds a name or password before '@': {_ELSEWHERE}")
    # what stands behind "?" may be a key, so it is not shown
    shown = base_url.partition("?")[0]
    wrong = f"{shown[:200]!r} is no API address; it looks like 'https://host/v1'"
    if any(char.isspace() or not char.isprintable() for char in base_url):
        raise UsageError(f"{wrong} (it holds a space or a control character)")
    try:
        url = urlsplit(base_url)
        port = url.port
    except ValueError as error:
        raise UsageError(f"{wrong} ({error})") from None
    if url.scheme not in ("http", "https"):
        raise UsageError(f"{wrong} (it does not begin with http:// or https://)")
    if not url.hostname or port == 0:
        raise UsageError(f"{wrong} (it names no host)")
    for name, _ in parse_qsl(url.query, keep_blank_values=True):
        if _SECRET_NAME.search(name) and f"{name}=$" not in url.query:
            raise UsageError(
                f"the API's URL holds a key in its query (?{name}=): {_ELSEWHERE}, and give it as "
                f"?{name}=$VARIABLE"
            )
    url = url._replace(query=_VARIABLE_VALUE.sub(_filled, url.query))
    register_secret(
        *(value for name, value in parse_qsl(url.query) if name.lower() not in PUBLIC_QUERY)
    )
    return url
