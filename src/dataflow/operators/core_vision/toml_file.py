"""TOML files (https://toml.io) that say what is asked: read, and what is wrong in them refused."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from dataflow.core.errors import UsageError

Rule: TypeAlias = "tuple[str, Callable[[object], bool]]"
"""What a key's value is, in words, and whether one is that."""


def read_toml(path: Path, what: str) -> tuple[str, dict[str, Any]]:
    """The text of the file at `path`, and what it holds.

    Args:
        path: The file.
        what: What it is, for the message.

    Raises:
        UsageError: it cannot be read, or is no TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"the {what} {path} cannot be read: {reason}") from None
    except UnicodeDecodeError:
        raise UsageError(f"the {what} {path} is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the {what} {path} is no TOML: {error}") from None


def refuse_wrong(given: Mapping[str, Any], rules: Mapping[str, Rule], where: str) -> None:
    """Make sure that `given` holds only what `rules` know.

    Raises:
        UsageError: it does not; the message begins with `where`.
    """
    for key, value in given.items():
        if key not in rules:
            raise UsageError(f"{where}: unknown key {key!r}; known are {', '.join(rules)}")
        what, fits = rules[key]
        if not fits(value):
            raise UsageError(f"{where}: {key} is {what}, not {value!r:.80}")


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def is_whole(value: object) -> bool:
    """Whether `value` is a whole number, and not true or false."""
    return isinstance(value, int) and not isinstance(value, bool)


def _between(least: float, most: float) -> Callable[[object], bool]:
    def fits(value: object) -> bool:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and least <= value <= most  # type: ignore[operator]

    return fits


ANY_TEXT: Rule = ("a text", lambda value: isinstance(value, str))
TEXT: Rule = ("a text that is not empty", _text)
WHOLE: Rule = ("a whole number", is_whole)
FROM_1: Rule = ("a whole number from 1", lambda value: is_whole(value) and value >= 1)  # type: ignore[operator]
YES_NO: Rule = ("true or false", lambda value: isinstance(value, bool))

SAMPLING: Mapping[str, Rule] = {
    "max_tokens": FROM_1,
    "temperature": ("a number from 0 to 2", _between(0, 2)),
    "top_p": ("a number from 0 to 1", _between(0, 1)),
    "top_k": WHOLE,
    "seed": WHOLE,
}
"""How answers are sampled."""
