"""The interface between the pipeline and the checks of a caption."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

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
    """

    finish_reason: str | None = None
    prompts: tuple[str, ...] = ()
    pictures: tuple[ImageRef, ...] = ()


Check: TypeAlias = Callable[[str, CheckContext], "Verdict | None"]
"""A text and what is known about it → the verdict that it is no caption to keep, or None."""
