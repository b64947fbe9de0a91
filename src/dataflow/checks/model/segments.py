"""A text → the sentences at its beginning and at its end, with what is quoted masked."""

from __future__ import annotations

import re
from typing import NamedTuple

from dataflow.checks.rules.text import CJK, QUOTATION

HEAD = 3
"""Sentences at the beginning that are looked at."""

TAIL = 3
"""Sentences at the end that are looked at."""

LONGEST = 160
"""Characters of a sentence that are looked at; the rest changes little and takes time."""

_REACH = 900
"""Characters at either end of a text in which its first and last sentences are looked for."""

_END = re.compile(
    rf"(?<![.!?…])[.!?…]+[)\]\"'”’»*]*(?=\s+[^\sa-z]|\s*\Z|\n|[{CJK}])"
    rf"|:[\"'”’»*]*(?=\s|\Z|[{CJK}])|[。！？：।॥۔؟]+[」』”’）]*|\n+"
)
_ABBREVIATED = re.compile(
    r"(?:^|\s)(?:[^\W\d_]|\d{1,3}|mrs?|ms|dr|prof|st|sr|jr|gen|capt|lt|col|sgt|rev|hr|fr|nr|no|vol|fig|"
    r"mme|mlle|sra|vs|approx|ca|bzw|etc|inc|ltd|co|e\.g|i\.e|[ap]\.m)\.$",
    re.IGNORECASE,
)
_LETTER = re.compile(r"\w")


class Segment(NamedTuple):
    """One sentence of a text.

    Attributes:
        start: Where it starts in the text.
        end: Where it ends there, its closing marks included.
        text: What it says; each quoted part is “…” as often as it has characters.
    """

    start: int
    end: int
    text: str


def masked(text: str) -> str:
    """`text` with the inside of each quotation replaced by as many “…”.

    A text that is one quotation as a whole stays as it is.
    """
    if not any(mark in text for mark in "\"'“„«»「『‘"):
        return text
    found = QUOTATION.sub(_mask, text)
    return found if _LETTER.search(found) else text


def _mask(found: re.Match[str]) -> str:
    quoted = found[0]
    return f"{quoted[0]}{'…' * (len(quoted) - 2)}{quoted[-1]}"


def edges(text: str) -> tuple[list[Segment], list[Segment]]:
    """The first and the last sentences of `text`, in their order.

    Returns:
        At most `HEAD` and at most `TAIL`; no sentence is in both lists.
    """
    if len(text) <= 2 * _REACH:
        found = _split(masked(text), 0)
        head = found[:HEAD]
        return head, found[max(len(head), len(found) - TAIL) :]
    last = len(text) - _REACH
    head = _split(masked(text[:_REACH]), 0)[:HEAD]
    # the first of the last ones may lack its beginning
    return head, _split(masked(text[last:]), last)[1:][-TAIL:]


def _split(text: str, offset: int) -> list[Segment]:
    found: list[Segment] = []
    start = 0
    for mark in _END.finditer(text):
        end = mark.end()
        if mark[0] == "." and _ABBREVIATED.search(text, max(start, end - 12), end):
            continue
        _add(found, text, start, end, offset)
        start = end
    _add(found, text, start, len(text), offset)
    return found


def _add(found: list[Segment], text: str, start: int, end: int, offset: int) -> None:
    part = text[start:end]
    lead = len(part) - len(part.lstrip())
    part = part.strip()
    if not part:
        return
    if not _LETTER.search(part):
        if found and "…" not in part:
            return  # marks alone belong to nothing
        if not found:
            return
    found.append(Segment(offset + start + lead, offset + start + lead + len(part), part))
