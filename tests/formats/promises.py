"""What every format promises; the tests that hold it to that; and the table of both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest

from tests.formats.members import MEMBERS
from tests.formats.others import OTHERS

Test = TypeVar("Test", bound=Callable[..., object])

PROMISES = {
    "round trip": "what nobody touched comes out as it went in",
    "constant memory": "rows pass through, whatever their number",
    "resume": "a run that stopped in the middle goes on there, and asks nothing twice",
    "clear errors": "what cannot be read or written is told with file and line or row",
    "empty": "no rows in, no rows out",
    "huge row": "a row of megabytes is a row",
    "unicode": "any text, in values and captions",
    "fields": "`--keep` and `--drop` leave the others exact",
    "parts": "`--rows-per-file` loses and doubles nothing",
    "several files": "those that a pattern stands for are one dataset",
}
"""Promise → what it means."""

kept: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
"""Format → promise → the names of the tests that hold the format to it."""


def promise(name: str, *formats: str, of_text: bool = False) -> Callable[[Test], Test]:
    """Marks a test that holds formats to the promise `name`.

    Args:
        name: A promise.
        formats: Which; without any, each member of the contract that makes the promise.
        of_text: Whether it can only be asked of plain text.
    """
    if name not in PROMISES or not {*formats} <= {*MEMBERS, *OTHERS}:
        raise ValueError(f"no such promise or format: {name}, {formats}")

    def mark(test: Test) -> Test:
        held = [
            ending
            for ending, member in MEMBERS.items()
            if name not in member.leaves_out and (member.is_text or not of_text)
        ]
        for ending in formats or held:
            kept[ending][name].add(test.__name__)
        test.endings = held  # type: ignore[attr-defined]
        return test

    return mark


def promise_of_others(name: str, *, but: Sequence[str] = ()) -> Callable[[Test], Test]:
    """Marks a test that holds each kind of `OTHERS` that makes the promise `name` to it.

    The test gets the kind's name as `other`.

    Args:
        name: A promise.
        but: Kinds that have tests of their own for it.
    """
    held = [
        kind
        for kind, other in OTHERS.items()
        if other.save and name not in other.leaves_out and kind not in but
    ]

    def mark(test: Test) -> Test:
        return pytest.mark.parametrize("other", held)(promise(name, *held)(test))

    return mark


def table() -> str:
    """Format × promise: how many tests hold the one to the other.

    Raises:
        ValueError: a format is held to a promise by no test, and no reason is given.
    """
    lines = [f"| | {' | '.join(PROMISES)} |", "|---" * (len(PROMISES) + 1) + "|"]
    notes: dict[str, str] = {}
    for name, kind in {**MEMBERS, **OTHERS}.items():
        left_out = kind.leaves_out
        cells = []
        for wanted in PROMISES:
            tests = len(kept[name][wanted])
            if wanted in left_out:
                notes.setdefault(left_out[wanted], f"[{len(notes) + 1}]")
                cells.append(f"no {notes[left_out[wanted]]}")
            elif tests:
                cells.append(f"✓ {tests}")
            else:
                raise ValueError(f"no test holds {name} to the promise {wanted!r}")
        shown = f"`{name}`" if name in MEMBERS or ":" in name else name
        lines.append(f"| {shown} | {' | '.join(cells)} |")
    meanings = [f"* **{name}**: {meaning}" for name, meaning in PROMISES.items()]
    footnotes = [f"{mark} {reason}" for reason, mark in notes.items()]
    return "\n".join([*lines, "", *meanings, "", *footnotes])
