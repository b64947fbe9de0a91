"""Whether the server takes one more batch: it enqueues only a limited number of tokens at a time.

Nobody can count those tokens beforehand as the server will, so it is asked. Where it says that too
much is enqueued, the next try comes when a batch has ended, or after a growing wait; then batches
go in one at a time until one is past its validation. Where nothing of ours is enqueued and it still
refuses, the batch itself is too large: the next ones are half as large.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from dataflow.core.errors import DataflowError, RateLimitedError
from dataflow.core.protocols.batch import BatchOptions
from dataflow.engine.journal.batch_tables import Batch

ALONE = 3
"""So many refusals with nothing of ours enqueued, and batches are made smaller."""

ALONE_WITH_ONE = 12
"""So many of a batch of one request, which cannot be smaller, and the server is given up."""

LONGEST_WAIT = 10
"""Between two tries at most this many times the longest time between two looks."""

_log = logging.getLogger("dataflow")


class EnqueueLimiter:
    """What is known of the server's readiness.

    Args:
        batching: The first limits.

    Attributes:
        requests: In one batch at most, from now on.
    """

    def __init__(self, batching: BatchOptions) -> None:
        self.requests = batching.requests
        self._poll = batching.poll
        self._refusals = 0
        self._alone = 0
        self._refusing_since: float | None = None
        self._next_try = 0.0
        self._probe: int | None = None

    @property
    def is_so(self) -> bool:
        """Whether the server has refused a batch and taken none since."""
        return self._refusals > 0

    def lets_in(self, created: Sequence[Batch]) -> bool:
        """Whether a batch may be handed in now, where `created` are being worked on."""
        if not self._refusals:
            return True
        if any(batch.number == self._probe for batch in created):
            return False  # its validation will tell
        return time.monotonic() >= self._next_try

    def handed_in(self, batch: Batch) -> None:
        """The server has made a batch of it."""
        self._probe = batch.number

    def seen(self, batch: Batch) -> None:
        """The server has told of it."""
        if batch.number == self._probe and batch.status not in ("validating", "failed"):
            self._refusals = self._alone = 0
            self._refusing_since = None

    def ended(self) -> None:
        """A batch has ended: there is space again."""
        self._next_try = 0.0

    def refused(self, batch: Batch, error: RateLimitedError, *, is_alone: bool) -> bool:
        """The server does not take it now; returns whether batches are to be made smaller.

        A refusal that says when to come again is about the rate of calls, not about the size.
        """
        self._refusals += 1
        if self._refusing_since is None:
            self._refusing_since = time.monotonic()
        if error.retry_after is None:
            self._alone = self._alone + 1 if is_alone else 0
        if self._refusals == 1:
            _log.warning("the server takes no more batches now; waiting: %s", error.message)
        wait = self._poll * min(2.0 ** (self._refusals - 1), LONGEST_WAIT)
        self._next_try = time.monotonic() + (error.retry_after or wait)
        if self._alone < (ALONE if batch.requests > 1 else ALONE_WITH_ONE):
            return False
        self._refusals = self._alone = 0
        self.make_smaller(batch, error)
        return True

    @property
    def refusing_seconds(self) -> float:
        """How long the server has taken no batch; 0 where it takes them."""
        return 0.0 if self._refusing_since is None else time.monotonic() - self._refusing_since

    def make_smaller(self, batch: Batch, error: DataflowError) -> bool:
        """The next batches have half as many requests; returns whether that is less."""
        self.requests = max(1, batch.requests // 2)
        _log.warning("batches of %d requests from now on: %s", self.requests, error.message)
        return batch.requests > 1
