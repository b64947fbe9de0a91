"""The pace against simulated servers, in simulated time."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

import pytest

from dataflow.engine.flow.cubic_rate import CubicRate, RateState

Limit = Callable[[float], float]


class Server:
    """Takes so many requests in each second, or lets a bucket fill up; may refuse at random."""

    def __init__(self, limit: Limit, *, bucket: bool, noise: float = 0.0) -> None:
        self.limit, self.bucket, self.noise = limit, bucket, noise
        self.rng = random.Random(1)
        self.second, self.left, self.last = -1, 0.0, 0.0

    def takes(self, now: float) -> bool:
        limit = self.limit(now)
        if self.bucket:
            self.left = min(limit, self.left + (now - self.last) * limit)
            self.last = now
        elif int(now) != self.second:
            self.second, self.left = int(now), limit
        if self.rng.random() < self.noise or self.left < 1:
            return False
        self.left -= 1
        return True


def run(server: Server, seconds: float, *, in_flight=64, latency=0.05):
    """Times of the answers and of the refusals."""
    pace, rng, now = CubicRate(), random.Random(2), 0.0
    events: list[tuple[float, bool, float]] = []
    taken: list[float] = []
    refused: list[float] = []
    while now < seconds:
        if len(events) < in_flight and pace.wait(now) <= 0:
            pace.sent(now)
            good = server.takes(now)
            after = latency * rng.uniform(0.8, 1.2) if good else 0.005
            heapq.heappush(events, (now + after, good, now))
            continue
        times = [events[0][0]] if events else []
        if len(events) < in_flight:
            times.append(now + pace.wait(now) + 1e-6)
        now = min(times)
        while events and events[0][0] <= now:
            at, good, sent = heapq.heappop(events)
            (taken if good else refused).append(at)
            if not good:
                pace.turned_down(at, sent)
    return taken, refused


def between(times: list[float], start: float, end: float) -> int:
    return sum(start <= t < end for t in times)


@pytest.mark.parametrize("bucket", [False, True])
@pytest.mark.parametrize("latency", [0.05, 2.0])
def test_an_unknown_limit_is_used_to_97_in_100_with_at_most_2_wasted(bucket, latency):
    server = Server(lambda now: 50, bucket=bucket)
    taken, refused = run(server, 120, in_flight=256, latency=latency)
    used, wasted = between(taken, 20, 120), between(refused, 20, 120)
    assert used >= 0.97 * 50 * 100
    assert wasted <= 0.02 * (used + wasted)


@pytest.mark.parametrize("bucket", [False, True])
@pytest.mark.parametrize(("first", "then"), [(50, 25), (50, 100), (500, 50)])
def test_a_limit_that_changes_is_met_within_15_seconds(bucket, first, then):
    server = Server(lambda now: first if now < 40 else then, bucket=bucket)
    taken, refused = run(server, 80, in_flight=256)
    used, wasted = between(taken, 55, 80), between(refused, 55, 80)
    assert used >= 0.97 * then * 25
    assert wasted <= 0.03 * (used + wasted)


def test_refusals_that_do_not_mean_the_rate_slow_nothing_down():
    server = Server(lambda now: 1e9, bucket=False, noise=0.02)
    taken, _ = run(server, 30, in_flight=16)
    assert len(taken) >= 0.95 * 30 * 16 / 0.05 * 0.98


@pytest.mark.parametrize(("noise", "in_flight"), [(0.08, 4), (0.08, 64), (0.15, 64), (0.3, 64)])
def test_even_many_refusals_at_random_slow_it_for_some_seconds_only(noise, in_flight):
    server = Server(lambda now: 1e9, bucket=False, noise=noise)
    taken, _ = run(server, 90, in_flight=in_flight)
    full = in_flight / (0.05 + 0.005 * noise / (1 - noise))
    assert between(taken, 40, 90) >= 0.7 * 50 * full


@pytest.mark.parametrize("noise", [0.05, 0.15])
def test_a_limit_is_kept_beside_refusals_at_random(noise):
    server = Server(lambda now: 50, bucket=False, noise=noise)
    taken, refused = run(server, 120, in_flight=256)
    used, wasted = between(taken, 40, 120), between(refused, 40, 120)
    assert used >= 0.85 * 50 * 80
    assert wasted <= (noise + 0.1) * (used + wasted)


def test_its_state_says_how_the_pace_goes():
    pace = CubicRate()
    assert pace.state is RateState.UNLIMITED
    for number in range(40):
        pace.sent(number / 100)
    for number in range(20, 40):
        pace.turned_down(0.5, number / 100)
    assert pace.state is RateState.COUNTING
    assert pace.wait(0.6) > 0
    pace.wait(2.0)
    assert pace.state is RateState.STARTING
    for number in range(40):
        pace.sent(4 + number / 100)
    for number in range(40):
        pace.turned_down(4.5, 4 + number / 100)
    assert pace.state is RateState.CUBIC
