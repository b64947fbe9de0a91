"""The shards' journals → the journal of the whole run.

Each shard is taken in by one transaction, so that a merge can be killed and repeated.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dataflow.core.database import sqlite
from dataflow.core.errors import OutputError, UsageError
from dataflow.engine.journal.batch_tables import unsettled
from dataflow.engine.journal.database import guarded
from dataflow.engine.journal.journal import Journal
from dataflow.engine.locks.lease import LEASE_SECONDS, Lease, living_holder
from dataflow.engine.paths import SideFiles, free_name
from dataflow.engine.selection.shard import Shard, shards_in
from dataflow.engine.shards.unite import unite_answers, unite_decisions, unite_losses

_log = logging.getLogger("dataflow")


@dataclass(frozen=True, slots=True)
class MergedShards:
    """What `merge_journals` took in.

    Attributes:
        shards: In order.
        missing: Those of the run that have no journal.
        kept_as: The folder under which the shards' own files are kept.
    """

    shards: Sequence[Shard]
    missing: Sequence[Shard]
    kept_as: Path


def merge_journals(output: Path) -> MergedShards:
    """Unite the journals of the shards of `output` into its own; call with its lock held.

    Raises:
        UsageError: there are no shards, or they have batches under way.
        OutputError: a shard is still at work, or the folder cannot be written.
        JournalError: a journal cannot be read or written.
    """
    files = SideFiles(output)
    shards = shards_in(files.shards)
    if not shards:
        raise UsageError(
            f"no shard of {output} has begun: run dataflow caption … -o {output} --shard 1/8, and "
            "so on, first"
        )
    theirs = {shard: SideFiles(output, shard=shard.name) for shard in shards}
    _check_ended(theirs)
    _take_in(files.journal, [theirs[shard].journal for shard in shards])
    count = max(shard.count for shard in shards)
    missing = [Shard(n, count) for n in range(1, count + 1) if Shard(n, count) not in shards]
    aside = free_name(files.shards.with_name("merged-shards"))
    try:
        files.shards.rename(aside)
    except OSError as error:
        raise OutputError(f"cannot rename {files.shards}: {error.strerror or error}") from error
    return MergedShards(shards, missing, aside)


def _check_ended(shards: Mapping[Shard, SideFiles]) -> None:
    locks = {its.lock: shard for shard, its in shards.items()}
    if (found := living_holder(list(locks), on_wait=_note_wait)) is not None:
        path, holder = found
        raise OutputError(
            f"shard {locks[path]} is still at work ({holder}); wait for it, or stop it"
        )
    for shard, its in shards.items():
        if count := unsettled(its.journal):
            raise UsageError(
                f"{count:,} requests of shard {shard} are in batches: run it again with --batch "
                "until they are done, or with --batch-cancel"
            )


def _note_wait(lease: Lease) -> None:
    _log.warning(
        "%s left a lock on a network disk: whether it still runs shows within %.0f seconds",
        lease, LEASE_SECONDS,
    )  # fmt: skip


def _take_in(ours: Path, theirs: Sequence[Path]) -> None:
    """Take journals in, each by one transaction, so that a merge may end between any two."""
    Journal(ours, is_run=False).close()  # makes it, or saves what can be read of a damaged one
    with closing(sqlite.connect(str(ours))) as db, guarded(db, ours):
        for path in theirs:
            Journal(path, is_run=False).close()
            db.execute("ATTACH ? AS shard", (str(path),))
            began = db.execute("INSERT INTO runs (started) VALUES (?)", (time.time(),))
            _unite(db, began.lastrowid or 0)
            db.commit()
            db.execute("DETACH shard")


def _unite(db: sqlite3.Connection, run: int) -> None:
    """Take the attached journal's tables over, in the transaction that goes on."""
    unite_answers(db, run)
    unite_decisions(db)
    unite_losses(db)
    db.execute(
        "INSERT OR REPLACE INTO main.plan (row, caption_index, key, subject) "
        "SELECT row, caption_index, key, subject FROM shard.plan"
    )
    _take_over_run(db, run)


def _take_over_run(db: sqlite3.Connection, run: int) -> None:
    """The latest run of the shard stands for run number `run`."""
    latest = "FROM shard.runs ORDER BY run DESC LIMIT 1"
    has_runs = db.execute(f"SELECT 1 {latest}").fetchone() is not None
    for name in ("started", "rows", "ended", "ending", "settings", "options") if has_runs else ():
        db.execute(
            f"UPDATE main.runs SET {name} = (SELECT {name} {latest}) WHERE run = ?",  # noqa: S608
            (run,),
        )
    db.execute(
        "INSERT OR REPLACE INTO main.presets (run, column, preset) SELECT ?, column, preset "
        "FROM shard.presets WHERE run = (SELECT max(run) FROM shard.runs)",
        (run,),
    )
    db.execute(
        "INSERT OR REPLACE INTO main.plan_state (one, fingerprint, rows, output) "
        "VALUES (1, NULL, coalesce((SELECT rows FROM shard.plan_state), 0), NULL)"
    )
