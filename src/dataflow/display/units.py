"""Times and token counts in words."""

from __future__ import annotations

from collections.abc import Sequence

from dataflow.core.request import Usage


def duration(seconds: float) -> str:
    """Seconds as a person says them: ``"3 h 05 min"``, ``"2 min 10 s"``, ``"12 s"``."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole} s" if seconds >= 10 else f"{seconds:.1f} s"


def tokens(usage: Usage) -> str:
    """``"1,200 read (200 cached, 900 of pictures), 340 written (100 of thoughts)"``."""
    read = [(usage.cached_tokens, "cached"), (usage.picture_tokens, "of pictures")]
    written = [(usage.reasoning_tokens, "of thoughts")]
    return (
        f"{usage.prompt_tokens or 0:,} read{_parts(read)}, "
        f"{usage.completion_tokens or 0:,} written{_parts(written)}"
    )


def _parts(counts: Sequence[tuple[int | None, str]]) -> str:
    shown = ", ".join(f"{count:,} {what}" for count, what in counts if count)
    return f" ({shown})" if shown else ""
