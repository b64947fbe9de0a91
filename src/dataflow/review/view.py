"""What of a review is looked at: a line of filters → SQL over the index.

The line is what people type and what the address of the page holds:

* ``red car``: both words stand in the caption; ``"red car"``: this phrase does.
* ``-blurry``: it does not.
* ``/colou?r/``: a regular expression matches.
* ``words:<10``, ``words:>=50``, ``words:7``: how long it is.
* ``kind=refusal``, ``decision=edit``, ``decision=none``, ``column=caption``, ``model=NAME``,
  ``copies=yes``: what it is like; with a minus in front, what it is not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from dataflow.core.errors import UsageError

Sort = Literal["queue", "order", "short", "long"]
SORTS: dict[Sort, str] = {
    "queue": "decision <> '', -severity, id",
    "order": "id",
    "short": "words, id",
    "long": "-words, id",
}
LONGEST_PATTERN = 200
"""Characters of a regular expression; a page's filter is typed by hand."""

_TERM = re.compile(
    r"""(?P<minus>-?)(?:/(?P<regex>(?:[^/\\]|\\.)+)/
    |words:(?P<compare><=|>=|<|>|=|)(?P<count>\d+)(?=\s|$)
    |(?P<field>kind|decision|column|model|copies)=(?:"(?P<quoted>[^"]*)"|(?P<value>\S*))
    |"(?P<phrase>[^"]+)"|(?P<word>\S+))""",
    re.VERBOSE,
)
_NESTED = re.compile(r"\([^()]*[+*{][^()]*\)\s*[+*{]")


@dataclass(frozen=True, slots=True)
class View:
    """Conditions over items.

    Attributes:
        where: SQL conditions that all hold.
        values: What their question marks stand for, in order.
        contains: Texts that stand in the caption, which the trigram index may find.
        sort: The order.
    """

    where: tuple[str, ...] = ()
    values: tuple[Any, ...] = ()
    contains: tuple[str, ...] = field(default=())
    sort: Sort = "queue"

    @property
    def condition(self) -> str:
        """The conditions as one."""
        return " AND ".join(self.where) or "1"

    @property
    def order(self) -> str:
        """What items are sorted by."""
        return SORTS[self.sort]


def read_view(line: str, sort: str = "queue") -> View:
    """The view that a line of filters means.

    Raises:
        UsageError: a regular expression cannot be read or could take for ever, or there is no such
            order.
    """
    if sort not in SORTS:
        raise UsageError(f"there is no order {sort!r}; there are {', '.join(SORTS)}")
    where: list[str] = []
    values: list[Any] = []
    contains: list[str] = []
    for match in _TERM.finditer(line.encode("utf-8", "replace").decode()):
        condition, value = _condition(match)
        if not match["minus"] and (text := match["phrase"] or match["word"]):
            contains.append(text)
        where.append(f"NOT ({condition})" if match["minus"] else condition)
        values += value
    return View(tuple(where), tuple(values), tuple(contains), sort)


def _condition(match: re.Match[str]) -> tuple[str, list[Any]]:
    if match["regex"]:
        return "matches(?, text)", [read_pattern(match["regex"])]
    if match["count"]:
        return f"words {match['compare'] or '='} ?", [int(match["count"])]
    if match["field"]:
        value = match["quoted"] if match["quoted"] is not None else match["value"]
        return _field(match["field"], value)
    text = match["phrase"] or match["word"]
    return "instr(lower(text), lower(?)) > 0", [text]


def _field(name: str, value: str) -> tuple[str, list[Any]]:
    if name == "kind":
        return "id IN (SELECT id FROM item_kinds WHERE kind = ?)", [value]
    if name == "copies":
        return "copies > 1" if value != "no" else "copies = 1", []
    if name == "decision" and value in ("none", "open"):
        return "decision = ''", []
    return f"{name} = ?", [value]


def read_pattern(text: str) -> str:
    """A regular expression that is fit to run over every caption.

    Raises:
        UsageError: it cannot be read, or could take for ever.
    """
    if len(text) > LONGEST_PATTERN or _NESTED.search(text):
        raise UsageError(f"/{text}/: too long, or a repeat within a repeat, which may never end")
    try:
        re.compile(text)
    except re.error as error:
        raise UsageError(f"/{text}/: {error}") from error
    return text
