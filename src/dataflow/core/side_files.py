"""How the files are called that belong to an output, so that no reader takes them for data."""

from __future__ import annotations

ERRORS_ENDING = ".errors.jsonl"
"""Of the errors file beside an output."""

FOLDER_ENDING = ".dataflow"
"""Of the folder beside an output in which all else lies that belongs to it."""
