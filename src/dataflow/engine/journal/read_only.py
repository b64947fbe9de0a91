"""A look into a journal that changes nothing, neither in it nor beside it, also during a run."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dataflow.core.errors import JournalError
from dataflow.engine.journal.records import settled
from dataflow.engine.journal.schema import LOOKUP_BATCH

_COLUMNS = "key, caption IS NOT NULL, prompt_tokens, completion_tokens"
_HAS_ASKS = "SELECT 1 FROM pragma_table_info('replies') WHERE name = 'asks'"
"""A former layout counts no asks, and a look does not bring it to today's."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that needs no asking any more.

    Attributes:
        has_caption: Otherwise it failed for good.
        prompt_tokens: As the server counted them, or None.
        completion_tokens: As the server counted them, or None.
        asks: Answers for which these tokens are; at least 1.
    """

    has_caption: bool
    prompt_tokens: int | None
    completion_tokens: int | None
    asks: int = 1


class JournalView:
    """What a journal knows; nothing, where there is none.

    Args:
        path: The journal's file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def answered(
        self, keys: Sequence[bytes], *, retry_failed: bool = False
    ) -> dict[bytes, Answered]:
        """Those of `keys` that need no asking.

        Args:
            keys: Of requests.
            retry_failed: Whether what failed for good, or was flagged, is to be asked again.

        Raises:
            JournalError: the file cannot be read, or is no journal.
        """
        if not keys or not self._path.exists():
            return {}
        found: dict[bytes, Answered] = {}
        is_settled = settled(retry_failed=retry_failed, mark=0)
        try:
            with closing(open_to_look(self._path)) as db:
                asks = "max(asks, 1)" if db.execute(_HAS_ASKS).fetchone() else "1"
                told = f"SELECT {_COLUMNS}, {asks} FROM replies"  # noqa: S608
                for start in range(0, len(keys), LOOKUP_BATCH):
                    part = keys[start : start + LOOKUP_BATCH]
                    marks = ", ".join("?" * len(part))
                    rows = db.execute(
                        f"{told} WHERE key IN ({marks}) AND {is_settled}",
                        part,
                    )
                    found.update((key, Answered(bool(has), *rest)) for key, has, *rest in rows)
        except sqlite3.Error as error:
            raise JournalError(
                f"the journal {self._path} cannot be read: {error}; the next run sets it aside "
                "where it is damaged"
            ) from error
        return found


def open_to_look(path: Path) -> sqlite3.Connection:
    """The journal at `path`, for reading only; whoever writes it is not held up.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    log = path.with_name(path.name + "-wal")
    # without a log nobody writes; SQLite would make files of its own beside it otherwise
    mode = "mode=ro" if log.exists() else "immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=30)
