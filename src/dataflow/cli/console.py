"""The one console: a live bar and a warning must not write over each other."""

from __future__ import annotations

from rich.console import Console

console = Console(stderr=True)
