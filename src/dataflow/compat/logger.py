"""DataFlow's logger."""

from __future__ import annotations

import logging
from typing import Any


class DataFlowLogger(logging.LoggerAdapter):  # type: ignore[type-arg]
    """The logger ``dataflow`` with one more method."""

    def success(self, message: str, *args: Any) -> None:
        """Log that something went well, at the level of `info`."""
        self.info(message, *args)


def get_logger(level: int | None = None) -> DataFlowLogger:
    """The logger of this package, set to `level` where one is given."""
    logger = logging.getLogger("dataflow")
    if level is not None:
        logger.setLevel(level)
    return DataFlowLogger(logger, {})
