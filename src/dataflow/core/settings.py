"""Values that people give, checked where they are given.

One table of rules serves the Python names, the prompt and preset files, endpoint files and the
command line. A message names the setting, what is wanted and the value.
"""

from __future__ import annotations

import math
import numbers
import operator
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dataflow.core.errors import UsageError
from dataflow.core.text import scrub


@dataclass(frozen=True, slots=True)
class ValueRule:
    """What a setting may be.

    Attributes:
        wanted: What it is, in words: ``"a whole number from 1"``.
        fits: Whether a value is that.
        convert: Makes a value that fits a plain one (numpy's numbers become Python's).
    """

    wanted: str
    fits: Callable[[Any], bool]
    convert: Callable[[Any], Any] = lambda value: value

    def take(self, name: str, value: object) -> Any:
        """`value`, checked and made plain.

        Args:
            name: What the setting is called, for the message.
            value: What was given.

        Raises:
            UsageError: it is something else.
        """
        if not self.fits(value):
            raise UsageError(f"{name} must be {self.wanted}, not {value_text(value)}")
        return self.convert(value)

    def or_none(self) -> ValueRule:
        """The same rule, which None also fits."""
        return ValueRule(
            f"{self.wanted}, or None",
            lambda value: value is None or self.fits(value),
            lambda value: None if value is None else self.convert(value),
        )


def take_all(given: Mapping[str, Any], rules: Mapping[str, ValueRule]) -> dict[str, Any]:
    """`given`, in which every setting that `rules` knows is checked and made plain.

    Raises:
        UsageError: a value is none that its rule wants.
    """
    return {
        name: rules[name].take(name, value) if name in rules else value
        for name, value in given.items()
    }


def value_text(value: object) -> str:
    """`value` fit for a message: short, without secrets; a class is said to be one."""
    if isinstance(value, type):
        return f"the class {value.__name__} itself: create one, {value.__name__}(…)"
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - anybody's __repr__
        text = f"a {type(value).__name__}"
    return scrub(text, limit=80)


# --- rules ---------------------------------------------------------------------------------------


def is_whole(value: object) -> bool:
    """Whether `value` is a whole number, and not true or false."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_finite(value: Any) -> bool:
    """Whether `value` is a number that is finite, and not true or false."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def list_of(rule: ValueRule, what: str) -> ValueRule:
    """A list of values that fit `rule`, which messages call `what`; it becomes a tuple."""

    def fits(value: Any) -> bool:
        is_list = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping, type))
        return is_list and all(map(rule.fits, value))

    return ValueRule(f"a list of {what}", fits, tuple)


def whole_number(least: int | None = None, most: int | None = None) -> ValueRule:
    """A whole number within bounds, both included."""
    bounds = "" if least is None else f" from {least}"
    bounds += "" if most is None else f" to {most}"

    def fits(value: Any) -> bool:
        if not is_whole(value):
            return False
        return (least is None or value >= least) and (most is None or value <= most)

    return ValueRule(f"a whole number{bounds}", fits, operator.index)


def number(
    least: float | None = None, most: float | None = None, *, above: float | None = None
) -> ValueRule:
    """A finite number within bounds, `least` and `most` included and `above` not."""
    bounds = "" if above is None else f" above {above:g}"
    bounds += "" if least is None else f" from {least:g}"
    bounds += "" if most is None else f" to {most:g}"

    def fits(value: Any) -> bool:
        if not is_finite(value):
            return False
        if above is not None and not value > above:
            return False
        return (least is None or value >= least) and (most is None or value <= most)

    return ValueRule(f"a number{bounds}", fits, _plain_number)


def one_of(names: Iterable[str]) -> ValueRule:
    """One of some names."""
    known = tuple(names)
    return ValueRule(
        f"one of {', '.join(known)}", lambda value: isinstance(value, str) and value in known
    )


def an_object(kind: type, what: str) -> ValueRule:
    """An instance of `kind`, which messages call `what`."""
    return ValueRule(what, lambda value: isinstance(value, kind))


def _plain_number(value: Any) -> Any:
    return operator.index(value) if is_whole(value) else float(value)


def _is_text(value: object) -> bool:
    """Whether it is a text that can be sent and written: UTF-8 has no half surrogate pairs."""
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_filled(value: object) -> bool:
    return _is_text(value) and bool(str(value).strip())


def _is_path(value: object) -> bool:
    """Whether it names a file; names of files may hold bytes that are no UTF-8."""
    if not isinstance(value, (str, os.PathLike)):
        return False
    path = os.fspath(value)
    return isinstance(path, str) and bool(path.strip()) and "\0" not in path


def _is_serving(value: object) -> bool:
    """Whether it can be asked; servings need no base class of ours."""
    is_object = not isinstance(value, type)
    return is_object and callable(getattr(value, "generate_from_input", None))


ANY_TEXT = ValueRule("a text", _is_text)
TEXT = ValueRule("a text that is not empty", _is_filled)
NAME = ValueRule("the name of a column: a text that is not empty", _is_filled)
SERVING = ValueRule(
    "an object with generate_from_input(), such as APIVLMServing_openai(…)", _is_serving
)
PATH = ValueRule("a path: a text that is not empty", _is_path, os.fspath)
WHOLE = whole_number()
FROM_1 = whole_number(1)
FUNCTION = ValueRule("a function", lambda value: callable(value) and not isinstance(value, type))
YES_NO = ValueRule("true or false", lambda value: isinstance(value, bool))
SECONDS = number(above=0)

SAMPLING: Mapping[str, ValueRule] = {
    "max_tokens": FROM_1,
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "top_k": WHOLE,
    "seed": WHOLE,
}
"""How answers are sampled, by the names of OpenAI's protocol and vLLM's ``top_k``
(https://platform.openai.com/docs/api-reference/chat/create)."""
