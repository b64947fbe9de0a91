"""The provenance column: which model or person gave a caption, for which prompt, and when."""

from __future__ import annotations

import time
from hashlib import sha256
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from dataflow.core.column_types import Struct
from dataflow.engine.journal.records import ResultRecord

PROVENANCE_SHAPE: Struct = {
    "model": "text",
    "prompt_sha256": "text",
    "date": "text",
    "author": "text",
}
"""Name → type of each field."""

MACHINE = "machine"
"""The author of a caption that no person wrote."""


def digest_of(prompt: str) -> str:
    """The SHA-256 of a prompt's text, in hexadecimal digits, as the record of the run has it."""
    return sha256(prompt.encode("utf-8", "backslashreplace")).hexdigest()


def provenance_of(entry: ResultRecord) -> dict[str, Any]:
    """The provenance of a row with this outcome, in the shape of `PROVENANCE_SHAPE`.

    ``author`` is ``"machine"``, or the name of the person who wrote the caption; ``model`` and
    ``prompt_sha256`` are then those that the person corrected. ``date`` is in UTC, as ISO 8601 has
    it. What is not known is None, and all is None where there is no caption.
    """
    if entry.caption is None:
        return dict.fromkeys(PROVENANCE_SHAPE)
    return {
        "model": model_name(entry.model) or None,
        "prompt_sha256": entry.prompt_digest or None,
        "date": None if entry.written_at is None else iso_date(entry.written_at),
        "author": entry.author or MACHINE,
    }


def model_name(model: str) -> str:
    """A model's name for others to read: of a file of this machine only its own name."""
    if PurePosixPath(model).is_absolute():
        return PurePosixPath(model).name
    return PureWindowsPath(model).name if PureWindowsPath(model).is_absolute() else model


def iso_date(moment: float) -> str:
    """A moment, in seconds since 1970, as ISO 8601 has it, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
