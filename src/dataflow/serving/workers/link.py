"""The seam between a pool and a worker, wherever the worker is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dataflow.serving.workers.messages import LeasedRequest, WorkerAnswers, WorkerSetup


class WorkerLostError(Exception):
    """The worker is gone, or says nothing any more.

    Args:
        reason: How it ended, in words.
    """


class WorkerLink(Protocol):
    """One worker, as the pool has it; used from one event loop."""

    async def start(self) -> WorkerAnswers:
        """Wait until the worker can work; it says whether it can.

        Raises:
            WorkerLostError: it ended before.
        """
        ...

    async def give(self, lease: Sequence[LeasedRequest]) -> None:
        """Hand these requests over.

        Raises:
            WorkerLostError: the worker is gone.
        """
        ...

    async def collect(self) -> WorkerAnswers:
        """Wait for what it has to say.

        Raises:
            WorkerLostError: it is gone, or said nothing for too long.
        """
        ...

    async def close(self) -> None:
        """Let it end in order; where it does not, end it."""
        ...


class WorkerLauncher(Protocol):
    """Starts workers of one kind; it can be pickled."""

    def prepare(self) -> None:
        """Have ready what `launch` needs; may block, and is called in a thread of its own.

        Raises:
            StopRunError: there can be no worker.
        """
        ...

    def launch(self, number: int, setup: WorkerSetup) -> WorkerLink:
        """A new worker, which is not waited for.

        Args:
            number: The worker's, from 1; every one that is started has its own.
            setup: What it works with.
        """
        ...

    def close(self) -> None:
        """Let go of what all workers shared; may be called twice."""
        ...
