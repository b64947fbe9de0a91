"""The error of a kind, as a journal or an errors file names it."""

from __future__ import annotations

from typing import Any

from dataflow.core.errors.base import DataflowError
from dataflow.core.errors.row import RejectedError


def error_named(kind: str, message: str, **fields: Any) -> DataflowError:
    """The error of this `kind`, as a journal or a ledger tells of it.

    Args:
        kind: A class's `kind`.
        message: As in `DataflowError`.
        fields: As in `DataflowError`.
    """
    pending: list[type[DataflowError]] = [DataflowError]
    while pending:
        cls = pending.pop()
        if cls.kind == kind:
            return cls(message, **fields)
        pending += cls.__subclasses__()
    # only a check has words of its own for what it finds
    return RejectedError(message, kind=kind, **fields)
