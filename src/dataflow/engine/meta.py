"""The meta column: how each row's caption came about, and what it cost."""

from __future__ import annotations

from typing import Any

from dataflow.core.dataset import Shape
from dataflow.engine.entry import Entry

META_SHAPE: Shape = {
    "status": "text",
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


def meta_of(entry: Entry) -> dict[str, Any]:
    """The meta of a row with this outcome, in the shape of `META_SHAPE`.

    ``status`` is ``"ok"`` or the kind of the error, ``seconds`` are those from the first attempt to
    the answer, ``attempts``, ``tokens`` and ``cost`` (US dollars) those of all attempts in all
    runs. What nobody told is None.
    """
    usage = entry.usage
    return {
        "status": "ok" if entry.error_kind is None else entry.error_kind,
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
