"""What a server says of its rate limits: what is left, and how long to wait.

OpenAI's headers (https://platform.openai.com/docs/guides/rate-limits, "Rate limits in headers"),
which Azure, Groq, Mistral, vLLM's routers and others send too: ``x-ratelimit-remaining-requests``
and ``-tokens``, and ``x-ratelimit-reset-requests`` and ``-tokens``, the time until the limit is
filled up again, as ``"1s"``, ``"6m0s"``, ``"120ms"`` or plain seconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dataflow.core.request import RateLimitStatus

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
