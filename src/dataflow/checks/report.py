"""A dataset's captions, one look after the other → the report of their quality.

Memory is bounded: examples, rows and words are kept up to a number, and everything else is counts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from dataflow.checks.look import Fault, Look
from dataflow.checks.near import NearDuplicates
from dataflow.checks.repeated import Repeated
from dataflow.core.check import Context
from dataflow.core.errors import MissingPackageError
from dataflow.core.picture import ImageRef

MOST_ROWS = 1000
"""Rows of each kind that are named."""

MOST_EXAMPLES = 3
"""Examples of each kind."""

MOST_WORDS = 200_000
"""Different words, and different openings, that are counted."""


@dataclass(slots=True)
class Kind:
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
        if len(self.rows) < MOST_ROWS:
            self.rows.append(fault.caption.row)
        if len(self.examples) < MOST_EXAMPLES and not self._is_shown(fault):
            self.examples.append(fault)

    def _is_shown(self, fault: Fault) -> bool:
        return any(fault.caption.text == shown.caption.text for shown in self.examples)


@dataclass(slots=True)
class Near:
    """The captions that are nearly the same as an earlier one.

    Attributes:
        count: All of them.
        pairs: The first: (row, the earlier row, the text).
    """

    count: int = 0
    pairs: list[tuple[int, int, str]] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """What is known of a dataset's captions so far.

    Attributes:
        most_alike: So many pictures may have the same caption; None for any number.
        with_near: Whether near-duplicates are looked for, where the package for it is installed.
        rows: Captions looked at.
        faulty: Captions with a fault of any kind.
        kinds: Kind → its captions.
        lengths: Words of a caption → captions.
        vocabulary: Word → how often; the first `MOST_WORDS` different ones.
        openings: First three words → captions; the first `MOST_WORDS` different ones.
        languages: Code → captions.
        near: Near-duplicates; None where they are not looked for.
    """

    most_alike: int | None = 3
    with_near: bool = True
    rows: int = 0
    faulty: int = 0
    kinds: dict[str, Kind] = field(default_factory=dict)
    lengths: Counter[int] = field(default_factory=Counter)
    vocabulary: Counter[str] = field(default_factory=Counter)
    openings: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    near: Near | None = None
    _repeated: Repeated | None = None
    _index: NearDuplicates | None = None

    def __post_init__(self) -> None:
        if self.most_alike is not None:
            self._repeated = Repeated(self.most_alike)
        if self.with_near:
            try:
                self._index, self.near = NearDuplicates(), Near()
            except MissingPackageError:
                self._index = None

    def add(self, look: Look) -> list[Fault]:
        """Take in `look`; returns its faults, with those that only the stream shows."""
        faults = sorted([*look.faults, *self._same(look)], key=lambda fault: fault.caption.row)
        for fault in faults:
            self.kinds.setdefault(fault.kind, Kind()).add(fault)
        self.rows += len(look.captions)
        self.faulty += len({fault.caption.row for fault in faults})
        self.lengths.update(look.lengths)
        self.languages.update(look.languages)
        add_bounded(self.vocabulary, look.vocabulary)
        add_bounded(self.openings, look.openings)
        self._note_near(look)
        return faults

    def _same(self, look: Look) -> list[Fault]:
        found: list[Fault] = []
        for caption in look.captions:
            if self._repeated is None or not caption.text.strip():
                continue
            known = (ImageRef("path", caption.picture, caption.picture),) if caption.picture else ()
            verdict = self._repeated(caption.text, Context(pictures=known))
            if verdict is not None:
                found.append(Fault(caption, verdict.kind, verdict.reason))
        return found

    def _note_near(self, look: Look) -> None:
        if self._index is None or self.near is None:
            return
        texts = {caption.row: caption.text for caption in look.captions if caption.text.strip()}
        for row, earlier in self._index.near([*texts.items()]):
            self.near.count += 1
            if len(self.near.pairs) < MOST_EXAMPLES:
                self.near.pairs.append((row, earlier, texts[row]))


def add_bounded(counts: Counter[str], more: Counter[str]) -> None:
    """Add `more` to `counts`; what is new is left out once `MOST_WORDS` are counted."""
    for name, count in more.items():
        if name in counts or len(counts) < MOST_WORDS:
            counts[name] += count
