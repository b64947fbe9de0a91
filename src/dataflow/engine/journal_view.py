"""A look into a journal that changes nothing, neither in it nor beside it, also during a run."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dataflow.core.errors import JournalError
from dataflow.engine.journal import LOOKUP_BATCH

_COLUMNS = "key, caption IS NOT NULL, prompt_tokens, completion_tokens"


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that needs no asking any more.

    Attributes:
        has_caption: Otherwise it failed for good.
        prompt_tokens: As the server counted them, or None.
        completion_tokens: As the server counted them, or None.
    """

    has_caption: bool
    prompt_tokens: int | None
    completion_tokens: int | None


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
            retry_failed: Whether what failed for good is to be asked again.

        Raises:
            JournalError: the file cannot be read, or is no journal.
        """
        if not keys or not self._path.exists():
            return {}
        found: dict[bytes, Answered] = {}
        settled = "caption IS NOT NULL" + ("" if retry_failed else " OR is_final")
        try:
            with closing(open_to_look(self._path)) as db:
                for start in range(0, len(keys), LOOKUP_BATCH):
                    part = keys[start : start + LOOKUP_BATCH]
                    marks = ", ".join("?" * len(part))
                    rows = db.execute(
                        f"SELECT {_COLUMNS} FROM replies WHERE key IN ({marks}) AND ({settled})",  # noqa: S608
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
