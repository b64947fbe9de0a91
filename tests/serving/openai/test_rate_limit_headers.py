"""What a server's headers say is left of its rate limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.core.request import RateLimitStatus
from dataflow.core.times.retry_after import LONGEST_WAIT, read_duration
from dataflow.serving.openai.rate_limit_headers import read_rate_limit, read_reset

TOLD = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "59",
    "x-ratelimit-reset-requests": "1s",
    "x-ratelimit-limit-tokens": "150000",
    "x-ratelimit-remaining-tokens": "149984",
    "x-ratelimit-reset-tokens": "6m0s",
}


def test_openais_own_example_is_read():
    assert read_rate_limit(TOLD) == RateLimitStatus(59, 1.0, 149_984, 360.0)


def test_requests_alone_are_read():
    requests = {name: value for name, value in TOLD.items() if "requests" in name}
    assert read_rate_limit(requests) == RateLimitStatus(59, 1.0)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-ratelimit-remaining-requests": "5"},
        {"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "0s"},
        {"x-ratelimit-remaining-requests": "-1", "x-ratelimit-reset-requests": "1s"},
        {"x-ratelimit-remaining-requests": "many", "x-ratelimit-reset-requests": "1s"},
        {"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "soon"},
        {"x-ratelimit-remaining-requests": "nan", "x-ratelimit-reset-requests": "inf"},
    ],
)
def test_headers_that_say_nothing_certain_are_passed_over(headers):
    assert read_rate_limit(headers) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("6m0s", 360),
        ("120ms", 0.12),
        ("1h2m3.5s", 3723.5),
        ("7.66", 7.66),
        ("2d", 172800),
    ],
)
def test_durations(text, seconds):
    assert read_duration(text) == pytest.approx(seconds)


@given(st.text(max_size=40))
def test_any_text_is_a_duration_or_none(text):
    seconds = read_duration(text)
    assert seconds is None or 0 <= seconds < 1e18


NOW = 1_796_083_200.0  # 2026-12-01 00:00:00 UTC
DATE = {"date": "Tue, 01 Dec 2026 00:00:00 GMT"}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "30"}, 30),
        ({"retry-after": "1m30s"}, 90),
        ({"retry-after": "Tue, 01 Dec 2026 00:00:07 GMT"}, 7),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"x-ratelimit-reset": "28800"}, 28_800),
        ({"x-ratelimit-reset": str(int(NOW) + 3600)}, 3600),
        ({"x-ratelimit-reset": str((int(NOW) + 28_800) * 1000)}, 28_800),
        ({"ratelimit-reset": "12"}, 12),
        ({"x-ratelimit-reset-requests": "8h", "x-ratelimit-remaining-requests": "0",
          "x-ratelimit-reset-tokens": "1s", "x-ratelimit-remaining-tokens": "900"}, 28_800),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-reset-tokens": "2s"}, 2),
        ({"anthropic-ratelimit-requests-reset": "2026-12-01T00:10:00Z",
          "anthropic-ratelimit-requests-remaining": "0"}, 600),
        ({"x-ratelimit-reset-requests-day": "33011.5",
          "x-ratelimit-remaining-requests-day": "0"}, 33_011.5),
        ({"ratelimitbysize-reset": "31"}, 31),
        ({"x-ratelimit-reset": "soon"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_the_time_of_a_reset_is_read_in_every_form(headers, seconds):
    found = read_reset({**DATE, **headers}).seconds
    assert found == (None if seconds is None else pytest.approx(seconds, abs=0.01))


@pytest.mark.parametrize(
    ("message", "seconds", "quota"),
    [
        ("Please try again in 7h12m.", 25_920, ""),
        ("Rate limit reached on tokens per day (TPD). Please try again in 9m38.016s.", 578.016,
         "day"),
        ("Please retry in 56.4s.", 56.4, ""),
        ("Requests have exceeded call rate limit. Please retry after 9 seconds.", 9, ""),
        ("You have been throttled, wait 34 minutes and 5 seconds.", 2045, ""),
        ("Your limit resets at 2026-12-01T06:00:00Z", 21_600, ""),
        ("Limit resets on 2026-12-01 08:00 UTC", 28_800, ""),
        ("Rate limit exceeded: free-models-per-day", None, "day"),
        ("You have exceeded today's quota, please try again tomorrow", 86_400, "day"),
        ("Limits: 20 requests per minute, 200 per day", None, "minute"),
        ("Daily limit reached, retry after 14:30 UTC", 52_200, "day"),
        ("No more requests per day until midnight Pacific", 28_800, "day"),
        ("This would exceed your rate limit of 50 requests per minute", None, "minute"),
        ("请求过于频繁，30s后重试", 30, ""),
        ("Slow down", None, ""),
    ],
)  # fmt: skip
def test_a_sentence_says_when_the_limit_lifts_and_which_one_it_is(message, seconds, quota):
    found = read_reset(DATE, None, message)
    assert found.quota == quota
    assert found.seconds == (None if seconds is None else pytest.approx(seconds, abs=0.01))


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"error": {"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo",
                                 "retryDelay": "23s"}]}}, 23),
        ([{"error": {"details": [{"retryDelay": "3.5s"}]}}], 3.5),
        ({"error": {"details": [{"violations": [{"quotaId": "RequestsPerDayPerProject"}]},
                                {"retryDelay": "23s"}]}}, 28_800),
        ({"error": {"metadata": {"headers": {"X-RateLimit-Reset": str((int(NOW) + 60) * 1000),
                                             "X-RateLimit-Remaining": "0"}}}}, 60),
        ({"error": {"retry_after": 5}}, 5),
        ({"retry_after_ms": 2500}, 2.5),
        ({"error": {"resets_at": "2026-12-01T01:00:00Z"}}, 3600),
        ({"error": {"message": "no"}}, None),
    ],
)  # fmt: skip
def test_the_body_says_when_the_limit_lifts(body, seconds):
    found = read_reset(DATE, body).seconds
    assert found == (None if seconds is None else pytest.approx(seconds, abs=0.01))


@given(st.dictionaries(st.text(max_size=30), st.text(max_size=30)), st.text(max_size=200))
def test_any_headers_and_any_sentence_give_a_wait_within_bounds_or_none(headers, message):
    seconds = read_reset(headers, {"error": headers}, message).seconds
    assert seconds is None or 0 <= seconds <= LONGEST_WAIT
