"""The program's own log lines on the console, as they are."""

from __future__ import annotations

import logging

from rich.console import Console

from dataflow.display.plain import say


class PlainHandler(logging.Handler):
    """Prints warnings and errors of this package, each on a line of any length.

    Args:
        console: Where they are shown.
    """

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record; a failure to do so ends nothing."""
        try:
            level = record.levelname.lower()
            say(self.console, f"{level}: {record.getMessage()}", _STYLES.get(record.levelno))
        except Exception:  # noqa: BLE001 (a log line ends nothing)
            self.handleError(record)


_STYLES = {logging.WARNING: "yellow", logging.ERROR: "red"}
