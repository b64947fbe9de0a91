"""The same change for many items: first what it would do, then the changes themselves."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from dataflow.core.errors import UsageError
from dataflow.review.changes import Change
from dataflow.review.index import ReviewIndex
from dataflow.review.view import View, read_pattern

BulkKind: TypeAlias = Literal["replace", "regex", "prepend", "append", "accept", "reject"]
SHOWN = 50
"""Examples in a preview."""
MOST_COMPARED = 4_000_000
"""Pairs of words that are compared for one difference; it takes about a second."""
_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Bulk:
    """A change for every item of a view.

    Attributes:
        kind: What is done.
        find: The text or regular expression that is replaced.
        text: What it is replaced with, or what is put before or after.
    """

    kind: BulkKind
    find: str = ""
    text: str = ""

    def applied(self, text: str) -> str | None:
        """What a caption becomes; None where it stays.

        Raises:
            UsageError: the replacement names a group that the pattern does not have.
        """
        new = text
        if self.kind == "replace":
            new = text.replace(self.find, self.text) if self.find else text
        elif self.kind == "regex":
            try:
                new = re.sub(read_pattern(self.find), self.text, text)
            except (re.error, IndexError) as error:
                raise UsageError(f"{self.text!r}: {error}") from error
        elif self.kind == "prepend" and not text.startswith(self.text):
            new = self.text + text
        elif self.kind == "append" and not text.endswith(self.text):
            new = text + self.text
        return None if new == text else new


def changes_of(index: ReviewIndex, view: View, bulk: Bulk) -> Iterator[Change]:
    """The change of each item in the view that the bulk change concerns.

    Raises:
        UsageError: as `Bulk.applied`.
    """
    found = index.db.execute(
        f"SELECT id, text, decision FROM items WHERE {view.condition} ORDER BY id",  # noqa: S608
        view.values,
    )
    for row in found:
        if bulk.kind == "accept":
            if not row["decision"]:
                yield Change(row["id"], "accept", None, row["text"])
        elif bulk.kind == "reject":
            if row["decision"] != "rejected":
                yield Change(row["id"], "reject", None, row["text"])
        elif (new := bulk.applied(row["text"])) is not None:
            yield Change(row["id"], "edit", new, row["text"])


def word_difference(before: str, after: str) -> list[tuple[str, str]]:
    """The words of two texts: ``("same" | "gone" | "new", words)``, in order.

    Where very long texts differ from end to end, all of the one is gone and all of the other new.
    """
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    start = _shared(old, new)
    old, new, first = old[start:], new[start:], old[:start]
    end = _shared(old[::-1], new[::-1])
    last = old[len(old) - end :]
    old, new = old[: len(old) - end], new[: len(new) - end]
    found: list[tuple[str, str]] = [("same", "".join(first))]
    if len(old) * len(new) > MOST_COMPARED:
        found += [("gone", "".join(old)), ("new", "".join(new))]
    else:
        for operation, i, j, k, m in difflib.SequenceMatcher(None, old, new).get_opcodes():
            if operation == "equal":
                found.append(("same", "".join(old[i:j])))
            else:
                found += [("gone", "".join(old[i:j])), ("new", "".join(new[k:m]))]
    found.append(("same", "".join(last)))
    return [(kind, text) for kind, text in found if text]


def _shared(these: Sequence[str], those: Sequence[str]) -> int:
    """How many words at their beginning two texts share."""
    pairs = enumerate(zip(these, those, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(these), len(those)))
