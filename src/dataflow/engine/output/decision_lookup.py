"""What people decided, put onto the machine's answers while the output is written.

A decision is found by its request's key. Where that changed, because the prompt, the model or the
way the picture is named did, it is found by the answer it was copied to, or by its subject: the
pictures and the column. A person's words stay; that the machine's caption is another one now makes
a conflict, which is listed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from dataflow.engine.job import Job
from dataflow.engine.journal.decisions import FIXER, Decision, Where, text_digest
from dataflow.engine.journal.journal import Journal
from dataflow.engine.journal.records import ResultRecord

REJECTED = "rejected"
"""The kind of error of a caption that a person rejected."""

_log = logging.getLogger("dataflow")


class DecisionLookup:
    """The decisions in force, for the rows of one plan.

    Args:
        journal: It holds the plan.

    Attributes:
        conflicts: Decisions that were made about another caption than the machine's latest one.
    """

    def __init__(self, journal: Journal) -> None:
        self._by_key: Mapping[Where, Decision] = {}
        self._by_subject: Mapping[Where, Decision] = {}
        self._unused: set[Where] = set()
        self.conflicts = 0
        if journal.decision_count():
            self._by_key, self._by_subject = journal.decisions_in_force()
            self._unused = {w for w, one in self._by_key.items() if one.author != FIXER}

    def applied(self, job: Job, column: str, result: ResultRecord) -> ResultRecord:
        """`result` as it stands in the output: with what a person decided about it."""
        if not self._by_key:
            return result
        decision = self._find(job, column, result)
        if decision is None:
            return result
        self._unused.discard((decision.key, column))
        is_other = decision.seen_digest not in (None, text_digest(result.caption))
        if is_other and decision.author == FIXER:
            return result  # it stands in the place of that answer alone
        if is_other:
            self.conflicts += 1
        if decision.kind == "reject":
            return replace(
                result,
                caption=None,
                error_kind=REJECTED,
                error=f"{decision.author} rejected the caption",
            )
        text = decision.caption(result.caption)
        if text is None:
            return result
        result = replace(result, caption=text, error_kind=None, error=None)
        if decision.kind != "edit":
            return result
        return replace(result, author=decision.author, written_at=decision.decided_at)

    def _find(self, job: Job, column: str, result: ResultRecord) -> Decision | None:
        """The latest decision about the caption, whichever question it was the answer to.

        That the machine's caption is right says nothing about its answer to another question.
        """
        # a row that this run does not ask keeps the answer to another question, and its decision
        keys = (job.key, result.key, result.copied_from)
        found = [self._by_key.get((key, column)) for key in keys if key is not None]
        moved = self._by_subject.get((job.subject, column))
        if moved is not None and (moved.kind != "accept" or not any(found)):
            found.append(moved)
        latest = [decision for decision in found if decision is not None]
        return max(latest, key=lambda decision: decision.decided_at, default=None)

    def report(self, output: object) -> None:
        """Say once what did not go smoothly."""
        if self.conflicts:
            _log.warning(
                "%d captions that people edited have another answer of the machine by now: the "
                "people's words stay; dataflow edits %s lists them",
                self.conflicts, output,
            )  # fmt: skip
        if self._unused:
            _log.warning(
                "%d decisions of people belong to no row of this run: they are kept; dataflow "
                "edits %s lists them",
                len(self._unused), output,
            )  # fmt: skip
