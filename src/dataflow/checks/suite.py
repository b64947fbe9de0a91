"""What is asked of captions → the checks that look for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from dataflow.checks.forms.chatter import chatter
from dataflow.checks.forms.echo import echo
from dataflow.checks.forms.error_text import error_text
from dataflow.checks.forms.refusal import refusal
from dataflow.checks.forms.thoughts import thoughts
from dataflow.checks.model.learned import LearnedCheck
from dataflow.checks.rules.characters import characters, control
from dataflow.checks.rules.cut_off import cut_off
from dataflow.checks.rules.empty import empty
from dataflow.checks.rules.language import language
from dataflow.checks.rules.length import length
from dataflow.checks.rules.loop import loop
from dataflow.checks.rules.markup import markup
from dataflow.checks.rules.repeated import Repeated
from dataflow.checks.rules.schema import fits
from dataflow.checks.rules.text import looked_at
from dataflow.checks.rules.wording import wording
from dataflow.core.errors import UsageError
from dataflow.core.protocols.check import Check, CheckContext, Verdict
from dataflow.core.settings import (
    ANY_TEXT,
    TEXT,
    YES_NO,
    ValueRule,
    an_object,
    list_of,
    take_all,
    whole_number,
)

KINDS = (
    "empty", "control", "characters", "error_text", "refusal", "thoughts", "chatter", "loop",
    "schema", "markup", "echo", "cut_off", "language", "length", "wording", "repeated",
)  # fmt: skip
"""Every kind of verdict that these checks give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionRequirements:
    """What captions have to be.

    Attributes:
        language: Code of the language, ``"en"``; None for any.
        sentences: Whether they end as sentences do.
        plain: Whether Markdown and HTML are faults.
        min_words: And the five that follow: bounds of the length; None for none.
        max_words: As above.
        min_sentences: As above.
        max_sentences: As above.
        min_characters: As above.
        max_characters: As above.
        max_encoder_tokens: Limits of text encoders' tokens, such as ``"clip:75"``.
        forbid: Words or phrases that must not occur.
        require: Words or phrases, of which one must occur.
        forbid_pattern: Regular expressions that must not match.
        require_pattern: Regular expressions that must match.
        max_duplicates: How many different pictures may have the same caption; None for any number.
        disabled: Kinds of checks that are not run.
        schema: The JSON Schema of captions that are JSON; such are not looked at as prose.
        learned: Checks of one's own; see `dataflow.checks.model.learned`.

    Raises:
        UsageError: a value is not what its field takes.
    """

    language: str | None = None
    sentences: bool = False
    plain: bool = True
    min_words: int | None = None
    max_words: int | None = None
    min_sentences: int | None = None
    max_sentences: int | None = None
    min_characters: int | None = None
    max_characters: int | None = None
    max_encoder_tokens: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    forbid_pattern: tuple[str, ...] = ()
    require_pattern: tuple[str, ...] = ()
    max_duplicates: int | None = 3
    disabled: frozenset[str] = frozenset()
    schema: Mapping[str, Any] | None = None
    learned: tuple[LearnedCheck, ...] = ()

    def __post_init__(self) -> None:
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        for name, value in take_all(given, _RULES).items():
            object.__setattr__(self, name, value)


_COUNT = whole_number(0).or_none()
_TEXTS = list_of(ANY_TEXT, "texts")
_RULES = {
    "language": TEXT.or_none(),
    **dict.fromkeys(("sentences", "plain"), YES_NO),
    **dict.fromkeys(
        (
            f"{side}_{unit}"
            for side in ("min", "max")
            for unit in ("words", "sentences", "characters")
        ),
        _COUNT,
    ),
    **dict.fromkeys(
        ("max_encoder_tokens", "forbid", "require", "forbid_pattern", "require_pattern"), _TEXTS
    ),
    "max_duplicates": _COUNT,
    "learned": list_of(an_object(LearnedCheck, "a LearnedCheck"), "learned checks"),
    "disabled": replace(_TEXTS, convert=frozenset),
    "schema": ValueRule("a dict", lambda value: isinstance(value, Mapping)).or_none(),
}


Asked = CaptionRequirements  # its name before 0.2.0


def checks_for(asked: CaptionRequirements) -> dict[str, Check]:
    """The checks for what is asked, by the kind of their verdicts; the surest come first.

    Raises:
        MissingPackageError: a check's package is not installed.
        UsageError: what is asked cannot be checked: no such language code, no such pattern; a
            disabled check does not exist; or a learned one has the name of another.
    """
    for first in (error_text, refusal):
        first("A cat.", CheckContext())  # their files are read while files can be opened
    found: dict[str, Check] = {"empty": empty, "control": control}
    if asked.schema is not None:
        found["schema"] = fits(asked.schema)  # lists of like objects look like loops, and are none
    else:
        found |= {"characters": characters, "error_text": error_text, "refusal": refusal}
        found |= {"thoughts": thoughts, "chatter": chatter, "loop": loop}
        found |= {"markup": markup(plain=asked.plain), "echo": echo}
        found["cut_off"] = cut_off(sentences=asked.sentences)
        if asked.language is not None:
            found["language"] = language(asked.language)
    found |= _length(asked)
    if asked.forbid or asked.require or asked.forbid_pattern or asked.require_pattern:
        found["wording"] = wording(
            forbid=asked.forbid,
            require=asked.require,
            forbid_pattern=asked.forbid_pattern,
            require_pattern=asked.require_pattern,
        )
    if asked.max_duplicates is not None:
        found["repeated"] = Repeated(asked.max_duplicates)
    for own in asked.learned:
        if own.kind in (*KINDS, *found):
            raise UsageError(f"there is a check {own.kind!r} already: learn yours by another name")
        found[own.kind] = own
    if unknown := sorted(asked.disabled - {*KINDS, *found}):
        raise UsageError(f"there is no check {unknown[0]!r}; there are {', '.join(KINDS)}")
    return {
        kind: check if kind in _WHOLE else _Bounded(check)
        for kind, check in found.items()
        if kind not in asked.disabled
    }


_WHOLE = frozenset({"schema", "length", "repeated"})
"""Checks that look at all of a text, however long it is."""


class _Bounded:
    """A check that sees the two ends of a text that is longer than any caption."""

    def __init__(self, check: Check) -> None:
        self._check = check

    @property
    def __name__(self) -> str:
        """The check's own, for messages."""
        return getattr(self._check, "__name__", type(self._check).__name__)

    def __call__(self, text: str, context: CheckContext) -> Verdict | None:
        return self._check(looked_at(text), context)


def _length(asked: CaptionRequirements) -> dict[str, Check]:
    units = ("words", "sentences", "characters")
    names = [f"{side}_{unit}" for unit in units for side in ("min", "max")]
    bounds = {name: getattr(asked, name) for name in names}
    is_bounded = asked.max_encoder_tokens or any(b is not None for b in bounds.values())
    limits = asked.max_encoder_tokens
    return {"length": length(**bounds, max_encoder_tokens=limits)} if is_bounded else {}
