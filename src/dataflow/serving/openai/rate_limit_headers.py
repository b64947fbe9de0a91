"""What a server says of its rate limits: what is left, and how long to wait.

OpenAI's headers (https://platform.openai.com/docs/guides/rate-limits, "Rate limits in headers"),
which Azure, Groq, Mistral, vLLM's routers and others send too: ``x-ratelimit-remaining-requests``
and ``-tokens``, and ``x-ratelimit-reset-requests`` and ``-tokens``, the time until the limit is
filled up again, as ``"1s"``, ``"6m0s"``, ``"120ms"`` or plain seconds.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from dataflow.core.request import RateLimitStatus

LONGEST_WAIT = 3600.0
"""Seconds; a server that asks for more is asked again after this."""


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, between 0 and `LONGEST_WAIT`, or None where the server does not say.

    Read are ``retry-after-ms`` (milliseconds, sent by OpenAI and Azure) and, without it,
    ``Retry-After`` as seconds or as a date (RFC 9110, section 10.2.3). A date is measured against
    the reply's own ``Date``, so that a wrong clock on either side does no harm.

    Args:
        headers: The reply's headers, their names in lower case.
    """
    wait = _number(headers.get("retry-after-ms"))
    if wait is not None:
        wait /= 1000
    else:
        asked = headers.get("retry-after")
        wait = _number(asked)
        if wait is None:
            until = _date(asked)
            now = _date(headers.get("date"))
            if until is not None:
                wait = until - (time.time() if now is None else now)
    return None if wait is None else min(max(wait, 0.0), LONGEST_WAIT)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _date(text: str | None) -> float | None:
    """A date of HTTP → seconds since 1970."""
    try:
        return parsedate_to_datetime(text or "").timestamp()
    except (TypeError, ValueError, OverflowError, IndexError, OSError):
        return None


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = r"(\d{1,12}(?:\.\d{1,12})?)(ms|s|m|h|d)"
_DURATION = re.compile(rf"(?:{_PART})+")
_PARTS = re.compile(_PART)
_PLAIN = re.compile(r"\d{1,12}(?:\.\d{1,12})?")


def read_rate_limit(headers: Mapping[str, str]) -> RateLimitStatus | None:
    """What these headers say is left, or None where they say nothing that can be read.

    Args:
        headers: The reply's headers, found by their names in lower case.
    """
    requests = _left(headers, "requests")
    tokens = _left(headers, "tokens")
    if requests is None and tokens is None:
        return None
    return RateLimitStatus(*(requests or (None, 0.0)), *(tokens or (None, 0.0)))


def _left(headers: Mapping[str, str], unit: str) -> tuple[float, float] | None:
    remaining = headers.get(f"x-ratelimit-remaining-{unit}", "").strip()
    if _PLAIN.fullmatch(remaining) is None:
        return None
    seconds = read_duration(headers.get(f"x-ratelimit-reset-{unit}", ""))
    # nothing to wait for: the limit is full
    return None if not seconds else (float(remaining), seconds)


def read_duration(text: str) -> float | None:
    """``"6m0s"`` or plain seconds → seconds; None for anything else."""
    text = text.strip().lower()
    if _PLAIN.fullmatch(text):
        return float(text)
    if _DURATION.fullmatch(text) is None:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _PARTS.findall(text))
