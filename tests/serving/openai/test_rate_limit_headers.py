"""What a server's headers say is left of its rate limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.core.request import RateLimitStatus
from dataflow.core.retry_after import read_duration
from dataflow.serving.openai.rate_limit_headers import read_rate_limit

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
