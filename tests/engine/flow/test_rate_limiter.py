"""Stated limits, and those that a server tells of, in simulated time."""

from __future__ import annotations

import heapq
import random

import pytest

from dataflow.core.request import RateLimitStatus
from dataflow.engine.flow.rate_limiter import RateLimiter, TokenBucket


def times_sent(tempo: RateLimiter, seconds: float, *, tokens: int | None = None) -> list[float]:
    """When requests go out whose answers come at once."""
    now, sent = 0.0, []
    while True:
        now += max(tempo.wait(now), 1e-6)
        if now >= seconds:
            return sent
        taken = tempo.sent(now)
        tempo.ended(now, taken_to_cost=taken, cost=tokens)
        sent.append(now)


def test_without_limits_nothing_waits():
    assert RateLimiter().wait(0.0) == 0.0


def test_stated_requests_a_minute_are_used_and_never_passed():
    sent = times_sent(RateLimiter(per_minute=600), 60)
    assert 595 <= len(sent) <= 602


@pytest.mark.parametrize("begins", [0.0, 5.0])
def test_the_first_pause_is_a_whole_one(begins):
    tempo = RateLimiter(per_minute=120)
    tempo.wait(0.0)
    tempo.sent(begins)
    assert tempo.wait(begins) == 0.5


@pytest.mark.parametrize("tokens", [200, 500, 5000])
def test_stated_tokens_a_minute_are_used_and_never_passed(tokens):
    sent = times_sent(RateLimiter(tokens_per_minute=600_000), 60, tokens=tokens)
    assert 0.97 * 600_000 <= len(sent) * tokens <= 1.02 * 600_000


def test_tokens_the_server_does_not_count_are_guessed_high():
    sent = times_sent(RateLimiter(tokens_per_minute=60_000), 60)
    assert 38 <= len(sent) <= 42


def test_the_slower_of_two_stated_limits_holds():
    sent = times_sent(RateLimiter(per_minute=60, tokens_per_minute=6_000_000), 60, tokens=10)
    assert 59 <= len(sent) <= 62


def test_a_rate_that_rises_shortens_the_wait():
    meter = TokenBucket(None)
    meter.observe(0.01, 0.0)
    meter.use(1, 0.0)
    assert meter.wait(0.0) == pytest.approx(100)
    meter.observe(1.0, 1.0)
    assert meter.wait(1.0) == pytest.approx(0.99)


class TellingServer:
    """Turns down what passes its limit, and tells in each answer what is left."""

    def __init__(self, a_minute: float, *, bucket: bool) -> None:
        self.limit, self.bucket = a_minute, bucket
        self.left, self.at = a_minute, 0.0

    def answer(self, now: float) -> RateLimitStatus | None:
        if self.bucket:
            self.left = min(self.limit, self.left + (now - self.at) * self.limit / 60)
            self.at = now
            reset = (self.limit - self.left + 1) / self.limit * 60
        else:
            if int(now // 60) != int(self.at // 60):
                self.left = self.limit
            self.at = now
            reset = 60 - now % 60
        if self.left < 1:
            return None
        self.left -= 1
        return RateLimitStatus(requests=self.left, requests_seconds=reset)


@pytest.mark.parametrize("bucket", [False, True])
def test_a_limit_that_the_server_tells_of_is_used_up_and_hardly_ever_met(bucket):
    server, tempo, rng, now = (
        TellingServer(1200, bucket=bucket),
        RateLimiter(),
        random.Random(3),
        0.0,
    )
    events: list[tuple[float, float, float, bool, RateLimitStatus | None]] = []
    taken, refused = [], []
    while now < 600:
        if len(events) < 32 and tempo.wait(now) <= 0:
            tokens = tempo.sent(now)
            said = server.answer(now)
            after = rng.uniform(0.3, 0.7) if said else 0.01
            heapq.heappush(events, (now + after, now, tokens, said is not None, said))
            continue
        due = [events[0][0]] if events else []
        if len(events) < 32:
            due.append(now + tempo.wait(now) + 1e-6)
        now = min(due)
        while events and events[0][0] <= now:
            at, sent, tokens, good, said = heapq.heappop(events)
            (taken if good else refused).append(at)
            tempo.ended(at, taken_to_cost=tokens, cost=500 if good else 0)
            if said is not None:
                tempo.observe(at, said, len(events))
            else:
                tempo.turned_down(at, sent)
    steady = sum(at >= 120 for at in taken)
    assert steady >= 0.95 * 1200 * 8
    assert len(refused) <= 0.005 * len(taken)


@pytest.mark.parametrize("seconds", [3600.0, 86_400.0])
@pytest.mark.parametrize("left", [0, 50])
def test_the_quota_of_hours_sets_no_pace(seconds, left):
    tempo = RateLimiter()
    sent = tempo.sent(0.0)
    tempo.ended(0.0, taken_to_cost=sent, cost=100)
    tempo.observe(0.0, RateLimitStatus(left, seconds, left * 100, seconds), 0)
    assert len(times_sent(tempo, 1.0, tokens=100)) > 100
    tempo.observe(1.0, RateLimitStatus(50, 60.0), 0)
    assert tempo.learned_rate(1.0) is None
    tempo.sent(1.0)
    assert tempo.wait(1.0) > 0
