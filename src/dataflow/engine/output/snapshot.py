"""The output as a run found it, so that nothing that others did to it is lost when it is replaced.

Captions that somebody changed are taken in (`outside_edits`). A column that was added, rows that
were removed or put in another order have no place in the journal: what was there is kept whole.
"""

from __future__ import annotations

import json
import logging
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from dataflow.core.errors import InputError
from dataflow.core.row import Row
from dataflow.engine.paths import keep_former
from dataflow.engine.pipeline.resume import OutputFiles
from dataflow.engine.plan import Output
from dataflow.remote.path import AnyPath

_log = logging.getLogger("dataflow")


@dataclass(slots=True)
class ChangedRows:
    """The rows of an output that somebody changed, as digests of all but their captions.

    Attributes:
        names: The columns that a run adds.
        written: How many rows the run wrote.
        digests: One for each row that is there.
    """

    names: frozenset[str]
    written: int = 0
    digests: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, row: Row) -> None:
        """Take the next row that is there."""
        self.digests.append(self._digest(row))

    def are_in(self, rows: Iterable[Row]) -> bool:
        """Whether `rows` hold all that was there, in its order; more rows may stand between."""
        if len(self.digests) < self.written:
            return False
        found = 0
        for row in rows:
            if found < len(self.digests) and self.digests[found] == self._digest(row):
                found += 1
        return found == len(self.digests)

    def _digest(self, row: Row) -> int:
        texts = {text for name in self.names for text in _texts_in(row.fields.get(name))}
        rest = {name: value for name, value in row.fields.items() if name not in self.names}
        plain = json.dumps(_without(rest, texts), sort_keys=True, default=_plain)
        return int.from_bytes(blake2b(plain.encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True, slots=True)
class OutputSnapshot:
    """What was at the output's place when a run began.

    Attributes:
        files: Its files.
        changed: Its rows, where somebody changed them since they were written.
        unknown: Captions in it of which the journal knows nothing, as no run of it wrote them.
    """

    files: OutputFiles
    changed: ChangedRows | None = None
    unknown: int = 0

    def keep(self, output: Output) -> list[AnyPath]:
        """Keep the files under free names where the new output may lack something of them.

        Raises:
            OSError: the folder cannot be written.
        """
        if self.changed is None and not self.unknown:
            return []
        return [keep_former(file) for file in output.files_of(output.place)]

    def release(self, output: Output, kept: list[AnyPath]) -> None:
        """Remove what `keep` kept where the new output holds all of it; otherwise say where it is.

        Raises:
            OSError: the folder cannot be written.
        """
        for file in kept if self.unknown else ():
            _log.warning(
                "%s held %d captions that the journal does not know: kept as %s",
                output.place, self.unknown, file.name,
            )  # fmt: skip
        if self.changed is None or not kept or output.read_back is None:
            return
        try:
            is_all = self.changed.are_in(output.read_back())
        except (InputError, OSError, UnicodeError):
            is_all = False
        for file in kept:
            if is_all:
                file.unlink()
            else:
                _log.warning(
                    "%s held changes besides captions since it was written: kept as %s",
                    output.place, file.name,
                )  # fmt: skip


def _texts_in(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, str)]


def _without(value: Any, texts: set[str]) -> Any:
    """`value` with null for each of `texts`: some formats hold a caption in several places."""
    if isinstance(value, dict):
        return {str(name): _without(one, texts) for name, one in value.items()}
    if isinstance(value, list):
        return [_without(one, texts) for one in value]
    return None if isinstance(value, str) and value in texts else value


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        return blake2b(value, digest_size=8).hexdigest()
    return repr(value)
