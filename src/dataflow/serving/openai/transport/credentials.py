"""The key of an API and the headers that carry it."""

from __future__ import annotations

import logging
import os
import re
import stat
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from dataflow.core.errors import UsageError, WrongKeyError
from dataflow.core.secrets import register_secret

_log = logging.getLogger("dataflow")

_LONGEST_KEY = 65_536  # bytes, so that a wrong file is not read whole
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_KEY_PREFIX = re.compile(r"(sk|pk|rk|gsk|xai|hf|nvapi|r8|AIza|AKIA|ghp|key|fw|pplx|csk|ms)[-_]?")
_PLAIN_VALUE = re.compile(r"[A-Za-z]{1,20}(?:[ ._/-][A-Za-z]{1,20}){0,7}")
_SECRET_HEADER = re.compile(
    r"auth|key|token|secret|password|cookie|credential|signature", re.IGNORECASE
)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, section 5.6.2
_CONTROLS = frozenset({"Cc", "Zl", "Zp"})  # Unicode's categories
_PLACEHOLDER = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_OUR_HEADERS = frozenset({"content-type", "content-length", "host", "transfer-encoding"})


class MissingKeyError(WrongKeyError, EnvironmentError):
    """There is no API key where one should be."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request shows to be let in.

    Attributes:
        key: The API key; None where none is sent.
        headers: The headers of every request, the key's included.
        missing: Why there is no key, for the message of a 401.
    """

    key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    missing: str = ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts that must not appear in a message."""
        own = (value for name, value in self.headers.items() if not _is_plain(name, value))
        return tuple(value for value in (self.key, *own) if value)


def credentials(
    key: str | None, *, key_header: str = "", headers: Mapping[str, str] | None = None,
    missing: str = "",
) -> Credentials:  # fmt: skip
    """Credentials of a key and of a user's own headers; both are registered as secrets.

    Args:
        key: The API key, or None.
        key_header: The header that carries it alone (Azure: ``"api-key"``); empty for
            ``Authorization: Bearer``.
        headers: More headers; ``$NAME`` or ``${NAME}`` in a value stands for that environment
            variable.
        missing: Why there is no key.

    Raises:
        UsageError: a header is none, or names a variable that is not set.
    """
    found = {name: _filled(name, value) for name, value in (headers or {}).items()}
    key = check_key(key)
    if key is not None:
        name = key_header.strip() or "Authorization"
        _check_header(name, "")
        is_bearer = name.lower() == "authorization"
        found[name] = f"Bearer {key}" if is_bearer else key
    made = Credentials(key, found, missing)
    register_secret(*made.secrets)
    return made


def _is_plain(name: str, value: str) -> bool:
    """Whether a header tells nothing secret, such as a team's name: its words may be in captions.

    A value of letters alone is such, unless the header's own name says that it is a secret.
    """
    return _PLAIN_VALUE.fullmatch(value) is not None and _SECRET_HEADER.search(name) is None


def _filled(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise UsageError(f"the header {name!r:.80} must be text, not {type(value).__name__}")

    value = fill_variables(value, f"the header {name}").strip()
    _check_header(name, value)
    return value


def fill_variables(text: str, what: str) -> str:
    """`text` with environment variables in place of ``$NAME`` and ``${NAME}``.

    Args:
        text: A header's value, or the query of a URL.
        what: What it is, for the error.

    Raises:
        UsageError: a variable is not set.
    """

    def variable(match: re.Match[str]) -> str:
        wanted = match[1] or match[2]
        if wanted not in os.environ:
            raise UsageError(f"{what} names the variable {wanted}, which is not set")
        return os.environ[wanted]

    return _PLACEHOLDER.sub(variable, text)


def _check_header(name: str, value: str) -> None:
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        raise UsageError(f"{name!r:.80} is no name of an HTTP header; it looks like 'X-Team'")
    if name.lower() in _OUR_HEADERS:
        raise UsageError(f"the header {name} cannot be given: the client sets it")
    if reason := _unsendable(value):
        raise UsageError(f"the value of the header {name} holds {reason} (it is not shown here)")


def _unsendable(value: str) -> str:
    """What of `value` no header can carry, or empty.

    A header's value is any bytes but control characters (RFC 9110, section 5.5); text goes as
    UTF-8.
    """
    if any(unicodedata.category(char) in _CONTROLS and char != "\t" for char in value):
        return "a line break or a control character, which no HTTP header can carry"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "bytes that are no UTF-8, which this program cannot put into an HTTP header"
    return ""


def find_key(variable: str, file: str | os.PathLike[str] | None) -> tuple[str | None, str]:
    """The key and, where there is none, why.

    Args:
        variable: The environment variable that holds it.
        file: A file whose first line is the key, instead; or None.

    Raises:
        MissingKeyError: the file cannot be read, or is empty.
        UsageError: `variable` is no name of a variable, or the key cannot be sent.
    """
    if file is not None:
        return _key_in(file), ""
    check_variable(variable)
    key = check_key(os.environ.get(variable, "").strip())
    return key, "" if key else f"the environment variable {variable} is not set"


def check_variable(name: str) -> None:
    """Refuse what is no environment variable's name, such as the key itself, without showing it.

    Raises:
        UsageError: it is none.
    """
    if isinstance(name, str) and name in os.environ and _VARIABLE.fullmatch(name):
        return
    if not isinstance(name, str) or not _VARIABLE.fullmatch(name) or _looks_like_a_key(name):
        register_secret(name if isinstance(name, str) else None)
        raise UsageError(
            "give the name of the environment variable that holds the key, not the key itself: "
            "export DF_API_KEY=…, then --key-env DF_API_KEY (in Python "
            'key_name_of_api_key="DF_API_KEY"); what you gave is not shown here'
        )


def _looks_like_a_key(name: str) -> bool:
    digits = sum(char.isdigit() for char in name)
    prefixed = _KEY_PREFIX.match(name)
    is_word = name.isupper() and digits < 8
    return (len(name) >= 20 and digits >= 4 and not is_word) or bool(
        prefixed and len(name) >= 16 and digits >= 2 and not is_word
    )


def _key_in(file: str | os.PathLike[str]) -> str:
    try:
        key = check_key(read_key_file(file))
    except OSError as error:
        reason = error.strerror or str(error)
        raise MissingKeyError(f"no API key: the key file {file} cannot be read: {reason}") from None
    if key is None:
        raise MissingKeyError(f"no API key: the first line of the key file {file} is empty")
    return key


def read_key_file(path: str | os.PathLike[str]) -> str:
    """The first line of the file at `path`; a file that others may read is warned of.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        line = file.readline(_LONGEST_KEY)
    others = stat.S_IMODE(status.st_mode) & 0o077
    if others and stat.S_ISREG(status.st_mode):
        _log.warning("the key file %s is open to others: chmod 600 it", path)
    return line.decode("utf-8-sig", "replace").strip()


def check_key(key: str | None) -> str | None:
    """The key, fit for an HTTP header; None where it is None or empty.

    Raises:
        UsageError: the key holds a character that no header can carry; it is not shown.
    """
    if not key:
        return None
    if reason := _unsendable(key):
        raise UsageError(
            f"the API key holds {reason}: was it copied whole, and nothing beside it? (it is not "
            "shown here)"
        )
    register_secret(key)
    return key


def doubt_of(key: str) -> str:
    """What is unusual about a key that a server does not accept, for the message; or empty."""
    if key[0] in "{[<":
        return "the key begins like JSON or XML: is the file that of the key alone?"
    if set(key) & set("\"'“”‘’„«»"):
        return "the key holds a quotation mark: does it belong to it?"
    if not key.isascii():
        return "the key holds letters outside ASCII: was it copied whole, and nothing beside it?"
    return ""
