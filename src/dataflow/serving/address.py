"""Where an API is: the address and the key as a user gives them → checked values."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit, urlunsplit

from dataflow.core.errors import UsageError

_ENDPOINT = "/chat/completions"


@dataclass(frozen=True, slots=True)
class Address:
    """An OpenAI-compatible API.

    Attributes:
        chat_url: The URL of its chat completions.
        models_url: The URL of its list of models.
        host: The host's name or address, without port, in lower case.
    """

    chat_url: str
    models_url: str
    host: str

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
    def is_encrypted(self) -> bool:
        """Whether what is sent travels encrypted."""
        return self.chat_url.startswith("https:")


def read_address(base_url: str) -> Address:
    """The address behind `base_url`.

    Args:
        base_url: ``"https://host/v1"``, with or without a slash at the end, or the whole endpoint,
            ``"https://host/v1/chat/completions"``. A query (``?api-version=…``) is kept.

    Raises:
        UsageError: `base_url` is no http or https URL, or holds a name and password.
    """
    url = _split(base_url)
    path = url.path.rstrip("/")
    path = path.removesuffix(_ENDPOINT)

    def join(end: str) -> str:
        return urlunsplit((url.scheme, url.netloc, path.rstrip("/") + end, url.query, ""))

    return Address(join(_ENDPOINT), join("/models"), (url.hostname or "").lower())


def _split(base_url: str) -> SplitResult:
    if not isinstance(base_url, str):
        raise UsageError(f"the API's URL must be text, not {type(base_url).__name__}")
    if "@" in base_url.partition("?")[0]:
        raise UsageError(
            "the API's URL holds a name or password before '@': "
            "put the key into an environment variable instead"
        )
    wrong = f"{base_url[:200]!r} is no API address; it looks like 'https://host/v1'"
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
    return url


def check_key(key: str | None) -> str | None:
    """The key, fit for an HTTP header; None where it is None or empty.

    Raises:
        UsageError: the key holds a character that no header can carry; it is not shown.
    """
    if not key:
        return None
    if not key.isprintable() or not key.isascii() or " " in key:
        raise UsageError(
            "the API key holds a line break, a space or a character outside ASCII: "
            "was it copied whole, and nothing beside it? (it is not shown here)"
        )
    return key
