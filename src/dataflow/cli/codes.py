"""The exit codes of the command line."""

STOPPED = 1
"""The run stopped; what is done is kept."""

USAGE = 2
"""The command was given wrongly."""

FAILED_ROWS = 3
"""The run finished, and some rows have no caption."""
