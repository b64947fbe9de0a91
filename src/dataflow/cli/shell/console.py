"""The one console: a live bar and a warning must not write over each other."""

from __future__ import annotations

import sys

from rich.console import Console

from dataflow.display import plain

console = Console(stderr=True)


def go_on() -> str:
    """How to resume after a stop; ``--restart`` again would begin anew."""
    begins_anew = next((flag for flag in ("--restart", "--fresh") if flag in sys.argv), None)
    return "run the same command again" + (f" without {begins_anew}" if begins_anew else "")


def say(text: str, style: str | None = None) -> None:
    """Print `text` as it is: no markup, no colouring of its parts, lines broken by the terminal."""
    plain.say(console, text, style)
