"""The formats that an output may be told to have by name."""

from __future__ import annotations

from dataflow.core.errors import UsageError
from dataflow.core.text import path_text
from dataflow.formats.base.compression import ending_of
from dataflow.formats.registry import FORMATS, by_ending
from dataflow.remote.path import AnyPath

OFFERED = tuple(name for name, known in FORMATS.items() if known.writer is not None)
"""The names of the formats that are written as one file."""


def usual_ending(name: str) -> str:
    """The ending of an output in the format called `name` that was given no name of its own.

    Raises:
        UsageError: no file is written in such a format.
    """
    _check_offered(name)
    known = FORMATS[name]
    return (known.endings or known.stays_at)[0]


def check_named(name: str, output: str | AnyPath) -> None:
    """Refuse a format by name that contradicts the output's ending.

    Raises:
        UsageError: the ending belongs to another format, or no file is written in such a format.
    """
    _check_offered(name)
    ending, known = ending_of(output), FORMATS[name]
    other = by_ending(ending)
    if other is None or other is known or ending in known.stays_at:
        return
    raise UsageError(
        f"{path_text(output)}: {ending} is not the ending of --output-format {name}; name the "
        f"output {usual_ending(name)}, or leave out --output-format"
    )


def _check_offered(name: str) -> None:
    if name not in OFFERED:
        raise UsageError(f"unknown --output-format {name}; one of {', '.join(OFFERED)}")
