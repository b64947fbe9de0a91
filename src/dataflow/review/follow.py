"""Captions that a run gives while its output is reviewed: from its journal onto the page."""

from __future__ import annotations

import time
from pathlib import Path

from dataflow.checks.suite import CaptionRequirements, checks_for
from dataflow.core.protocols.check import CheckContext
from dataflow.engine.journal.read_only import JournalView
from dataflow.review.index import ReviewIndex
from dataflow.review.items import verdicts_of

OVERLAP = 2.0
"""Seconds that are looked at once more: commits of one moment may come one after another."""
IDLE_SHARE = 20
"""A look that took long is followed by a pause this many times as long."""
SHORTEST_PAUSE = 1.0
"""Seconds between two looks."""


class RunFollower:
    """Brings the index to what a run has answered; from one thread at a time.

    Args:
        journal: The run's journal.
        index: The items.
        requirements: What captions have to be.
    """

    def __init__(
        self, journal: Path, index: ReviewIndex, requirements: CaptionRequirements
    ) -> None:
        self._journal = JournalView(journal)
        self._index = index
        self._checks = checks_for(requirements)
        self._since = 0.0
        self._was_running = False
        self.pause = SHORTEST_PAUSE

    def step(self) -> list[int]:
        """Take in what is new, where a run goes; returns the items that changed.

        Raises:
            JournalError: the journal cannot be read.
        """
        begun = time.monotonic()
        is_running = self._journal.is_running()
        looks, self._was_running = is_running or self._was_running, is_running
        changed: list[int] = []
        if looks:
            for result in self._journal.new_results(self._since - OVERLAP):
                self._since = max(self._since, result.committed_at)
                if result.caption is not None:
                    verdicts = verdicts_of(result.caption, CheckContext(), self._checks.values())
                    changed += self._index.take_answer(
                        result.key, result.caption, result.model, tuple(verdicts)
                    )
        self.pause = max(SHORTEST_PAUSE, IDLE_SHARE * (time.monotonic() - begun))
        return changed
