"""A chunk of captions → what is wrong with them, and what they are like.

Chunks know nothing of each other, so that they can be looked at in several processes. What comes
back from there is small: the captions themselves stay where they were read.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from dataflow.checks.dataset.common_words import CommonWords, trigger_fault
from dataflow.checks.dataset.near_duplicates import Sketch, sketches_of
from dataflow.checks.encoder_tokens import ENCODERS, counter_of
from dataflow.checks.rules.language import LEAST_WORDS, detector, spoken
from dataflow.checks.rules.repeated import key_of
from dataflow.checks.rules.text import words
from dataflow.checks.suite import CaptionRequirements, checks_for
from dataflow.core.errors import MissingPackageError
from dataflow.core.protocols.check import CheckContext

if TYPE_CHECKING:
    from concurrent.futures import Future

CHUNK = 1000
"""Captions in a chunk."""

_ALONE = 20_000
"""Up to this many captions other processes would cost more time than they save."""

TOO_SHORT = "too short to tell"
"""The language of captions that have too few words for one."""


class Caption(NamedTuple):
    """One caption of a dataset.

    Attributes:
        row: The row's place in the dataset, from 0.
        place: The row's place for messages.
        text: The caption; empty where there is none.
        picture: The picture's reference, or empty where it is not known.
        column: Where it stands.
        number: Which of the captions of its row and column it is, from 0.
        prompts: What was asked; empty where that is not known.
    """

    row: int
    place: str
    text: str
    picture: str = ""
    column: str = "caption"
    number: int = 0
    prompts: tuple[str, ...] = ()


class Fault(NamedTuple):
    """What a check found.

    Attributes:
        caption: The caption.
        kind: The verdict's kind.
        reason: The verdict's reason.
    """

    caption: Caption
    kind: str
    reason: str


TextAndPrompts: TypeAlias = "tuple[str, tuple[str, ...]]"
"""A caption's text, and the prompts that asked for it."""


@dataclass(slots=True)
class ChunkStats:
    """What a look at some captions showed.

    Attributes:
        faults: Place in the chunk, kind and reason of each fault, in the captions' order.
        keys: What captions that are the same have in common; empty where there is no text.
        sketches: What is compared of each caption; empty where near ones are not looked for.
        lengths: Words of a caption → captions.
        vocabulary: Word in lower case → how often.
        openings: First three words in lower case → captions.
        languages: Code → captions; empty where no detector is installed.
        common: In how many captions words and phrases stand.
        tokens: Text encoder → tokens of a caption → captions.
    """

    faults: list[tuple[int, str, str]] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    sketches: list[Sketch | None] = field(default_factory=list)
    lengths: Counter[int] = field(default_factory=Counter)
    vocabulary: Counter[str] = field(default_factory=Counter)
    openings: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    common: CommonWords = field(default_factory=CommonWords)
    tokens: dict[str, Counter[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChunkScanner:
    """Looks at chunks.

    Attributes:
        asked: What the captions have to be; the same caption for many pictures is not looked for.
        with_near: Whether captions that are nearly the same will be looked for.
        trigger: A word or words that must stand in each; empty for none.
    """

    asked: CaptionRequirements
    with_near: bool = True
    trigger: str = ""

    def __call__(self, texts: Sequence[TextAndPrompts]) -> ChunkStats:
        """Look at a chunk.

        Raises:
            MissingPackageError: a check's package is not installed.
            UsageError: what is asked cannot be checked.
        """
        checks = checks_for(replace(self.asked, max_duplicates=None))
        look = ChunkStats()
        for at, (text, prompts) in enumerate(texts):
            context = CheckContext(prompts=prompts)
            for kind, check in checks.items():
                if (verdict := check(text, context)) is not None:
                    look.faults.append((at, kind, verdict.reason))
                    if kind == "empty":
                        break
            if self.trigger and (reason := trigger_fault(text, self.trigger)):
                look.faults.append((at, "trigger", reason))
            look.keys.append(key_of(text) if text.strip() else b"")
            _note_words(look, text)
        if self.with_near:
            look.sketches = sketches_of([text for text, _ in texts])
        return look

    def all(
        self, captions: Iterable[Caption], *, processes: int
    ) -> Iterator[tuple[list[Caption], ChunkStats]]:
        """Look at a stream of captions in chunks, each of one column, with this many processes."""
        chunks = _chunks(captions)
        for chunk in islice(chunks, _ALONE // CHUNK if processes > 1 else None):
            yield chunk, self(_texts_of(chunk))
        first = next(chunks, None)
        if first is None:
            return
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        # threads may be running here, and a fork of a process with threads may hang
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            waiting: deque[tuple[list[Caption], Future[ChunkStats]]] = deque()
            waiting.append((first, pool.submit(self, _texts_of(first))))
            for chunk in chunks:
                waiting.append((chunk, pool.submit(self, _texts_of(chunk))))
                if len(waiting) > 2 * processes:
                    done, future = waiting.popleft()
                    yield done, future.result()
            for done, future in waiting:
                yield done, future.result()


def _chunks(captions: Iterable[Caption]) -> Iterator[list[Caption]]:
    """`captions` in chunks of one column each; what is left at the end in shorter ones."""
    waiting: dict[str, list[Caption]] = defaultdict(list)
    for caption in captions:
        chunk = waiting[caption.column]
        chunk.append(caption)
        if len(chunk) == CHUNK:
            yield waiting.pop(caption.column)
    yield from filter(None, waiting.values())


def _texts_of(captions: Sequence[Caption]) -> list[TextAndPrompts]:
    return [(caption.text, caption.prompts) for caption in captions]


def _note_words(look: ChunkStats, text: str) -> None:
    parts = words(text.casefold())
    look.lengths[len(parts)] += 1
    look.common.note(parts)
    for name in ENCODERS:
        look.tokens.setdefault(name, Counter())[counter_of(name).count(text)] += 1
    look.vocabulary.update(parts)
    if len(parts) > 2:
        look.openings[" ".join(parts[:3])] += 1
    if parts:
        _note_language(look, text)


def _note_language(look: ChunkStats, text: str) -> None:
    try:
        detect = detector()
    except MissingPackageError:
        return
    parts = spoken(text)
    if len(parts) < LEAST_WORDS:
        look.languages[TOO_SHORT] += 1
    elif found := detect(" ".join(parts)):
        look.languages[max(found, key=found.__getitem__)] += 1
