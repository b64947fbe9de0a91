"""Regular expressions of users, matched in time linear in the text.

Python's `re` tries one way after the other, and for ``(a+)+$`` there is no end of them.
RE2 (https://github.com/google/re2/wiki/Syntax) does not: it takes no patterns that look ahead, look
behind or refer back, and these are refused.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Protocol

from dataflow.core.errors import MissingPackageError, UsageError

_WORD = {"w": r"\pL\pN\pM_", "d": r"\pNd", "s": r"\s\pZ"}
"""What ``\\w`` and its like mean in Unicode; RE2 means ASCII by them."""


class Found(Protocol):
    """A match: ``found[0]`` is what was found."""

    def __getitem__(self, group: int, /) -> Any: ...


class Pattern(Protocol):
    """A compiled regular expression."""

    def search(self, text: str, /) -> Found | None:
        """The first match in `text`."""
        ...


@functools.lru_cache(maxsize=256)
def compiled(pattern: str, *, ignore_case: bool = False) -> Pattern:
    r"""The regular expression `pattern`.

    Args:
        pattern: In RE2's syntax; ``\w``, ``\d`` and ``\s`` are Unicode's.
        ignore_case: Whether letter case counts as the same.

    Raises:
        MissingPackageError: `google-re2` is not installed.
        UsageError: `pattern` is no regular expression, or one that takes more than linear time.
    """
    try:
        import re2
    except ImportError as error:
        raise MissingPackageError(
            "patterns need google-re2: pip install 'dataflow-caption[check]'"
        ) from error
    package: Any = re2
    options = package.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    try:
        return _Safe(package.compile(_in_unicode(pattern), options))
    except package.error as error:
        raise UsageError(_why(pattern, error)) from error


class _Safe:
    """A pattern of RE2, which takes no lone surrogates."""

    def __init__(self, pattern: Any) -> None:
        self._pattern = pattern

    def search(self, text: str) -> Found | None:
        found: Found | None = self._pattern.search(text.encode("utf-8", "replace").decode("utf-8"))
        return found


def _why(pattern: str, error: Exception) -> str:
    try:
        re.compile(pattern)
    except re.error as own:
        return f"{pattern!r} is no regular expression: {own}"
    reason = error.args[0] if error.args else error
    reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
    return (
        f"the pattern {pattern!r} cannot be matched in linear time ({reason}): write it without "
        "looking ahead or behind and without back references, in RE2's syntax"
    )


def _in_unicode(pattern: str) -> str:
    found, at, in_class = [], 0, False
    while at < len(pattern):
        sign = pattern[at]
        if sign == "\\" and at + 1 < len(pattern):
            named = pattern[at + 1]
            if named in _WORD:
                found.append(_WORD[named] if in_class else f"[{_WORD[named]}]")
            elif named.lower() in _WORD and not in_class:
                found.append(f"[^{_WORD[named.lower()]}]")
            else:
                found.append(_code_point(pattern, at) or pattern[at : at + 2])
                at += 4 if _code_point(pattern, at) else 0
            at += 2
            continue
        if sign == "[" and not in_class:
            in_class = True
            found.append(sign)
            at += 1
            while at < len(pattern) and pattern[at] in "^]":
                found.append("\\]" if pattern[at] == "]" else "^")
                at += 1
                if found[-1] == "\\]":
                    break
            continue
        in_class = in_class and sign != "]"
        found.append(sign)
        at += 1
    return "".join(found)


def _code_point(pattern: str, at: int) -> str | None:
    r"""``\u00e9``, which JSON Schema's expressions know and RE2 does not, as RE2 writes it."""
    found = re.match(r"\\u([0-9A-Fa-f]{4})", pattern[at : at + 6])
    return f"\\x{{{found[1]}}}" if found else None
