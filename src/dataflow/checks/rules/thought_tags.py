"""The tags between which some models write their thoughts."""

from __future__ import annotations

import re

THOUGHT_TAG = re.compile(
    r"<(?P<end>/?)(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis)>"
    r"|◁(?P<end2>/?)think▷|\[(?P<end3>/?)THINK\]",
    re.IGNORECASE,
)
"""A tag that begins or ends thoughts."""


def without_tagged_thoughts(text: str) -> str:
    """`text` without what stands between ``<think>`` and ``</think>``, or before the latter."""
    kept = []
    depth, start = 0, 0
    for tag in THOUGHT_TAG.finditer(text):
        if not any(tag.group("end", "end2", "end3")):
            if depth == 0:
                kept.append(text[start : tag.start()])
                start = tag.start()
            depth += 1
            continue
        if depth == 0:
            kept.clear()  # what stands before an end alone are thoughts
        depth = max(0, depth - 1)
        if depth == 0:
            start = tag.end()
    rest = "".join(kept) + text[start:] if start or kept else text
    return text if rest == text else rest.strip()
