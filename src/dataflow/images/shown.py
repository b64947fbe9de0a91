"""How a reference is written in messages: short, on one line, without secrets."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_LIMIT = 200
_SHORTEST_RUN = 127
_LONG_RUN = re.compile(rf"[A-Za-z0-9+/=_-]{{{_SHORTEST_RUN + 1},}}")  # base64, most likely


def shown(text: str, limit: int = _LIMIT) -> str:
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


def shown_url(url: str) -> str:
    """`url` without user name, password, query and fragment, which may hold secrets."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return shown(url.partition("?")[0].rpartition("@")[2])
    return shown(f"{parts.scheme}://{host}{parts.path}" + ("?…" if parts.query else ""))


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")


def _middle_out(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    head = (limit - 1) // 2
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"
