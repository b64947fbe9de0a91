"""What a server says of its rate limits: what is left, and how long to wait.

OpenAI's headers (https://platform.openai.com/docs/guides/rate-limits, "Rate limits in headers"),
which Azure, Groq, Mistral, vLLM's routers and others send too: ``x-ratelimit-remaining-requests``
and ``-tokens``, and ``x-ratelimit-reset-requests`` and ``-tokens``, the time until the limit is
filled up again. That time comes as ``"6m0s"``, ``"120ms"``, seconds, seconds or milliseconds since
1970 (OpenRouter, GitHub) or a date (Anthropic). Where no header has it, the body may: Google's
``RetryInfo`` (https://cloud.google.com/apis/design/errors#error_details), OpenRouter's copied
headers, or a sentence such as "try again in 7h12m".
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from dataflow.core.request import RateLimitStatus
from dataflow.core.times.clock_times import JUST_PASSED, read_clock_time
from dataflow.core.times.retry_after import (
    UNIT,
    bounded,
    read_date,
    read_duration,
    read_moment,
    read_number,
    read_retry_after,
)


class LimitReset(NamedTuple):
    """When a limit lifts.

    Attributes:
        seconds: From now, between 0 and `LONGEST_WAIT`; None where the server does not say.
        quota: The limit's window: ``"minute"``, ``"hour"``, ``"day"``, ``"week"``, ``"month"``, or
            empty where the server does not say.
    """

    seconds: float | None
    quota: str = ""


def read_reset(headers: Mapping[str, str], body: Any = None, message: str = "") -> LimitReset:
    """When the limit lifts that a reply with an error tells of.

    Args:
        headers: The reply's headers, their names in lower case.
        body: Its JSON value, or None.
        message: The error's prose.
    """
    now = read_date(headers.get("date")) or time.time()
    seconds = read_retry_after(headers)
    if seconds is None:
        seconds = _from_headers(headers, now)
    if seconds is None:
        seconds = _from_headers(_copied_headers(body), now)
    if seconds is None and _is_daily_of_google(body):
        seconds = read_clock_time("midnight Pacific", now)
    if seconds is None:
        seconds = _from_fields(body, now)
    if seconds is None:
        seconds = _from_prose(message, now)
    # a sentence that lists all limits does not say which of them was met
    windows = _windows(f"{message} {' '.join(_quota_ids(body))}") or [""]
    if seconds is None:
        return LimitReset(None, windows[-1])
    return LimitReset(bounded(seconds), windows[0])


_RESET = re.compile(r"(x-)?([\w-]*-)?ratelimit[\w-]*-reset(-[\w-]+)?|(x-)?ratelimit-reset[\w-]*")


def _from_headers(headers: Mapping[str, str], now: float) -> float | None:
    """The wait until the used-up limit is filled up again; where all may be, the shortest."""
    waits = _structured(headers.get("ratelimit", ""))
    for name, value in headers.items():
        if _RESET.fullmatch(name) and (wait := read_moment(value, now)) is not None and wait > 0:
            left = read_number(headers.get(name.replace("reset", "remaining", 1)))
            waits.append((left is not None and left <= 0, wait))
    used_up = [wait for is_used_up, wait in waits if is_used_up]
    if used_up:
        return max(used_up)
    return min((wait for _, wait in waits), default=None)


_FIELD = re.compile(r"(\w+)\s*=\s*(\d{1,9})")


def _structured(value: str) -> list[tuple[bool, float]]:
    """The waits of a ``RateLimit`` header, and whether each limit is used up.

    Both forms of the IETF's drafts (draft-ietf-httpapi-ratelimit-headers): ``limit=100,
    remaining=0, reset=50`` and ``"default";r=0;t=50``, with a comma between several limits.
    """
    limits = [value] if "reset" in value else value.split(",")
    found = []
    for limit in limits:
        fields = dict(_FIELD.findall(limit.lower()))
        seconds = fields.get("t") or fields.get("reset")
        left = fields.get("r") or fields.get("remaining")
        if seconds is not None and int(seconds) > 0:
            found.append((left is not None and int(left) == 0, float(seconds)))
    return found


def _copied_headers(body: Any) -> dict[str, str]:
    """The headers that OpenRouter repeats in ``error.metadata.headers``."""
    error = body.get("error") if isinstance(body, dict) else None
    metadata = error.get("metadata") if isinstance(error, dict) else None
    headers = metadata.get("headers") if isinstance(metadata, dict) else None
    if not isinstance(headers, dict):
        return {}
    found = {str(name).lower(): str(value) for name, value in headers.items()}
    wait = read_retry_after(found)
    return {**found, **({"ratelimit-reset": str(wait)} if wait is not None else {})}


_WAIT_FIELDS = frozenset({
    "retrydelay", "retry_delay", "retry_after", "retryafter", "retry_after_seconds", "wait_seconds",
    "retry_in", "reset_after", "retry_after_ms", "retry-after", "resets_in_seconds",
    "reset_at", "resets_at", "resetat", "reset_time", "resettime", "reset", "available_at",
})  # fmt: skip


def _from_fields(body: Any, now: float, depth: int = 6) -> float | None:
    """The wait that a field of the body names, wherever it stands."""
    if depth == 0:
        return None
    inner = body.values() if isinstance(body, dict) else body if isinstance(body, list) else ()
    if isinstance(body, dict):
        for name, value in body.items():
            if isinstance(name, str) and name.lower() in _WAIT_FIELDS:
                text = str(value) if isinstance(value, (str, int, float)) else ""
                scale = 0.001 if name.lower().endswith("_ms") else 1.0
                if (wait := read_moment(text, now)) is not None:
                    return wait * scale
    for value in list(inner)[:50]:
        if (wait := _from_fields(value, now, depth - 1)) is not None:
            return wait
    return None


def _quota_ids(body: Any, depth: int = 6) -> Iterator[str]:
    """Google's names of the used-up quotas, as ``GenerateRequestsPerDayPerProject…``."""
    if depth == 0:
        return
    if isinstance(body, dict):
        for name, value in body.items():
            if name in ("quotaId", "quotaMetric", "limit_type", "code", "type"):
                yield str(value)[:200]
            yield from _quota_ids(value, depth - 1)
    elif isinstance(body, list):
        for value in body[:20]:
            yield from _quota_ids(value, depth - 1)


def _is_daily_of_google(body: Any) -> bool:
    """Google names a short ``retryDelay`` where the quota of the day is used up, too.

    That quota is back at midnight Pacific time (https://ai.google.dev/gemini-api/docs/rate-limits).
    """
    return any("perday" in name.lower() for name in _quota_ids(body))


_QUOTAS = (
    ("month", r"per.?month|monthly|每月"),
    ("week", r"per.?week|weekly|每周"),
    ("day", r"per.?day|daily|\b(RPD|TPD)\b|/day\b|每天|每日|当日|today's|tomorrow"),
    ("hour", r"per.?hour|hourly|/hour\b|/h\b|每小时"),
    ("minute", r"per.?minute|\b(RPM|TPM)\b|/min(ute)?\b|每分钟"),
)


def _windows(text: str) -> list[str]:
    """The windows of limits that the text names, the longest first."""
    return [name for name, words in _QUOTAS if re.search(words, text[:8000], re.IGNORECASE)]


# after a unit no letter follows; a Chinese one ("30秒后") may
_AMOUNT = rf"\d{{1,9}}(?:\.\d{{1,9}})?\s*{UNIT}(?![A-Za-z_])"
_SPAN = rf"{_AMOUNT}(?:[\s,]*(?:and\s+)?{_AMOUNT})*"
_CLOSE_SPAN = r"(?:\d{1,9}(?:\.\d{1,9})?(?:ms|s|m|h|d))+(?![A-Za-z])"
_SECONDS = re.compile(
    r"\bretry[-_ ]after\W{1,3}(\d{1,7}(?:\.\d{1,6})?)(?=\s*(?:[.,;)\]]|$))", re.IGNORECASE
)
_AGAIN = (
    r"(?:again|retry|retries|retrying|wait|reset\w*|available|resum\w+|lifts?|lifted|refill\w*"
    r"|regain\w*|renew\w*|replenish\w*|restor\w+|refresh\w*|unblock\w*|until|continue)"
)
_IN_PROSE = re.compile(
    rf"{_AGAIN}\b[^\d\n]{{0,40}}?(?P<span>{_CLOSE_SPAN}|{_SPAN}|(?<=\bin )\d{{1,3}}:\d\d:\d\d)"
    rf"|(?P<before>{_CLOSE_SPAN}|{_SPAN})[^\d\n]{{0,20}}(?:后重试|后再试|later)",
    re.IGNORECASE,
)
_MOMENT = re.compile(
    rf"\b{_AGAIN}\b(?P<after>(?:(?!\.\s+[A-Z])[^\n]){{3,80}})"
    r"|(?P<before>[^\n。,,]{2,40})(?:重试|再试|恢复|重置|刷新)",
    re.IGNORECASE,
)


def _from_prose(message: str, now: float) -> float | None:
    """The wait that a sentence names: "try again in 7h12m", "resets at 14:30 UTC"."""
    text = message[:4000]
    if (found := _IN_PROSE.search(text)) is not None:
        return read_duration(found["span"] or found["before"] or "")
    if (found := _SECONDS.search(text)) is not None:
        return float(found[1])
    for found in _MOMENT.finditer(text):
        wait = read_clock_time(found["after"] or found["before"], now)
        if wait is not None and wait > -JUST_PASSED.total_seconds():
            return wait
    return None


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
