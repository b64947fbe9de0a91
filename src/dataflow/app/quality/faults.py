"""The file that lists every fault of a dataset's captions, one JSON object per line."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from dataflow.checks.dataset.scan import Fault
from dataflow.core.errors import OutputError
from dataflow.core.text import shown_url
from dataflow.remote.path import is_url

Note: TypeAlias = Callable[[Iterable[Fault]], None]
"""What faults are handed to, chunk by chunk."""


@contextlib.contextmanager
def list_faults(path: str | None) -> Iterator[Note]:
    """What writes faults to `path`, one per line; nothing if there is no path.

    Raises:
        OutputError: The file cannot be written.
    """
    if path is None:
        yield lambda _: None
        return
    try:
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            yield lambda faults: file.writelines(map(_line, faults))
    except OSError as error:
        raise OutputError(
            f"{path}: {error.strerror}; name another file with --faults-file"
        ) from error


def _line(fault: Fault) -> str:
    return json.dumps(fault_value(fault), ensure_ascii=False) + "\n"


def picture_name(picture: str) -> str:
    """What a caption's picture is called, for people: a URL's query may be a signature."""
    return shown_url(picture) if is_url(picture) else picture


def fault_value(fault: Fault) -> dict[str, object]:
    """A fault as a JSON object."""
    caption = fault.caption
    return {
        "row": caption.row,
        "column": caption.column,
        "number": caption.number,
        "place": caption.place,
        "picture": picture_name(caption.picture),
        "kind": fault.kind,
        "reason": fault.reason,
        "text": caption.text,
    }
