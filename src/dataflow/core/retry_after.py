"""Reads how long a server asks its clients to wait."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

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
