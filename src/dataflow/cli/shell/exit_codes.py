"""The exit codes of the command line."""

from dataflow.core.errors import LimitReachedError, StopRunError, UnderWayError, UsageError

STOPPED = 1
"""The run stopped; what is done is kept."""

USAGE = 2
"""The command was given wrongly."""

LIMIT = 4
"""The run stopped at its limit on money or tokens; what is done is kept."""

FAILED_ROWS = 3
"""The run finished, and some rows have no caption, or captions have faults."""

UNDER_WAY = 5
"""Batches are under way at the server, and nobody was to wait for them."""


def code_of(error: StopRunError) -> int:
    """The exit code of a run that ended so."""
    return code_of_kind(type(error))


def code_of_kind(kind: type[StopRunError]) -> int:
    """The exit code of a run that ended with an error of this class."""
    codes = {UsageError: USAGE, LimitReachedError: LIMIT, UnderWayError: UNDER_WAY}
    return next((code for cls, code in codes.items() if issubclass(kind, cls)), STOPPED)
