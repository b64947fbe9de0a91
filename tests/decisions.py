"""Decisions of people, put into the journal of an output without a page."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from dataflow.core.database import sqlite
from dataflow.engine.journal.decisions import Decision, DecisionTable, text_digest
from dataflow.engine.paths import SideFiles


def decide(output: Path, row: int, kind, text: str | None = None, author: str = "Ada") -> None:
    """Say of the caption of the row at this index what a person would."""
    with closing(sqlite.connect(str(SideFiles(output).journal))) as db:
        key, caption = db.execute(
            "SELECT results.key, caption FROM plan JOIN results ON plan.key = results.key "
            "WHERE row = ?",
            (row,),
        ).fetchone()
        seen = text_digest(caption)
        made = Decision(key, "caption", kind, text, author, time.time(), seen)
        DecisionTable(db).append([made])
