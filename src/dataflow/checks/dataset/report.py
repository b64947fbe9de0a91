"""A dataset's captions, one look after the other → the report of their quality.

Memory is bounded: examples, rows and words are kept up to a number, and everything else is counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple

from dataflow.checks.dataset.common_words import CommonWords
from dataflow.checks.dataset.near_duplicates import KEPT, NearDuplicates
from dataflow.checks.dataset.scan import Caption, ChunkStats, Fault
from dataflow.checks.rules.repeated import Repeated
from dataflow.core.errors import MissingPackageError

MOST_ROWS = 1000
"""Rows of each kind that are named."""

MOST_EXAMPLES = 3
"""Examples of each kind."""

MOST_WORDS = 200_000
"""Different words, and different openings, that are counted."""


@dataclass(slots=True)
class FaultCount:
    """The captions with one kind of fault.

    Attributes:
        count: All of them.
        rows: The rows of the first.
        examples: The first faults in different texts.
    """

    count: int = 0
    rows: list[int] = field(default_factory=list)
    examples: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Count `fault`."""
        self.count += 1
        row = fault.caption.row
        if len(self.rows) < MOST_ROWS and self.rows[-1:] != [row]:
            self.rows.append(row)
        if len(self.examples) < MOST_EXAMPLES and not self._is_shown(fault):
            self.examples.append(fault)

    def _is_shown(self, fault: Fault) -> bool:
        return any(fault.caption.text == shown.caption.text for shown in self.examples)


@dataclass(slots=True)
class NearDuplicateGroups:
    """The captions that are like an earlier one.

    Attributes:
        same: Those that are the same, but for case, blanks and the full stop at the end.
        near: Those that are nearly the same.
        kept: With this many captions, at most, each was compared.
        pairs: The first of the near ones: (row, the earlier row, the text).
    """

    same: int = 0
    near: int = 0
    kept: int = KEPT
    pairs: list[tuple[int, int, str]] = field(default_factory=list)


@dataclass(slots=True)
class DatasetReport:
    """What is known of the captions of one column so far.

    Attributes:
        max_duplicates: So many pictures may have the same caption; None for any number.
        near: Captions that are like others; None not to look for them. Where the package for it is
            not installed it becomes None.
        captions: Captions looked at.
        faulty: Captions with a fault of any kind.
        kinds: Kind → its captions.
        lengths: Words of a caption → captions.
        vocabulary: Word → how often; the first `MOST_WORDS` different ones.
        openings: First three words → captions; the first `MOST_WORDS` different ones.
        languages: Code → captions.
        common: In how many captions words and phrases stand.
        tokens: Text encoder → tokens of a caption → captions.
        repeated: What has been seen of the same captions for many pictures; None for any number.
    """

    max_duplicates: int | None = 3
    near: NearDuplicateGroups | None = field(default_factory=NearDuplicateGroups)
    captions: int = 0
    faulty: int = 0
    kinds: dict[str, FaultCount] = field(default_factory=dict)
    lengths: Counter[int] = field(default_factory=Counter)
    vocabulary: Counter[str] = field(default_factory=Counter)
    openings: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    common: CommonWords = field(default_factory=CommonWords)
    tokens: dict[str, Counter[int]] = field(default_factory=dict)
    repeated: Repeated | None = None
    _index: NearDuplicates | None = None

    def __post_init__(self) -> None:
        if self.max_duplicates is not None:
            self.repeated = Repeated(self.max_duplicates)
        if self.near is not None:
            try:
                self._index = NearDuplicates(self.near.kept)
            except MissingPackageError:
                self.near = None

    def add(self, captions: Sequence[Caption], look: ChunkStats) -> list[Fault]:
        """Take in a look at `captions`; returns the faults, also those that only a stream shows."""
        found = [*look.faults, *self._same(captions, look)]
        found.sort(key=lambda fault: fault[0])
        faults = [Fault(captions[at], kind, reason) for at, kind, reason in found]
        for fault in faults:
            self.kinds.setdefault(fault.kind, FaultCount()).add(fault)
        self.captions += len(captions)
        self.faulty += len({at for at, _, _ in found})
        self.lengths.update(look.lengths)
        self.languages.update(look.languages)
        self.common.add(look.common)
        for name, counts in look.tokens.items():
            self.tokens.setdefault(name, Counter()).update(counts)
        add_bounded(self.vocabulary, look.vocabulary)
        add_bounded(self.openings, look.openings)
        self._note_near(captions, look)
        return faults

    def _same(self, captions: Sequence[Caption], look: ChunkStats) -> list[tuple[int, str, str]]:
        found: list[tuple[int, str, str]] = []
        if self.repeated is None:
            return found
        for at, (caption, key) in enumerate(zip(captions, look.keys, strict=True)):
            if not key:
                continue
            picture = hash(caption.picture) if caption.picture else None
            verdict = self.repeated.note(key, picture, caption.text)
            if verdict is not None:
                found.append((at, verdict.kind, verdict.reason))
        return found

    def _note_near(self, captions: Sequence[Caption], look: ChunkStats) -> None:
        if self._index is None or self.near is None:
            return
        rows = (caption.row for caption in captions)
        compared = list(zip_longest(rows, look.keys, look.sketches))
        for at, earlier, is_same in self._index.near(compared):
            if is_same:
                self.near.same += 1
                continue
            self.near.near += 1
            if len(self.near.pairs) < MOST_EXAMPLES:
                self.near.pairs.append((captions[at].row, earlier, captions[at].text))


class ChangedCaption(NamedTuple):
    """A caption that changed.

    Attributes:
        before: The former caption.
        after: The caption now.
    """

    before: Caption
    after: Caption


@dataclass(slots=True)
class CaptionChanges:
    """What changed.

    Attributes:
        before: The report of the former state.
        same: Captions that are as they were, but for blanks at their ends.
        changed: Captions of pictures that had another one.
        added: Captions that had none.
        removed: Captions that are there no more.
        examples: The first that changed.
    """

    before: QualityReport
    same: int = 0
    changed: int = 0
    added: int = 0
    removed: int = 0
    examples: list[ChangedCaption] = field(default_factory=list)


@dataclass(slots=True)
class QualityReport:
    """What is known of a dataset's captions.

    Attributes:
        name: The dataset, as its user named it.
        columns: Column → the report of its captions.
        rows: Rows looked at.
        unreadable: Rows that cannot be read.
        examples: The first of them: what is wrong, and where.
        changes: What changed since a former state of the dataset; None where none was named.
    """

    name: str
    columns: dict[str, DatasetReport]
    rows: int = 0
    unreadable: int = 0
    examples: list[str] = field(default_factory=list)
    changes: CaptionChanges | None = None

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.unreadable and not any(report.faulty for report in self.columns.values())


def add_bounded(counts: Counter[str], more: Counter[str]) -> None:
    """Add `more` to `counts`; what is new is left out once `MOST_WORDS` are counted."""
    for name, count in more.items():
        if name in counts or len(counts) < MOST_WORDS:
            counts[name] += count
