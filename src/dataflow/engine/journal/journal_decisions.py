"""What people decided, as a journal holds it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dataflow.engine.journal import plan_table
from dataflow.engine.journal.decisions import Decision, DecisionTable, Where, append, decisions_for
from dataflow.engine.journal.journal_file import JournalFile


class JournalDecisions(JournalFile):
    """A journal's file, with what people decided."""

    def decide(
        self, decisions: Sequence[Decision], subjects: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        """Append what a person decided; returns when it is committed.

        Args:
            decisions: In their order.
            subjects: Key and subject of captions that they are about, by which they are found
                where the plan has another key for them.
        """
        found = list(subjects)

        def step() -> None:
            append(self._db, decisions)
            plan_table.add_subjects(self._db, found)

        self._do(step)

    def decisions(self, keys: Sequence[bytes]) -> dict[Where, Decision]:
        """The decision that counts for each of `keys`, by key and column."""
        with self._guarded():
            return decisions_for(self._db, keys)

    def decisions_in_force(self) -> tuple[dict[Where, Decision], dict[Where, Decision]]:
        """All decisions in force, by key and column, and those that moved, by subject and column.

        Two decisions about one subject and column under two former keys: the later one counts.
        """
        with self._guarded():
            by_key = dict(DecisionTable(self._db).latest())
            subjects = dict(plan_table.moved_subjects(self._db))
        moved: dict[Where, Decision] = {}
        for (key, column), decision in by_key.items():
            where = (subjects.get(key, b""), column)
            if where[0] and (where not in moved or moved[where].decided_at < decision.decided_at):
                moved[where] = decision
        return by_key, moved

    def moved_subjects(self) -> list[tuple[bytes, bytes]]:
        """Key and subject of decisions about answers to other questions than the plan's."""
        with self._guarded():
            return plan_table.moved_subjects(self._db)

    def decisions_not_undone(self) -> list[Decision]:
        """Every decision that no undo took back."""
        with self._guarded():
            return list(DecisionTable(self._db).not_undone())

    def texts_of(self, key: bytes, column: str) -> set[str | None]:
        """Every text that the machine or a person ever gave for a caption."""
        with self._guarded():
            found = self._db.execute(
                "SELECT caption FROM results WHERE key = :key UNION "
                "SELECT caption FROM former_results WHERE key = :key UNION "
                'SELECT text FROM decisions WHERE key = :key AND "column" = :column',
                {"key": key, "column": column},
            )
            return {text for (text,) in found}

    def decision_count(self) -> int:
        """How many decisions there are, those that were undone included."""
        with self._guarded():
            return int(self._db.execute("SELECT count(*) FROM decisions").fetchone()[0])
