"""The interface between the pipeline and the checks of a caption."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeAlias

from dataflow.core.picture import ImageRef


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a text is no caption to keep.

    Attributes:
        kind: The fault in one word: ``"refusal"``, ``"loop"`` … It stands under ``kind`` in the
            errors file and in reports.
        reason: What was found, in a sentence, for a person.
        follow_up: What is added to the question where it is asked again: ``"Answer in English."``;
            empty where no word can help.
    """

    kind: str
    reason: str
    follow_up: str = ""


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What is known about a text besides itself; of a finished dataset that may be nothing.

    Attributes:
        finish_reason: Why the engine stopped: ``"stop"``, ``"length"`` …, or None.
        prompts: The texts that were sent: system prompt and questions.
        pictures: The pictures it is about.
        digests: Of their bytes as they were sent, by which copies of one picture are known; empty
            where the engine loaded them.
    """

    finish_reason: str | None = None
    prompts: tuple[str, ...] = ()
    pictures: tuple[ImageRef, ...] = ()
    digests: tuple[bytes, ...] = ()


Check: TypeAlias = Callable[[str, CheckContext], "Verdict | None"]
"""A text and what is known about it → the verdict that it is no caption to keep, or None."""

P = ParamSpec("P")


class MadeCheck:
    """A check that a function made of settings; it is pickled as that function and the settings."""

    def __init__(self, check: Check, make: Callable[[], Check], name: str) -> None:
        self._check = check
        self._make = make
        self.__name__ = name

    def __call__(self, text: str, context: CheckContext) -> Verdict | None:
        """Check `text`."""
        return self._check(text, context)

    def __reduce__(self) -> tuple[Any, ...]:
        return (self._make, ())


def makes_check(factory: Callable[P, Check]) -> Callable[P, Check]:
    """Let the checks that `factory` makes travel to other processes."""

    @functools.wraps(factory)
    def make(*args: P.args, **kwargs: P.kwargs) -> Check:
        again = functools.partial(make, *args, **kwargs)
        return MadeCheck(factory(*args, **kwargs), again, factory.__name__)

    return make
