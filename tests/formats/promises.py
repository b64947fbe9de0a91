"""What every format promises; the tests that hold it to that; and the table of both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TypeVar

from tests.formats.members import MEMBERS

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

OTHERS = ("folder", "sidecars", "webdataset shards", "saved folder", "LLaVA", "img2dataset")
"""What is no dataset file: held to the promises by tests of its own."""

kept: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
"""Format → promise → the names of the tests that hold the format to it."""


def promise(name: str, *formats: str, of_text: bool = False) -> Callable[[Test], Test]:
    """Marks a test that holds formats to the promise `name`.

    Args:
        name: A promise.
        formats: Which; without any, each member of the contract that makes the promise.
        of_text: Whether it can only be asked of plain text.
    """
    if name not in PROMISES:
        raise ValueError(f"no such promise: {name}")

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


def table() -> str:
    """Format × promise: how many tests hold the one to the other."""
    lines = [f"| | {' | '.join(PROMISES)} |", "|---" * (len(PROMISES) + 1) + "|"]
    notes: dict[str, str] = {}
    for name in (*MEMBERS, *OTHERS):
        left_out = MEMBERS[name].leaves_out if name in MEMBERS else {}
        cells = []
        for wanted in PROMISES:
            tests = len(kept[name][wanted])
            if wanted in left_out:
                notes.setdefault(left_out[wanted], f"[{len(notes) + 1}]")
                cells.append(f"no {notes[left_out[wanted]]}")
            else:
                cells.append(f"✓ {tests}" if tests else "–")
        lines.append(f"| {f'`{name}`' if name in MEMBERS else name} | {' | '.join(cells)} |")
    meanings = [f"* **{name}**: {meaning}" for name, meaning in PROMISES.items()]
    footnotes = [f"{mark} {reason}" for reason, mark in notes.items()]
    return "\n".join([*lines, "", *meanings, "", *footnotes])
