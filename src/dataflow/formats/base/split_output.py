"""An output in parts: so many rows a file, ``out-00000-of-00012.jsonl`` and so on.

The names are those that Hugging Face's datasets give to the files of one dataset; that they say
how many there are shows at once when one is missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dataflow.core.protocols.dataset import Writer
from dataflow.core.row import Row
from dataflow.formats.base.compression import ending_of
from dataflow.remote.path import AnyPath


class SplitWriter:
    """Writes so many rows by one writer, then goes on with another.

    Args:
        path: Where the parts are written until they take their places, each with its number.
        open_writer: What opens a writer at a path.
        rows: Of each part but the last; None for any number.
        size: Bytes after which a part ends, where its writer counts them as ``size``; None for
            any number.
    """

    def __init__(
        self,
        path: Path,
        open_writer: Callable[[Path], Writer],
        rows: int | None,
        size: int | None = None,
    ) -> None:
        for old in path.parent.glob(f"{_literal(path.name)}-*"):
            old.unlink()  # of a run that was killed
        self._path = path
        self._open_writer = open_writer
        self._rows = rows
        self._size = size
        self._written = 0
        self._writers = [self._next()]

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Append one row; see `core.dataset.Writer`."""
        is_large = self._size is not None and getattr(self._writers[-1], "size", 0) >= self._size
        if self._written == self._rows or (is_large and self._written):
            self._writers[-1].close()
            self._writers.append(self._next())
            self._written = 0
        self._writers[-1].write(row, added)
        self._written += 1

    def close(self) -> None:
        """Finish the last part; see `core.dataset.Writer`."""
        self._writers[-1].close()

    def commit(self, target: AnyPath) -> None:
        """Give each part its name; parts that a former run left there go."""
        former = set(parts_of(target))
        for number, writer in enumerate(self._writers):
            path = part_name(target, number, len(self._writers))
            writer.commit(path)
            former.discard(path)
        for path in former:
            path.unlink()

    def discard(self) -> None:
        """Remove what is not in its place yet; see `core.dataset.Writer`."""
        for writer in self._writers:
            writer.discard()

    def _next(self) -> Writer:
        number = len(getattr(self, "_writers", ()))
        return self._open_writer(self._path.with_name(f"{self._path.name}-{number:05}"))


def part_name(target: AnyPath, number: int, count: int) -> AnyPath:
    """Where part `number` (from 0) of the `count` parts of `target` is."""
    stem, ending = _split(target)
    return target.with_name(f"{stem}-{number:05}-of-{count:05}{ending}")


def parts_of(target: AnyPath) -> list[Any]:
    """The parts of `target` that are there, in order."""
    stem, ending = _split(target)
    name = re.compile(rf"{re.escape(stem)}-\d{{5,}}-of-\d{{5,}}{re.escape(ending)}")
    if not target.parent.is_dir():
        return []
    return sorted(path for path in target.parent.iterdir() if name.fullmatch(path.name))


def _split(target: AnyPath) -> tuple[str, str]:
    ending = target.name[len(target.name) - len(ending_of(target)) :]
    return target.name.removesuffix(ending), ending


def _literal(name: str) -> str:
    """`name` as a pattern that fits nothing else."""
    return re.sub(r"([*?[])", r"[\1]", name)
