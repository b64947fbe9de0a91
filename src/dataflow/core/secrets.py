"""The secrets of this process, and the one place that takes them out of texts.

Whoever reads a key, a password or a signed address registers it here. Every error's message and
every line of the log passes `redact`, and so does what a server's good reply holds.
"""

from __future__ import annotations

import functools
import logging
import traceback
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote

SHORTEST = 8
"""Characters. Shorter secrets (``EMPTY``, ``none``) are words that stand in captions, too."""

MASK = "[key]"
"""What stands in a secret's place."""

_MOST = 1024
_LOGGERS = ("dataflow", "asyncio", "aiohttp.client", "aiohttp.internal")

_secrets: dict[str, None] = {}


def register_secret(*secrets: str | None) -> None:
    """Take these texts, and the forms in which URLs hold them, out of everything from now on.

    Args:
        secrets: Keys, passwords …; those that are None or shorter than `SHORTEST` are passed over.
    """
    for secret in secrets:
        for form in forms_of(secret):
            if len(form) >= SHORTEST and len(_secrets) < _MOST:
                _secrets[form] = None
    if _secrets:
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_filter)


@functools.lru_cache(maxsize=_MOST)  # asked for each text of each reply
def forms_of(secret: str | None) -> tuple[str, ...]:
    """The secret itself, as it stands in URLs, and its single words (``Basic dXNlcg==``)."""
    if not secret:
        return ()
    words = secret.split() if len(secret.split()) == 2 else []  # a scheme and its credentials
    forms = [
        secret,
        *words[1:],
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        unquote(secret),
    ]
    return tuple(dict.fromkeys(form for form in forms if form))


def redact(text: str, secrets: Iterable[str | None] = ()) -> str:
    """`text` without the registered secrets and without `secrets`, of whatever length."""
    for given in secrets:
        for secret in forms_of(given):
            if secret in text:
                text = text.replace(secret, MASK)
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, MASK)
    return text


class _RedactingFilter(logging.Filter):
    """Takes secrets out of a log record, its traceback included."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        clean = redact(text)
        if clean != text:
            record.msg, record.args = clean, ()
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)).rstrip())
        return True


_filter = _RedactingFilter()
