"""Text made fit for messages, logs and journals: short, on one line, without secrets."""

from __future__ import annotations

import os
import re
import string
from collections.abc import Sequence
from urllib.parse import urlsplit

from dataflow.core.secrets import redact

_DATA_URI = re.compile(r"data:[\w/+.-]{0,100};base64,[A-Za-z0-9+/=_\\-]*")
_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]{60,}")
_ALPHABET = string.ascii_letters + string.digits + "+/=_-"
_LOOK_AT = 16_384
_JOINING = frozenset({"\u200c", "\u200d", *map(chr, range(0xE0020, 0xE0080))})
"""Zero-width joiners, and the tag characters of flags (Unicode 15, sections 23.2 and 23.9)."""


def scrub(text: str, *, secrets: Sequence[str | None] = (), limit: int = 300) -> str:
    """`text` in one line of at most `limit` characters, without secrets and pictures.

    Each of `secrets`, and of the registered ones, becomes ``[key]``; a data URI, and any run of 60
    or more characters of the base64 alphabet, becomes ``[data]``; white space becomes one space;
    other control characters are escaped.

    Args:
        text: What a server or a library said.
        secrets: Texts that must not appear; None and empty ones are passed over.
        limit: The longest result, in characters.
    """
    # Secrets go first, on the whole text: a cut through a key would leave its half unseen.
    text = redact(text, secrets)
    is_cut = len(text) > _LOOK_AT
    text = text[:_LOOK_AT]
    if is_cut:
        text = text.rstrip(_ALPHABET)
    text = _BASE64.sub("[data]", _DATA_URI.sub("[data]", text))
    text = "".join(c if is_shown(c) else _escape(c) for c in text)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def error_text(error: BaseException) -> str:
    """The class and the words of an exception of anybody's, also where its ``__str__`` raises."""
    try:
        words = str(error)
    except Exception:  # noqa: BLE001 - anybody's __str__
        words = ""
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def trimmed(text: str) -> str:
    """`text` without blanks at its ends, and with a line feed for each line break of any system."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _escape(char: str) -> str:
    return " " if char.isspace() else char.encode("unicode_escape").decode("ascii")


_LIMIT = 200
_SHORTEST_RUN = 127
_LONG_RUN = re.compile(rf"[A-Za-z0-9+/=_-]{{{_SHORTEST_RUN + 1},}}")  # base64, most likely


def short_text(text: str, limit: int = _LIMIT) -> str:
    """`text` fit for a message.

    Args:
        text: Anything, of any length.
        limit: Characters at most.

    Returns:
        The text with characters that do not print escaped, runs that look like base64 cut, and
        the middle left out where it is too long.
    """
    if len(text) <= min(limit, _SHORTEST_RUN) and text.isprintable():
        return text
    if len(text) > 20 * limit:
        text = _middle_out(text, 10 * limit)
    text = _LONG_RUN.sub(lambda run: run[0][:16] + "…", text)
    text = _middle_out(text, limit)
    return _middle_out("".join(map(_printable, text)), limit)


def path_text(path: str | os.PathLike[str]) -> str:
    r"""`path` fit for messages and logs; bytes that are no UTF-8 are shown as ``\udcXX``."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode("utf-8")


def shown_url(url: str) -> str:
    """`url` without user name, password, query and fragment, which may hold secrets."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return short_text(url.partition("?")[0].rpartition("@")[2])
    has_host = url[len(parts.scheme) + 1 :].lstrip().startswith("//")  # mailto:, blob: have none
    start = f"{parts.scheme}://{host}" if has_host else f"{parts.scheme}:"
    return short_text(f"{start}{parts.path}" + ("?…" if parts.query else ""))


def is_shown(character: str) -> bool:
    """Whether a character may stand in what people read as it is.

    Those that print may, and those that only join or mark others: Persian, Hindi and emoji are
    not whole without them. Whatever moves the cursor or turns the direction around may not.
    """
    return character.isprintable() or character in _JOINING


def _printable(character: str) -> str:
    if is_shown(character):
        return character
    return character.encode("unicode_escape").decode("ascii")


def _middle_out(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    head = (limit - 1) // 2
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"
