"""How long a server asks its clients to wait, in all the forms in which servers say it."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from dataflow.core.times.clock_times import read_clock_time

LONGEST_WAIT = 32 * 86_400.0
"""Seconds; no limit lifts later than after a month."""

UNIT = (
    r"(?:milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d"
    r"|毫秒|秒钟?|分钟?|个?小时|天)"
)
"""A unit of time, as a regular expression."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_CHINESE = {"毫": "ms", "秒": "s", "分": "m", "个": "h", "小": "h", "天": "d"}
_PART = re.compile(rf"(\d{{1,12}}(?:\.\d{{1,12}})?)\s*({UNIT})", re.IGNORECASE)
_DURATION = re.compile(
    rf"(?:\d{{1,12}}(?:\.\d{{1,12}})?\s*{UNIT}[\s,]*(?:and\s+)?)+", re.IGNORECASE
)
_CLOCK = re.compile(r"(\d{1,3}):([0-5]\d):([0-5]\d)")
_PLAIN = re.compile(r"\d{1,12}(?:\.\d{1,12})?")


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, between 0 and `LONGEST_WAIT`, or None where the server does not say.

    Read are ``retry-after-ms`` (milliseconds, sent by OpenAI and Azure) and, without it,
    ``Retry-After`` as seconds, as a duration or as a date (RFC 9110, section 10.2.3). A date is
    measured against the reply's own ``Date``, so that a wrong clock on either side does no harm.

    Args:
        headers: The reply's headers, their names in lower case.
    """
    wait = read_number(headers.get("retry-after-ms"))
    if wait is not None:
        return bounded(wait / 1000)
    now = read_date(headers.get("date")) or time.time()
    found = read_moment(headers.get("retry-after"), now)
    return None if found is None else bounded(found)


def bounded(seconds: float) -> float:
    """A wait between 0 and `LONGEST_WAIT` seconds."""
    return min(max(seconds, 0.0), LONGEST_WAIT)


def read_moment(text: str | None, now: float) -> float | None:
    """A moment or a duration → seconds from `now`; may be below 0, and None for anything else.

    Known are seconds, durations (`read_duration`), seconds and milliseconds since 1970, dates of
    HTTP and of RFC 3339, and clock times (`read_clock_time`).
    """
    text = (text or "").strip()
    number = read_number(text)
    if number is not None:
        if number >= 1e11:
            return number / 1000 - now  # milliseconds since 1970
        return number - now if number >= 1e9 else number
    if (duration := read_duration(text)) is not None:
        return duration
    until = read_date(text)
    return read_clock_time(text, now) if until is None else until - now


def read_number(text: str | None) -> float | None:
    """A finite number; None for anything else."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def read_date(text: str | None) -> float | None:
    """A date of HTTP → seconds since 1970."""
    try:
        return parsedate_to_datetime(text or "").timestamp()
    except (TypeError, ValueError, OverflowError, IndexError, OSError):
        return None


def read_duration(text: str) -> float | None:
    """``"6m0s"``, ``"2 minutes"``, ``"02:10:30"`` or plain seconds → seconds; else None."""
    text = text[:200].strip().lower()
    if _PLAIN.fullmatch(text):
        return float(text)
    if (clock := _CLOCK.fullmatch(text)) is not None:
        return int(clock[1]) * 3600.0 + int(clock[2]) * 60 + int(clock[3])
    if _DURATION.fullmatch(text) is None:
        return None
    return sum(float(number) * _SECONDS[_short(unit)] for number, unit in _PART.findall(text))


def _short(unit: str) -> str:
    first = _CHINESE.get(unit[0], unit[0].lower())
    return "ms" if unit.lower().startswith(("ms", "milli")) else first
