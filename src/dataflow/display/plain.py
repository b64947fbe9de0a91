"""Text on a console as it is: never markup, never cut, control characters made visible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from dataflow.core.text import is_shown


def say(console: Console, text: str, style: str | None = None) -> None:
    """Print `text` and let the terminal break its lines."""
    console.print(
        Text(printable(text), style=style or ""), highlight=False, soft_wrap=True, overflow="ignore"
    )


def say_rows(console: Console, rows: Iterable[Sequence[str]], *, gap: int = 2) -> None:
    """Print rows of cells in columns; the last cell of a row may be of any length."""
    found = [[printable(cell) for cell in row] for row in rows]
    columns = max((len(row) for row in found), default=0)
    widths = [
        max((Text(row[n]).cell_len for row in found if n < len(row) - 1), default=0)
        for n in range(columns)
    ]
    for row in found:
        padded = [
            cell + " " * (width - Text(cell).cell_len + gap)
            for cell, width in zip(row[:-1], widths, strict=False)
        ]
        say(console, ("".join(padded) + row[-1]).rstrip())


def printable(text: str) -> str:
    r"""`text` with characters that could move the cursor shown as ``\x1b`` and the like."""
    if text.isprintable():
        return text
    return "".join(
        c if is_shown(c) or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in text
    )
