"""The files of a result: each is written whole or not at all."""

from __future__ import annotations

import contextlib
import filecmp
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from dataflow.core.errors import OutputError
from dataflow.core.side_files import open_new


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """A file to write, which takes its place when it is whole; one that is the same stays.

    So the time of a file in which nothing changed stays, by which a later run knows it. The
    folder is made where it is not there.

    Raises:
        OutputError: it cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_new(part) as file:
            yield file
        is_there = path.is_file() and not path.is_symlink()
        if is_there and filecmp.cmp(part, path, shallow=False):
            part.unlink()
        else:
            part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error


def write_file(path: Path, text: str) -> None:
    """Write a result's file.

    Raises:
        OutputError: it cannot be written.
    """
    with whole_file(path) as file:
        file.write(text)


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as JSON Lines; returns their number.

    Raises:
        OutputError: it cannot be written.
    """
    count = 0
    with whole_file(path) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count
