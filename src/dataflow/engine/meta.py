"""The meta column: how each row's caption came about, and what it cost."""

from __future__ import annotations

from typing import Any

from dataflow.core.column_types import Struct
from dataflow.engine.journal.records import ResultRecord

META_SHAPE: Struct = {
    "status": "text",
    "verdict": "text",
    "asks": "int",
    "finish_reason": "text",
    "attempts": "int",
    "seconds": "float",
    "model": "text",
    "tokens": {
        "prompt": "int",
        "completion": "int",
        "cached": "int",
        "picture": "int",
        "reasoning": "int",
    },
    "cost": "float",
}
"""Name → type of each field."""


def meta_of(entry: ResultRecord) -> dict[str, Any]:
    """The meta of a row with this outcome, in the shape of `META_SHAPE`.

    ``status`` is ``"ok"``, ``"flagged"`` for a caption that is kept though a check turned it down,
    or the kind of the error. ``verdict`` is what the check found, ``asks`` how many answers came.
    ``seconds`` are those from the first attempt to the answer, ``attempts``, ``tokens`` and
    ``cost`` (US dollars) those of all attempts in all runs. What is not known is None.
    """
    usage = entry.usage
    return {
        "status": "flagged" if entry.is_flagged else entry.error_kind or "ok",
        "verdict": entry.error_kind if entry.is_rejected else None,
        "asks": entry.asks or None,
        "finish_reason": entry.finish_reason,
        "attempts": entry.attempts,
        "seconds": round(entry.seconds, 3),
        "model": entry.model or None,
        "tokens": {
            "prompt": usage.prompt_tokens,
            "completion": usage.completion_tokens,
            "cached": usage.cached_tokens,
            "picture": usage.picture_tokens,
            "reasoning": usage.reasoning_tokens,
        },
        "cost": entry.cost,
    }
