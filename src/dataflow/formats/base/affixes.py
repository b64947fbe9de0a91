"""Words that stand before or behind every caption: a trainer's trigger, a prefix, a suffix.

The model is never told of them, and the journal holds the caption without them; they are put in
where a caption is written. What is there already is not put in again, so that a caption which has
gone through once stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dataflow.core.protocols.dataset import Writer
from dataflow.core.row import Row

_BETWEEN = ", "  # as trainers of LoRA join tags


@dataclass(frozen=True, slots=True)
class CaptionAffixes:
    """What stands around every caption.

    Attributes:
        trigger: A word or words that must stand in the caption; put before it, with a comma,
            where they are not in it as whole words, whatever their case.
        prefix: A text before the caption, and before the trigger; put there as it is.
        suffix: A text behind the caption; put there as it is.
    """

    trigger: str = ""
    prefix: str = ""
    suffix: str = ""

    def __bool__(self) -> bool:
        return bool(self.trigger.strip() or self.prefix or self.suffix)

    def add(self, text: str) -> str:
        """`text` with what it lacks of the affixes."""
        text = self.remove(text)
        trigger = self.trigger.strip()
        if trigger and not _has_words(text, trigger):
            text = _BETWEEN.join(part for part in (trigger, text) if part)
        return f"{self.prefix}{text}{self.suffix}"

    def remove(self, text: str) -> str:
        """`text` without the affixes at its ends; a trigger inside the sentence stays."""
        if self.prefix:
            text = text.removeprefix(self.prefix)
            if text == self.prefix.strip():
                text = ""  # a file that holds nothing else
        if self.suffix:
            text = text.removesuffix(self.suffix)
        trigger = self.trigger.strip()
        if trigger and text[: len(trigger)].casefold() == trigger.casefold():
            rest = text[len(trigger) :]
            if not rest.strip(" ,.;"):
                return ""
            if rest.startswith(_BETWEEN):
                return rest.removeprefix(_BETWEEN)
        return text


def _has_words(text: str, words: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.IGNORECASE) is not None


NO_AFFIXES = CaptionAffixes()
"""Captions as the model gave them."""


class AffixWriter:
    """Writes rows by another writer, with the affixes around their captions.

    Args:
        writer: The writer.
        affixes: What stands around each caption.
        columns: The columns with captions; a text there is a caption, and each text of a list.
    """

    def __init__(self, writer: Writer, affixes: CaptionAffixes, columns: tuple[str, ...]) -> None:
        self._writer = writer
        self._affixes = affixes
        self._columns = columns
        self.close = writer.close
        self.commit = writer.commit
        self.discard = writer.discard

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Append one row; see `core.dataset.Writer`."""
        changed = {name: self._around(added[name]) for name in self._columns if name in added}
        self._writer.write(row, {**added, **changed})

    def _around(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._affixes.add(value)
        if isinstance(value, list):
            return [self._affixes.add(one) if isinstance(one, str) else one for one in value]
        return value


class TeeWriter:
    """Writes every row by two writers, so that one run makes two outputs.

    Args:
        first: The writer whose output takes the run's place.
        second: Another, which takes places of its own.
    """

    def __init__(self, first: Writer, second: Writer) -> None:
        self._first = first
        self._second = second

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Append one row to both; see `core.dataset.Writer`."""
        self._first.write(row, added)
        self._second.write(row, added)

    def close(self) -> None:
        """Finish both; see `core.dataset.Writer`."""
        self._first.close()
        self._second.close()

    def commit(self, target: Any) -> None:
        """Let both take their places; see `core.dataset.Writer`."""
        self._first.commit(target)
        self._second.commit(target)

    def discard(self) -> None:
        """Remove what both have not put in place; see `core.dataset.Writer`."""
        self._first.discard()
        self._second.discard()
