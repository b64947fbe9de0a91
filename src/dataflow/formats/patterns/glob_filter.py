"""Which pictures of a folder are taken, by patterns as in ``.gitignore``.

``*`` stands for anything but ``/``, ``**`` for any folders, ``?`` for one character, ``[a-z]`` for
one of these. A pattern with a ``/`` before its end begins at the folder; any other fits a name at
any depth; one with a ``/`` at its end fits folders only. A pattern that fits a folder fits all that
is below it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from dataflow.core.errors import UsageError

_MAGIC = re.compile(r"[*?[]")  # what makes a path a pattern
_TOKEN = re.compile(r"\*+|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)


_FOLDERS = "(?:[^/]+/)*"


@dataclass(frozen=True)
class GlobFilter:
    """The pictures that are taken.

    Attributes:
        include: Only those that fit one of these patterns; empty for all.
        exclude: None that fits one of these.

    Raises:
        UsageError: a pattern is none.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _ = self._included, self._excluded  # a wrong pattern is told at once

    def takes(self, path: str) -> bool:
        """Whether the picture at `path` (below the folder, with ``/``) is taken."""
        if any(pattern.fullmatch(path) for pattern in self._excluded):
            return False
        return not self.include or any(pattern.fullmatch(path) for pattern in self._included)

    def enters(self, path: str) -> bool:
        """Whether the folder at `path` is looked into."""
        return not any(pattern.fullmatch(path + "/") for pattern in self._excluded)

    @cached_property
    def _included(self) -> list[re.Pattern[str]]:
        return [_compiled(glob) for glob in self.include]

    @cached_property
    def _excluded(self) -> list[re.Pattern[str]]:
        return [_compiled(glob) for glob in self.exclude]


def split_pattern(path: str) -> tuple[str, tuple[str, ...]]:
    """The folder at which the pattern `path` begins, and the pattern below it.

    ``photos/2*/**/a.jpg`` begins at ``photos``. Where `path` is no pattern, there is none below it.
    """
    found = _MAGIC.search(path)
    if found is None:
        return path, ()
    start = path.rfind("/", 0, found.start()) + 1
    return path[:start] or ".", ("/" + path[start:],)


def _compiled(glob: str) -> re.Pattern[str]:
    body = glob.strip("/")
    if not body:
        raise UsageError(f"{glob!r} is no pattern of picture names")
    anywhere = "" if "/" in glob.rstrip("/") else "(?:.*/)?"
    below = "/.*" if glob.endswith("/") else "(?:/.*)?"
    *folders, name = body.split("/")
    number = itertools.count()
    parts: list[str] = []
    for part in folders:
        found = _FOLDERS if part == "**" else _part(part, number) + "/"
        if not (found == _FOLDERS and parts[-1:] == [_FOLDERS]):  # two are no more than one
            parts.append(found)
    try:
        return re.compile(f"{anywhere}{''.join(parts)}{_part(name, number)}{below}", re.DOTALL)
    except re.error as error:
        raise UsageError(f"{glob!r} is no pattern of picture names ({error})") from error


def _part(glob: str, number: Iterator[int]) -> str:
    """What stands between two slashes of a path; `number` counts the groups of the pattern.

    What follows a star is looked for where it comes first, and that is not undone: where the rest
    does not fit behind its first occurrence, it fits behind no later one, but for the last star. So
    many stars take no longer than one.
    """
    stretches: list[list[str]] = [[]]
    for token in _TOKEN.findall(glob):
        if token.startswith("*"):
            stretches.append([])
        else:
            stretches[-1].append(_translated(token))
    first, *others = ["".join(stretch) for stretch in stretches]
    if not others:
        return first
    found = ""
    for stretch in others[:-1]:
        if stretch:
            name = f"star{next(number)}"
            found += f"(?=(?P<{name}>[^/]*?{stretch}))(?P={name})"
    return f"{first}{found}[^/]*{others[-1]}"


def _translated(piece: str) -> str:
    if piece == "?":
        return "[^/]"
    if len(piece) > 2 and piece.startswith("["):
        negated = piece[1] == "!"
        inside = piece[2:-1] if negated else piece[1:-1]
        inside = re.sub(r"([\\[&~|])", r"\\\1", inside)  # plain here, more to Python
        return f"[{'^' if negated else ''}{inside}]"
    return re.escape(piece)
