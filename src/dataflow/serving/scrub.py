"""What another program said → text that is fit for a message, a log and a journal."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

_DATA_URI = re.compile(r"data:[\w/+.-]{0,100};base64,[A-Za-z0-9+/=_\\-]*")
_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]{60,}")
_ALPHABET = string.ascii_letters + string.digits + "+/=_-"
_LOOK_AT = 16_384


def scrub(text: str, *, secrets: Sequence[str | None] = (), limit: int = 300) -> str:
    """`text` in one line of at most `limit` characters, without secrets and pictures.

    Each of `secrets` becomes ``[key]``; a data URI, and any run of 60 or more characters of the
    base64 alphabet, becomes ``[data]``; white space becomes one space; other control characters
    are escaped.

    Args:
        text: What a server or a library said.
        secrets: Texts that must not appear; None and empty ones are passed over.
        limit: The longest result, in characters.
    """
    # Secrets go first, on the whole text: a cut through a key would leave its half unseen.
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[key]")
    is_cut = len(text) > _LOOK_AT
    text = text[:_LOOK_AT]
    if is_cut:
        text = text.rstrip(_ALPHABET)
    text = _BASE64.sub("[data]", _DATA_URI.sub("[data]", text))
    text = "".join(c if c.isprintable() else _escape(c) for c in text)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _escape(char: str) -> str:
    return " " if char.isspace() else char.encode("unicode_escape").decode("ascii")
