"""A result as a document: titles, sentences, tables, drawings and examples, before it is laid out.

The terminal, Markdown and the page are made from the same document, so that they say the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class ResultTable:
    """A table.

    Attributes:
        title: What stands above it.
        header: The names of its columns; empty for a table of names and values.
        rows: Its cells as texts, each row as long as the header.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawing.

    Attributes:
        title: What it shows.
        svg: The drawing, SVG; it is on the page alone.
        words: The same in a sentence, for where nothing is drawn.
    """

    title: str
    svg: str
    words: str


@dataclass(frozen=True, slots=True)
class PictureExample:
    """A picture with texts about it.

    Attributes:
        picture: The picture as a row names it: a path or a URL.
        texts: Name and text of each.
        note: What is said of them.
    """

    picture: str
    texts: Sequence[tuple[str, str]]
    note: str = ""


Block: TypeAlias = "str | ResultTable | Drawing"
"""A sentence, a table or a drawing."""


@dataclass(frozen=True, slots=True)
class ResultDocument:
    """A result for people.

    Attributes:
        title: What it is about.
        blocks: What was found, in the order in which it is read.
        method: How it was found, enough for a paper; in the files, not in the terminal.
        examples: Pictures with texts; on the page alone.
        examples_title: What stands above them.
    """

    title: str
    blocks: Sequence[Block]
    method: Sequence[Block] = ()
    examples: Sequence[PictureExample] = field(default=(), repr=False)
    examples_title: str = "Examples"


def markdown_of(document: ResultDocument) -> str:
    """The document as Markdown (CommonMark, with GitHub's tables)."""
    parts = [f"# {_plain(document.title)}"]
    parts += map(_markdown_block, document.blocks)
    if document.method:
        parts += ["## Method", *map(_markdown_block, document.method)]
    return "\n\n".join(parts) + "\n"


def _markdown_block(block: Block) -> str:
    if isinstance(block, str):
        return _fenced(block) if "\n" in block else _plain(block)
    if isinstance(block, Drawing):
        return f"{_plain(block.title)}: {_plain(block.words)}"
    header = block.header or ("", *[""] * (len(block.rows[0]) - 1 if block.rows else 0))
    lines = [_line(header), _line(["---"] * len(header)), *map(_line, block.rows)]
    title = [f"**{_plain(block.title)}**", ""] if block.title else []
    return "\n".join([*title, *lines])


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in cells) + " |"


def _plain(text: str) -> str:
    """Foreign text on one line in which no sign is Markdown's."""
    one_line = " ".join(text.split())
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>#" else sign for sign in one_line)
