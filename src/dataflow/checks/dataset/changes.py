"""What changed in the captions of a dataset since a former state of it.

Captions are matched by picture, column and number; of a picture that stands in several rows, by
their order. What is remembered of the former state is two numbers a caption.
"""

from __future__ import annotations

from collections.abc import Iterable

from dataflow.checks.dataset.report import (
    MOST_EXAMPLES,
    CaptionChanges,
    QualityReport,
)
from dataflow.checks.dataset.scan import Caption
from dataflow.core.text import trimmed


def changes_between(
    before: Iterable[Caption], after: Iterable[Caption], report: QualityReport
) -> tuple[CaptionChanges, dict[int, Caption]]:
    """Match the captions of two states of a dataset.

    Args:
        before: The former captions, each with a picture's name or, without one, an empty one.
        after: Those now.
        report: Of the former state.

    Returns:
        What changed, without examples; and the first captions that did, by the number of the
        former one among `before`, from 0.
    """
    found, examples = CaptionChanges(report), dict[int, Caption]()
    known: dict[int, tuple[int, int]] = {}
    most = 1
    for number, caption in enumerate(before):
        if not caption.text.strip():
            continue
        copy = 0
        while (key := _key(caption, copy)) in known:
            copy += 1
        most = max(most, copy + 1)
        known[key] = hash(trimmed(caption.text)), number
    for caption in after:
        if not caption.text.strip():
            continue
        keys = (_key(caption, copy) for copy in range(most))
        former = next((known.pop(key) for key in keys if key in known), None)
        if former is None:
            found.added += 1
        elif former[0] == hash(trimmed(caption.text)):
            found.same += 1
        else:
            found.changed += 1
            if len(examples) < MOST_EXAMPLES:
                examples[former[1]] = caption
    found.removed = len(known)
    return found, examples


def _key(caption: Caption, copy: int) -> int:
    """What tells one caption of the dataset from another."""
    place = caption.picture or caption.row
    return hash((place, caption.column, caption.number, copy))
