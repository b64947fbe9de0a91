"""Is there a caption at all?"""

from __future__ import annotations

from dataflow.core.errors import EmptyCaptionError, RowError
from dataflow.core.request import Reply, Request


def empty(reply: Reply, _request: Request) -> RowError | None:
    """An answer without any text is no caption."""
    if reply.text.strip():
        return None
    reason = f" (finish reason: {reply.finish_reason})" if reply.finish_reason else ""
    return EmptyCaptionError(f"the model answered with no text{reason}")
