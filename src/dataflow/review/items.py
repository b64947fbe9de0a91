"""The captions of a dataset as the review page sees them, one item each."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from dataflow.checks.suite import KINDS, CaptionRequirements, checks_for
from dataflow.core.protocols.check import Check, CheckContext
from dataflow.core.row import Row
from dataflow.formats.existing_captions import CaptionedDataset, FoundCaption


@dataclass(frozen=True, slots=True)
class Item:
    """One caption of one row.

    Attributes:
        key: What a decision about it is kept under.
        row: The row's index in the dataset, from 0.
        column: The caption's column.
        number: Which caption of its row and column it is, from 0.
        source: Where the row stands, for people.
        picture: The picture's value in the row; None where there is none.
        text: The caption; empty where there is none.
        verdicts: Kind and reason of what the checks found, the worst first.
        model: The model that wrote it; empty where that is not known.
    """

    key: bytes
    row: int
    column: str
    number: int
    source: str
    picture: Any
    text: str
    verdicts: tuple[tuple[str, str], ...] = ()
    model: str = ""

    @property
    def severity(self) -> int:
        """How much it needs a person: 0 for sound, more for the surer and worse verdicts."""
        return severity_of(self.verdicts)


def severity_of(verdicts: Iterable[tuple[str, str]]) -> int:
    """How much a caption with these verdicts needs a person: 0 for sound."""
    return max((len(KINDS) - KINDS.index(kind) for kind, _ in verdicts), default=0)


class PlannedKeys:
    """The request keys of an output's captions, in its order; read once, from front to back.

    Args:
        planned: Row, index of the caption in its row, and key; sorted.
    """

    def __init__(self, planned: Iterable[tuple[int, int, bytes]] = ()) -> None:
        self._planned = iter(planned)
        self._next = next(self._planned, None)

    def take(self, row: int, index: int) -> bytes | None:
        """The key of one caption; None where nothing is planned for it."""
        while self._next is not None and self._next[:2] < (row, index):
            self._next = next(self._planned, None)
        if self._next is None or self._next[:2] != (row, index):
            return None
        return self._next[2]


def items_of(
    data: CaptionedDataset,
    *,
    picture_key: str,
    requirements: CaptionRequirements,
    planned: PlannedKeys | None = None,
) -> Iterator[Item]:
    """Every caption of a dataset, in order, looked at by the checks.

    Args:
        data: The dataset.
        picture_key: Its column of pictures.
        requirements: What captions have to be.
        planned: The request keys of an output that a run of ours made.

    Raises:
        InputError: the dataset cannot be read.
        UsageError: what is asked of captions cannot be checked.
    """
    checks = checks_for(requirements)
    for key, row, column, found in keyed_captions(data, picture_key, planned or PlannedKeys()):
        context = CheckContext(prompts=found.prompts)
        yield Item(
            key=key,
            row=row.index,
            column=column,
            number=found.number,
            source=row.source,
            picture=row.fields.get(picture_key),
            text=found.text,
            verdicts=tuple(verdicts_of(found.text, context, checks.values())),
            model=_model_of(row, column),
        )


def keyed_captions(
    data: CaptionedDataset, picture_key: str, planned: PlannedKeys
) -> Iterator[tuple[bytes, Row, str, FoundCaption]]:
    """Every caption of a dataset, in order: its key for decisions, its row, its column, itself.

    Args:
        data: The dataset.
        picture_key: Its column of pictures.
        planned: The request keys of an output that a run of ours made.

    Raises:
        InputError: the dataset cannot be read.
    """
    for row in data.reader.rows():
        index = itertools.count()
        for column in data.columns:
            for found in data.of(row, column):
                key = planned.take(row.index, next(index))
                picture = row.fields.get(picture_key)
                yield key or _item_key(row, column, found.number, picture), row, column, found


def _item_key(row: Row, column: str, number: int, picture: Any) -> bytes:
    """What decisions about a caption of no run are kept under: its picture, else its row."""
    name = picture if isinstance(picture, str) else None
    if isinstance(picture, dict) and isinstance(picture.get("path"), str):
        name = picture["path"]
    made_of = repr((name or row.index, column, number))
    return blake2b(made_of.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def verdicts_of(
    text: str, context: CheckContext, checks: Iterable[Check]
) -> Iterator[tuple[str, str]]:
    """Kind and reason of what each check finds in a caption."""
    for check in checks:
        verdict = check(text, context)
        if verdict is not None:
            yield verdict.kind, verdict.reason
            if verdict.kind == "empty":
                return


def _model_of(row: Row, column: str) -> str:
    meta = row.fields.get(f"{column}_meta")
    model = meta.get("model") if isinstance(meta, dict) else None
    return model if isinstance(model, str) else ""
