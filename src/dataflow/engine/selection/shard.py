"""Which rows a shard takes: those whose request key falls to it, in whatever order they come."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow.core.errors import UsageError
from dataflow.engine.job import Job

_FORM = re.compile(r"(\d+)/(\d+)")
_NAME = re.compile(r"(\d+)-of-(\d+)")

MOST_SHARDS = 100_000


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several equal parts of a run.

    Attributes:
        index: From 1.
        count: How many there are.

    Raises:
        UsageError: there is no such shard.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count <= MOST_SHARDS:
            raise UsageError(
                f"--shard {self}: shards are numbered from 1 to their count, such as 1/8 … 8/8 "
                f"(at most {MOST_SHARDS:,})"
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard that ``"3/8"`` names.

        Raises:
            UsageError: there is none.
        """
        found = _FORM.fullmatch(text.strip())
        if found is None:
            raise UsageError(f"--shard takes NUMBER/COUNT, such as 3/8, or auto, not {text!r}")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def name(self) -> str:
        """Its folder's name."""
        return f"{self.index}-of-{self.count}"

    def takes(self, jobs: Sequence[Job]) -> bool:
        """Whether the row with these jobs is one of its rows: by the first one's key."""
        digest = int.from_bytes(jobs[0].key[:8], "big") if jobs else 0
        return digest % self.count == self.index - 1


def shards_in(folder: Path) -> list[Shard]:
    """The shards that have a journal in a folder of `folder`, in order."""
    try:
        names = [path.parent.name for path in folder.glob("*/journal.sqlite")]
    except OSError:
        return []
    found = (_NAME.fullmatch(name) for name in names)
    shards = [Shard(int(one[1]), int(one[2])) for one in found if one]
    return sorted(shards, key=lambda shard: (shard.count, shard.index))
