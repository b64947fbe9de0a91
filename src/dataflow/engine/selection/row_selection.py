"""Which rows a run asks again, when it is to ask only some."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Sequence

from dataflow.core.row import Row
from dataflow.engine.job import Job


class RowSelection:
    """Rows by number, by the name of a picture, or by a pattern.

    Args:
        names: Each a row's number as in the errors file (from 0), the path or file name of a
            picture as it stands in the data, or a pattern of one with ``*``, ``?`` and ``[…]``.
    """

    def __init__(self, names: Iterable[str]) -> None:
        given = list(names)
        self._rows = {int(name) for name in given if name.isdecimal()}
        self._names = {name for name in given if not name.isdecimal()}
        self._patterns = [name for name in self._names if any(sign in name for sign in "*?[")]
        self.count = 0

    def takes(self, row: Row, jobs: Sequence[Job]) -> bool:
        """Whether the row is one of them; those that are taken are counted in `count`."""
        found = row.index in self._rows or any(map(self._fits, _names_of(jobs)))
        self.count += found
        return found

    def _fits(self, name: str) -> bool:
        return name in self._names or any(fnmatch.fnmatch(name, one) for one in self._patterns)


def _names_of(jobs: Sequence[Job]) -> set[str]:
    names = {name for job in jobs for ref in job.references for name in (ref.name, ref.location)}
    return {shape for name in names if name for shape in (name, os.path.basename(name))}  # noqa: PTH119
