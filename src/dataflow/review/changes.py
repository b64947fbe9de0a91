"""What people do on the page, and what became of it: values that the server and the store share."""

from __future__ import annotations

from dataclasses import dataclass

from dataflow.engine.journal.decisions import DecisionKind


@dataclass(frozen=True, slots=True)
class Change:
    """What a person does with one item.

    Attributes:
        item: The item's id.
        decision: As in the journal.
        text: The caption of an edit; None otherwise.
        seen: The text that the person saw; None to do it whatever stands there.
    """

    item: int
    decision: DecisionKind
    text: str | None = None
    seen: str | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of changes.

    Attributes:
        action: The name of the action, by which it is undone; None where nothing was done.
        items: The items that changed.
        conflicts: The items whose text is another by now than the person saw.
    """

    action: str | None
    items: tuple[int, ...]
    conflicts: tuple[int, ...] = ()
