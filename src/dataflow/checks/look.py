"""A chunk of captions → what is wrong with them, and what they are like.

Chunks know nothing of each other, so that they can be looked at in several processes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from dataflow.checks.language import LEAST_WORDS, detector, spoken
from dataflow.checks.suite import Asked, checks_for
from dataflow.checks.words import words
from dataflow.core.check import Context
from dataflow.core.errors import MissingPackageError

if TYPE_CHECKING:
    from concurrent.futures import Future

CHUNK = 1000
"""Captions in a chunk."""

_ALONE = 20_000
"""Up to so many captions other processes would cost more time than they save."""

TOO_SHORT = "too short to tell"
"""The language of captions that have too few words for one."""


class Caption(NamedTuple):
    """One caption of a dataset.

    Attributes:
        row: The row's place in the dataset, from 0.
        place: The row's place for messages.
        text: The caption; empty where there is none.
        picture: The picture's reference, or empty where it is not known.
    """

    row: int
    place: str
    text: str
    picture: str


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


@dataclass(slots=True)
class Look:
    """What a look at some captions showed.

    Attributes:
        captions: The captions.
        faults: What was found in them, in their order.
        lengths: Words of a caption → captions.
        vocabulary: Word in lower case → how often.
        openings: First three words in lower case → captions.
        languages: Code → captions; empty where no detector is installed.
    """

    captions: Sequence[Caption]
    faults: list[Fault] = field(default_factory=list)
    lengths: Counter[int] = field(default_factory=Counter)
    vocabulary: Counter[str] = field(default_factory=Counter)
    openings: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Looker:
    """Looks at chunks.

    Attributes:
        asked: What the captions have to be; the same caption for many pictures is not looked for.
        prompts: What the captions' engine was asked, where that is known.
    """

    asked: Asked
    prompts: tuple[str, ...] = ()

    def __call__(self, captions: Sequence[Caption]) -> Look:
        """Look at `captions`.

        Raises:
            MissingPackageError: a check's package is not installed.
            UsageError: what is asked cannot be checked.
        """
        checks, context = (
            checks_for(replace(self.asked, most_alike=None)),
            Context(prompts=self.prompts),
        )
        look = Look(captions)
        for caption in captions:
            for kind, check in checks.items():
                if (verdict := check(caption.text, context)) is not None:
                    look.faults.append(Fault(caption, kind, verdict.reason))
                    if kind == "empty":
                        break
            parts = words(caption.text.casefold())
            look.lengths[len(parts)] += 1
            look.vocabulary.update(parts)
            if len(parts) > 2:
                look.openings[" ".join(parts[:3])] += 1
            if parts:
                _note_language(look, caption.text)
        return look

    def all(self, captions: Iterable[Caption], *, processes: int) -> Iterator[Look]:
        """Look at a stream of captions in chunks, in order, with so many processes."""
        stream = iter(captions)
        chunks = iter(lambda: list(islice(stream, CHUNK)), [])
        yield from map(self, islice(chunks, _ALONE // CHUNK if processes > 1 else None))
        first = next(chunks, None)
        if first is None:
            return
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        # threads may be running here, and a fork of a process with threads may hang
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            waiting: list[Future[Look]] = [pool.submit(self, first)]
            for chunk in chunks:
                waiting.append(pool.submit(self, chunk))
                if len(waiting) > 2 * processes:
                    yield waiting.pop(0).result()
            for future in waiting:
                yield future.result()


def _note_language(look: Look, text: str) -> None:
    try:
        detect = detector()
    except MissingPackageError:
        return
    parts = spoken(text)
    if len(parts) < LEAST_WORDS:
        look.languages[TOO_SHORT] += 1
    elif found := detect(" ".join(parts)):
        look.languages[max(found, key=found.__getitem__)] += 1
