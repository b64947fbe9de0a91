"""Is a silent engine at work, or does it hang? Told by its answers, its health and its counters."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

from dataflow.core.aio import now

LEAST_SECONDS = 60.0
"""An engine that answered before is not suspected before so much silence."""

FIRST_SECONDS = 600.0
"""One that has not answered yet is given so long: the first requests compile and warm up."""

MULTIPLE = 10.0
"""So many times its slowest answer is far longer than an engine usually takes."""

PROBE_SECONDS = 5.0
"""So long a probe waits for an answer."""

_COUNTER = re.compile(
    r"^(?:vllm:(?:generation|prompt)_tokens_total|llamacpp:(?:tokens_predicted|prompt_tokens)_total"
    r"|vllm:iteration_tokens_total_count)(?:\{[^}]*\})? (\S+)",
    re.MULTILINE,
)

Probe = Callable[[], Awaitable[str | None]]
"""Asks the engine for its metrics: the text, empty where it has none, None for no answer."""


def tokens_in(metrics: str) -> float | None:
    """The sum of an engine's counters of tokens, which grows while it works; None without any."""
    found = [float(value) for value in _COUNTER.findall(metrics)]
    return sum(found) if found else None


class HangWatch:
    """Watches one run of an engine from the event loop that asks it.

    Args:
        probe: See `Probe`.
        limit: Seconds of silence after which it is probed; None takes them from its answers.
    """

    def __init__(self, probe: Probe, limit: float | None = None) -> None:
        self._probe = probe
        self._limit = limit
        self._slowest: float | None = None
        self._heard = now()
        self._tokens: float | None = None

    @property
    def patience(self) -> float:
        """Seconds of silence after which it is probed."""
        if self._limit is not None:
            return self._limit
        if self._slowest is None:
            return FIRST_SECONDS
        return max(LEAST_SECONDS, MULTIPLE * self._slowest)

    @property
    def silence(self) -> float:
        """Seconds since it was last heard of."""
        return now() - self._heard

    def sent(self, *, was_idle: bool) -> None:
        """A request was sent; an engine that had none is not silent before."""
        if was_idle:
            self._heard = now()

    def answered(self, seconds: float) -> None:
        """It answered a request after so many seconds."""
        self._heard = now()
        self._slowest = max(self._slowest or 0.0, seconds)

    async def is_hung(self) -> bool:
        """Whether it is silent for too long and a probe does not find it at work."""
        if self.silence < self.patience:
            return False
        try:
            metrics = await asyncio.wait_for(self._probe(), PROBE_SECONDS)
        except (asyncio.TimeoutError, OSError):
            return True
        if metrics is None:
            return True
        tokens, before = tokens_in(metrics), self._tokens
        self._tokens = tokens
        if tokens is None:
            return True  # it is there, and does nothing that could be seen
        if tokens != before:
            self._heard = now()  # it works; the next probe sees whether it goes on
            return False
        return True
