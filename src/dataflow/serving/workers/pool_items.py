"""A pool's requests and its workers, as it counts them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from dataflow.core.request import Reply, Request
from dataflow.serving.workers.link import WorkerLink

SUSPECT_LOSSES = 2
"""A request that was lost so often is given to a worker alone."""


@dataclass(slots=True, eq=False)
class PoolItem:
    """A request and who waits for its answer."""

    number: int
    request: Request
    done: asyncio.Future[Reply]
    losses: int = 0
    losses_alone: int = 0
    workers: int = 0
    """How many have it: two, where the first one is late."""
    given_at: float = 0.0

    @property
    def is_suspect(self) -> bool:
        """Whether it may be what ends workers, so that it is given to one alone."""
        return self.losses >= SUSPECT_LOSSES


@dataclass(slots=True, eq=False)
class PoolWorker:
    """One worker, and the requests that it has."""

    number: int
    link: WorkerLink
    has: dict[int, PoolItem] = field(default_factory=dict)
    is_ready: bool = False
    is_alone: bool = False
    """Whether it has one request that ended workers, or is to get it, and nothing beside."""
    is_leaving: bool = False
    has_answered: bool = False
    idle_since: float = 0.0
