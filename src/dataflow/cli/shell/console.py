"""The one console: a live bar and a warning must not write over each other."""

from __future__ import annotations

import sys

from rich.console import Console

console = Console(stderr=True)


def go_on() -> str:
    """How to go on after a stop; ``--fresh`` again would begin anew."""
    return "run the same command again" + (" without --fresh" if "--fresh" in sys.argv else "")


def say(text: str, style: str | None = None) -> None:
    """Print `text` as it is: no markup, no colouring of its parts, lines broken by the terminal."""
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)
