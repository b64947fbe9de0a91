"""The seam between the batch pipeline and the servings that take many requests in one file.

A batch is a file of requests that a server answers within hours, at a lower price. What a server
must offer is `BatchApi`: files go up, batches are made of them and looked at, files come down.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol, TypeAlias

from dataflow.core.errors import DataflowError
from dataflow.core.picture import Picture
from dataflow.core.protocols.serving import AsyncServing
from dataflow.core.request import Reply, Request
from dataflow.core.settings import FROM_1, SECONDS, TEXT, YES_NO, take_all

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
"""The states of a batch that is no longer worked on."""

BatchResult: TypeAlias = "tuple[str, Reply | DataflowError]"
"""One request's custom id, and what came of it."""


_RULES = {
    "requests": FROM_1,
    "size": FROM_1,
    "window": TEXT,
    "poll": SECONDS,
    "then_live": YES_NO,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """How requests are put into batches.

    Attributes:
        requests: In one batch at most; OpenAI takes 50,000
            (https://platform.openai.com/docs/guides/batch).
        size: Bytes of one batch's file at most; OpenAI takes 200 MB.
        window: The time in which the server is to be done, as the server knows it.
        poll: Seconds between two looks at the batches under way, at most.
        then_live: Whether requests that a batch did not answer are asked one by one.

    Raises:
        UsageError: a value is not what its field takes.
    """

    requests: int = 50_000
    size: int = 200_000_000
    window: str = "24h"
    poll: float = 60.0
    then_live: bool = False

    def __post_init__(self) -> None:
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        for name, value in take_all(given, _RULES).items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchState:
    """A batch as its server tells of it.

    Attributes:
        id: The server's name for it.
        status: ``"validating"``, ``"in_progress"``, ``"finalizing"``, ``"cancelling"`` or one of
            `ENDED`.
        token: The name that we gave it when it was made, or empty.
        input_file: The file it was made of.
        output_file: The file with its answers, once there is one.
        error_file: The file with the requests that failed, once there is one.
        done: Requests answered or failed so far.
        created: When it was made, in seconds since 1970.
        error: Why the batch as a whole failed; `RateLimitedError` where too much is enqueued.
    """

    id: str
    status: str
    token: str = ""
    input_file: str = ""
    output_file: str | None = None
    error_file: str | None = None
    done: int = 0
    created: float = 0.0
    error: DataflowError | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in ENDED


class BatchApi(Protocol):
    """An open connection to a server that takes batches.

    Each method makes one attempt. All raise `TryAgainError` where a later attempt may go well,
    `RowError` where the server rejects what was sent, and `StopRunError` where a person must act.
    """

    base_url: str
    """Where the server is, for messages and for telling it from another."""

    def line(self, custom_id: str, request: Request, pictures: Sequence[Picture]) -> bytes:
        """The line of a batch's file that asks `request`, with its line break."""
        ...

    async def upload(self, path: Path, name: str) -> str:
        """Send the file at `path` under `name`; returns the server's id of it."""
        ...

    async def find_files(self, name: str, size: int, since: float) -> list[str]:
        """The ids of the files of this name and size (bytes), uploaded after `since`."""
        ...

    async def remove_file(self, file: str) -> None:
        """Remove an uploaded file; one that is gone already is no error."""
        ...

    async def create(self, file: str, token: str) -> BatchState:
        """Make a batch of an uploaded file; `token` is kept with it."""
        ...

    async def find(self, file: str, token: str, since: float) -> list[BatchState]:
        """The batches made of `file` or with `token`, looked for among those made after `since`."""
        ...

    async def state(self, batch: str) -> BatchState | None:
        """The batch as it is now; None where the server knows none of this id."""
        ...

    async def cancel(self, batch: str) -> None:
        """Have the server stop working on it; what it has answered is kept."""
        ...

    def answers(self, file: str) -> AsyncIterator[BatchResult]:
        """What came of each request in an output or error file, in the server's order."""
        ...


class BatchServing(AsyncServing):
    """A serving that takes requests in batches.

    Attributes:
        batching: How requests are put into batches.
    """

    batching: BatchOptions

    @abstractmethod
    def connect_batches(self) -> AbstractAsyncContextManager[BatchApi]:
        """Open the API for the running event loop."""
