"""Moments that servers name in words."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from dataflow.core.times.clock_times import read_clock_time

NOW = datetime(2026, 12, 1, 5, 20, tzinfo=timezone.utc).timestamp()  # a Tuesday


def moment(text):
    seconds = read_clock_time(text, NOW)
    if seconds is None:
        return None
    return datetime.fromtimestamp(NOW + seconds, timezone.utc).strftime("%m-%d %H:%M")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("14:30 UTC", "12-01 14:30"),
        ("2026-12-01T14:30Z", "12-01 14:30"),
        ("2026-12-01 14:30:00.123+08:00", "12-01 06:30"),
        ("2026-12-01T14:30:00+0000", "12-01 14:30"),
        ("midnight Pacific", "12-01 08:00"),
        ("midnight UTC", "12-02 00:00"),
        ("noon GMT", "12-01 12:00"),
        ("tomorrow at 9:00 am PST", "12-01 17:00"),
        ("3pm PT", "12-01 23:00"),
        ("12am (America/Los_Angeles)", "12-01 08:00"),
        ("05:00 UTC", "12-02 05:00"),
        ("00:00 UTC+8", "12-01 16:00"),
        ("Tue, 01 Dec 2026 14:30:00 GMT", "12-01 14:30"),
        ("Dec 5", "12-05 00:00"),
        ("January 2, 2027 at 00:00 UTC", "01-02 00:00"),
        ("2nd of January", "01-02 00:00"),
        ("on Monday", "12-07 00:00"),
        ("at the beginning of next month", "01-01 00:00"),
        ("in the next hour", "12-01 06:00"),
        ("北京时间 14:30", "12-01 06:30"),
        ("次日零点", "12-01 16:00"),
        ("2026年12月2日 08:00", "12-02 00:00"),
    ],
)
def test_a_moment_is_read_in_its_zone(text, expected):
    assert moment(text) == expected


@pytest.mark.parametrize(
    "text", ["", "a while", "5 requests", "ratio 1:2", "2026-02-31 10:00", "25:00 UTC", "14.30"]
)
def test_what_names_no_moment_gives_none(text):
    assert moment(text) is None


def test_a_time_that_has_just_passed_is_not_taken_for_tomorrows():
    assert read_clock_time("05:15 UTC", NOW) == -300
