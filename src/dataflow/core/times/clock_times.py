"""Clock times in a sentence: "after 14:30 UTC", "until midnight Pacific", "tomorrow at 9am".

Servers say so when a quota is back. What is read is the first moment that the text names: a date, a
weekday, a time of day, or the start of the next month, week, day or hour, with or without a zone.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

JUST_PASSED = timedelta(minutes=10)
"""A time of day that passed so shortly ago is not taken for tomorrow's: two clocks differ."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# names that are common in messages → IANA's zone, and hours from UTC where its table is missing
_ZONES = {
    "pst": ("America/Los_Angeles", -8), "pdt": ("America/Los_Angeles", -7),
    "pt": ("America/Los_Angeles", -8), "pacific": ("America/Los_Angeles", -8),
    "mst": ("America/Denver", -7), "mdt": ("America/Denver", -6),
    "est": ("America/New_York", -5), "edt": ("America/New_York", -4),
    "et": ("America/New_York", -5), "eastern": ("America/New_York", -5),
    "cest": ("Europe/Paris", 2), "cet": ("Europe/Paris", 1), "bst": ("Europe/London", 1),
    "jst": ("Asia/Tokyo", 9), "kst": ("Asia/Seoul", 9), "sgt": ("Asia/Singapore", 8),
    "beijing": ("Asia/Shanghai", 8), "china": ("Asia/Shanghai", 8), "北京": ("Asia/Shanghai", 8),
}  # fmt: skip

_ISO = re.compile(
    r"(?P<year>\d{4})[-/年](?P<month>\d{1,2})[-/月](?P<day>\d{1,2})日?"
    r"(?:[T\s,]*(?:at\s+)?(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.\d+)?)?)?"
)
_MONTH = r"(?P<name>jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*\.?"
_DATE_OF_MONTH = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?\b(?![:.]\d)"
_YEAR = r"(?:[\s,]+(?P<year>20\d\d))?"
_WRITTEN = (
    re.compile(rf"\b{_MONTH}\s+{_DATE_OF_MONTH}{_YEAR}", re.IGNORECASE),
    re.compile(rf"\b{_DATE_OF_MONTH}(?:\s+of)?[\s-]+{_MONTH}{_YEAR}", re.IGNORECASE),
)
_WEEKDAY = re.compile(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:day|sday|nesday|rsday|urday)?\b")
_CLOCK = re.compile(
    r"(?<![\d.:])(?P<hour>\d{1,2})(?:[::](?P<minute>\d\d)(?::\d\d(?:\.\d+)?)?|[时点])(?!\d)"
    r"\s*(?P<half>[ap]\.?m\b)?"
    r"|(?<![\d.:])(?P<hour12>\d{1,2})\s*(?P<half12>[ap]\.?m\b)"
    r"|(?P<midnight>\bmidnight\b|零点|午夜)|(?P<noon>\bnoon\b)",
    re.IGNORECASE,
)
_NEXT = re.compile(
    r"\b(?:next|each|every) (?:calendar )?(minute|hour|day|week|month)\b|(下个?月|下个?小时)",
    re.IGNORECASE,
)
_HAN = re.compile(r"[\u4e00-\u9fff]")
_TOMORROW = re.compile(r"\btomorrow\b|\bnext day\b|明天|明日|次日|第二天", re.IGNORECASE)
_ZONE = re.compile(
    r"(?:\b(?:UTC|GMT)\s*|:\d\d(?:\.\d+)?\s?)(?P<sign>[+-])(?P<hours>\d{1,2})"
    r"(?::?(?P<minutes>\d\d))?(?!\d)|\b(?P<utc>UTC|GMT)\b"
    r"|\b(?P<name>PST|PDT|PT|Pacific|MST|MDT|EST|EDT|ET|Eastern|CEST|CET|BST|JST|KST|SGT|Beijing"
    r"|China)\b|(?P<chinese>北京)|\b(?P<iana>[A-Z][a-z]+/[A-Z][A-Za-z_]+)\b"
)


def read_clock_time(text: str, now: float) -> float | None:
    """The first moment that `text` names → seconds from `now`; None where it names none.

    Without a zone it is taken for UTC, in a Chinese sentence for Beijing's. A time of day without
    a date is the next one, a date without a time its midnight. A moment that has passed gives a
    number below 0.

    Args:
        text: A sentence, or what follows "again at" in it.
        now: In seconds since 1970.
    """
    zone = _zone(text)
    start = datetime.fromtimestamp(now, zone)
    try:
        found = _moment(text, start)
    except (ValueError, OverflowError):
        return None  # such as the 31st of February
    return None if found is None else found.timestamp() - now


def _moment(text: str, now: datetime) -> datetime | None:
    if (iso := _ISO.search(text)) is not None:
        part = {name: int(value or 0) for name, value in iso.groupdict().items()}
        return datetime(
            part["year"], part["month"], part["day"], part["hour"], part["minute"], part["second"],
            tzinfo=now.tzinfo,
        )  # fmt: skip
    date, rest = _date(text, now)
    clock = _clock(rest)
    if clock is None:
        return date or _start_of_next(text, now)
    if date is not None:
        return date + clock
    found = _midnight(now) + clock
    return found if found + JUST_PASSED >= now else found + timedelta(days=1)


def _date(text: str, now: datetime) -> tuple[datetime | None, str]:
    """The day that the text names, at its midnight, and the text without that name."""
    for pattern in _WRITTEN:
        if (found := pattern.search(text)) is not None:
            month = _MONTHS.index(found["name"][:3].lower()) + 1
            date = datetime(
                int(found["year"] or now.year), month, int(found["day"]), tzinfo=now.tzinfo
            )
            if not found["year"] and date < _midnight(now):
                date = date.replace(year=now.year + 1)
            return date, text[: found.start()] + " " + text[found.end() :]
    if (found := _TOMORROW.search(text)) is not None:
        return _midnight(now) + timedelta(days=1), text
    if (found := _WEEKDAY.search(text)) is not None:
        days = (_DAYS.index(found[1].lower()) - now.weekday()) % 7
        return _midnight(now) + timedelta(days=days or 7), text
    return None, text


def _clock(text: str) -> timedelta | None:
    found = _CLOCK.search(text)
    if found is None:
        return None
    if found["midnight"] or found["noon"]:
        return timedelta(hours=12 if found["noon"] else 0)
    hour = int(found["hour"] or found["hour12"])
    half = (found["half"] or found["half12"] or "").lower()[:1]
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    minute = int(found["minute"] or 0)
    return timedelta(hours=hour, minutes=minute) if hour <= 24 and minute < 60 else None


def _start_of_next(text: str, now: datetime) -> datetime | None:
    found = _NEXT.search(text)
    if found is None:
        return None
    unit = (found[1] or {"月": "month", "时": "hour"}[found[2][-1]]).lower()
    if unit in ("minute", "hour"):
        whole = now.replace(second=0, microsecond=0)
        step = timedelta(minutes=1 if unit == "minute" else 60 - whole.minute)
        return whole + step
    if unit == "month":
        return (_midnight(now).replace(day=1) + timedelta(days=32)).replace(day=1)
    return _midnight(now) + timedelta(days=1 if unit == "day" else 7 - now.weekday())


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _zone(text: str) -> tzinfo:
    found = _ZONE.search(text)
    if found is None and _HAN.search(text):
        return timezone(timedelta(hours=8))
    if found is None or found["utc"]:
        return timezone.utc
    if found["sign"]:
        minutes = int(found["hours"]) * 60 + int(found["minutes"] or 0)
        away = timedelta(minutes=minutes if found["sign"] == "+" else -minutes)
        return timezone(away) if abs(away) <= timedelta(hours=14) else timezone.utc
    name = (found["name"] or found["chinese"] or "").lower()
    iana, hours = _ZONES.get(name, (found["iana"] or "", 0))
    try:
        return ZoneInfo(iana)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return timezone(timedelta(hours=hours))
