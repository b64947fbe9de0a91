"""A run's batches: handed in, watched, taken in; every step on disk, so that none is paid twice.

The way of a batch, as the ledger tells it:

    written ─▶ uploaded ─▶ submitting ─▶ created ─▶ ended
                  ▲                         │
                  └──── too much enqueued ──┘

A process that dies at any of these resumes there. Whether an upload or the making of a batch
whose reply was lost took place is asked of the server: the file is found by its name, the batch by
its file and by the token in its metadata.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from pathlib import Path

from dataflow.core.errors import (
    RateLimitedError,
    RowError,
    StopRunError,
    TooLongError,
    TryAgainError,
)
from dataflow.core.protocols.batch import BatchApi, BatchOptions, BatchState
from dataflow.engine.batch.enqueue_limit import EnqueueLimiter
from dataflow.engine.batch.request_file import RequestFile, clear, path_of
from dataflow.engine.batch.results import BatchResults
from dataflow.engine.flow.retry import Retrier
from dataflow.engine.journal.batch_tables import (
    CREATED,
    SUBMITTING,
    UPLOADED,
    WRITTEN,
    Batch,
    BatchTables,
)

FIRST_POLL = 5.0
"""Seconds before the first look at a batch; each further wait is half as long again."""

SETTLE_SECONDS = 10.0
"""So long a server may take to show a batch that it made when its reply was lost."""

_log = logging.getLogger("dataflow")


class BatchManager:
    """The batches of one run; lives in one event loop.

    Args:
        desk: The server.
        ledger: Where everything is noted.
        batching: How requests are put into batches.
        folder: Where batches' files are written.
        persistence: Tries again what fails.
        give_up_after: Seconds a server may refuse every batch.

    Attributes:
        held: Whether the server takes more now.
        has_given_back: Whether requests that were put into a batch are free for another, since
            this was reset.
    """

    def __init__(
        self,
        desk: BatchApi,
        ledger: BatchTables,
        batching: BatchOptions,
        *,
        folder: Path,
        persistence: Retrier,
        give_up_after: float,
    ) -> None:
        self._desk = desk
        self._ledger = ledger
        self._batching = batching
        self._folder = folder
        self._persist = persistence.until_done
        self._results = BatchResults(desk, ledger, persistence)
        self._tried: set[str] = set()
        self._made_alone: dict[int, bool] = {}
        self._give_up_after = give_up_after
        self.has_given_back = False
        self.held = EnqueueLimiter(batching)

    # --- for the pipeline ----------------------------------------------------------------------

    async def recover(self) -> None:
        """Clear away what former runs left, and make sure that their batches are at this server.

        Raises:
            StopRunError: they are at another.
        """
        under_way = self._ledger.under_way()
        for batch in under_way:
            self._tried.add(batch.token)
            if batch.server != self._desk.base_url:
                raise StopRunError(
                    f"{batch.requests} requests are in a batch at {batch.server}, and this is "
                    f"{self._desk.base_url}: give that address, or begin anew with another output"
                )
        clear(self._folder, {batch.token for batch in under_way if batch.state == WRITTEN})
        for batch in self._ledger.leftover_files():
            await self._remove_file(batch)

    def add(self, shard: RequestFile) -> None:
        """Take over a batch's file that is written."""
        shard.finish()
        self._ledger.add(shard.token, self._desk.base_url, shard.size, shard.requests)

    async def advance(self) -> None:
        """Look at every batch, take in those that ended, hand in those that wait.

        Raises:
            StopRunError: a person must act.
            TryAgainError: the server cannot be reached for longer than is waited.
        """
        for batch in self._ledger.batches(CREATED):
            await self._look_at(batch)
        for batch in self.waiting():
            if not self.held.lets_in(self._ledger.batches(CREATED)):
                break
            await self._hand_in(batch)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Advance, at growing intervals, until `is_so`; raises as `advance`."""
        pause, before = 0.0, None
        while not is_so():
            await self.advance()
            if is_so():
                return
            now = [(b.number, b.state, b.status) for b in self._ledger.under_way()]
            pause = pause * 1.5 if pause and now == before else FIRST_POLL
            before = now
            await asyncio.sleep(min(pause, self._batching.poll))

    def waiting(self) -> list[Batch]:
        """The batches that the server is not known to have."""
        return self._ledger.batches(WRITTEN, UPLOADED, SUBMITTING)

    async def cancel(self) -> None:
        """Have the server stop; what it has answered already is still to be taken in."""
        for batch in self.waiting():
            found = await self._find(batch) if batch.state == SUBMITTING else None
            if found is None:
                await self._give_back(batch)
            else:
                self._created(batch, found)
        for batch in self._ledger.batches(CREATED):
            identity = batch.id or ""
            state = await self._persist(functools.partial(self._desk.state, identity))
            if state is None:
                await self._give_back(batch)
            elif state.has_ended:
                await self._take_in_or_give_back(batch, state)
            else:
                await self._persist(functools.partial(self._desk.cancel, identity))

    async def _take_in_or_give_back(self, batch: Batch, state: BatchState) -> None:
        """Keep what came of an ended batch; what cannot be had is given up."""
        try:
            await self._take_in(batch, state)
        except StopRunError as error:
            _log.warning("its requests are free to be asked again: %s", error.message)
            await self._give_back(batch)

    # --- handing in ----------------------------------------------------------------------------

    async def _hand_in(self, batch: Batch) -> None:
        if batch.file is None:
            if not path_of(self._folder, batch.token).exists():
                self._ledger.end(batch, None)
                return
            try:
                file = await self._persist(functools.partial(self._upload, batch))
            except TooLongError as error:
                await self._hand_in_smaller(batch, error)
                return
            except StopRunError:
                await self._give_back(batch)  # the server has nothing of it
                raise
            batch = self._ledger.update(batch, state=UPLOADED, file=file)
        path_of(self._folder, batch.token).unlink(missing_ok=True)
        try:
            made = await self._persist(functools.partial(self._create, batch))
        except RowError as error:
            await self._give_back(batch)
            raise StopRunError(f"the server takes no batch: {error.message}") from error
        if isinstance(made, RateLimitedError):
            await self._refuse(batch, made)
        else:
            self._created(batch, made)

    async def _upload(self, batch: Batch) -> str:
        """One attempt; a file that is there already is not sent again."""
        if batch.token in self._tried:
            for file in await self._files_of(batch):
                return file
        self._tried.add(batch.token)
        path = path_of(self._folder, batch.token)
        try:
            return await self._desk.upload(path, path.name)
        except TooLongError:
            raise
        except RowError as error:
            raise StopRunError(f"the server does not take the file: {error.message}") from error

    async def _hand_in_smaller(self, batch: Batch, error: TooLongError) -> None:
        """The file is too large for the server: its requests go into smaller ones.

        Raises:
            StopRunError: one request alone is too large.
        """
        await self._give_back(batch)
        if not self.held.make_smaller(batch, error):
            raise StopRunError(
                f"the server does not take a file of {batch.size:,} bytes with one request: "
                f"{error.message}; a smaller --max-side makes it smaller"
            ) from error

    async def _files_of(self, batch: Batch) -> list[str]:
        name = path_of(self._folder, batch.token).name
        try:
            look = functools.partial(self._desk.find_files, name, batch.size, batch.written)
            return await self._persist(look)
        except (StopRunError, RowError):
            return []  # a file that is there twice costs nothing

    async def _create(self, batch: Batch) -> BatchState | RateLimitedError:
        """One attempt; a batch that was made already is not made again.

        That too much is enqueued is no failure to be tried again soon, and is returned.
        """
        [batch] = [known for known in self.waiting() if known.number == batch.number]
        if batch.state == SUBMITTING:
            found = await self._find(batch)
            if found is not None:
                return found
        self._ledger.update(batch, state=SUBMITTING)
        try:
            return await self._desk.create(batch.file or "", batch.token)
        except RateLimitedError as error:
            return error
        except (RowError, StopRunError):
            self._ledger.update(batch, state=UPLOADED)  # told plainly that there is none
            raise

    async def _find(self, batch: Batch) -> BatchState | None:
        """The batch at the server, where its making was asked for and the reply was lost."""
        for wait in (0.0, min(SETTLE_SECONDS, self._batching.poll)):
            await asyncio.sleep(wait)
            look = functools.partial(self._desk.find, batch.file or "", batch.token, batch.written)
            found = await self._persist(look)
            found = [state for state in found if state.status != "failed"]
            if found:
                break
        else:
            return None
        first, *others = sorted(found, key=lambda s: (s.status.startswith("cancel"), s.created))
        for other in others:
            if not other.has_ended:
                await self._persist(functools.partial(self._desk.cancel, other.id))
        return first

    def _created(self, batch: Batch, state: BatchState) -> None:
        self._made_alone[batch.number] = not self._ledger.batches(CREATED)
        self._ledger.update(batch, state=CREATED, id=state.id, status=state.status)
        self.held.handed_in(batch)
        _log.info("batch %s: %d requests", state.id, batch.requests)

    async def _refuse(self, batch: Batch, error: RateLimitedError) -> None:
        """Too much is enqueued: wait, or make smaller batches where waiting does not help."""
        batch = self._ledger.update(batch, state=UPLOADED, id=None, status="")
        # told at once, it is about this moment; told by a look, about the one when it was made
        is_alone = self._made_alone.pop(batch.number, not self._ledger.batches(CREATED))
        if not self.held.refused(batch, error, is_alone=is_alone):
            if is_alone and self.held.refusing_seconds > self._give_up_after:
                raise StopRunError(
                    f"the server has taken no batch for {self.held.refusing_seconds:.0f} s: "
                    f"{error.message}; run the same command again to hand it in"
                ) from error
            return
        await self._give_back(batch)
        if batch.requests == 1:
            raise StopRunError(f"the server takes not even one request in a batch: {error.message}")

    async def _give_back(self, batch: Batch) -> None:
        """Its requests were never asked: they are free for another batch."""
        self.has_given_back = True
        path_of(self._folder, batch.token).unlink(missing_ok=True)
        self._ledger.end(batch, None)
        await self._remove_file(batch)

    # --- taking in -----------------------------------------------------------------------------

    async def _look_at(self, batch: Batch) -> None:
        state = await self._persist(functools.partial(self._desk.state, batch.id or ""))
        if state is None:
            raise StopRunError(
                f"{self._desk.base_url} knows no batch {batch.id}, in which {batch.requests} "
                "requests are: is this another account's key? If the batch is gone for good, "
                "--batch-cancel gives its requests back"
            )
        batch = self._ledger.update(batch, status=state.status, done=state.done)
        self.held.seen(batch)
        if not state.has_ended:
            return
        if state.status == "failed" and not (state.output_file or state.error_file):
            if isinstance(state.error, RateLimitedError):
                await self._refuse(batch, state.error)
                return
            await self._give_back(batch)
            reason = state.error.message if state.error else "no reason given"
            # the batch failed without an HTTP status of its own
            reason = reason.removeprefix("HTTP 400: ")
            raise StopRunError(f"the server rejected batch {batch.id}: {reason}")
        await self._take_in(batch, state)

    async def _take_in(self, batch: Batch, state: BatchState) -> None:
        """Keep all that came of a batch; what it left unanswered is to be asked again."""
        stop = await self._results.collect(batch, state)
        self.held.ended()
        self._made_alone.pop(batch.number, None)
        await self._remove_file(batch)
        if stop is not None:
            raise stop

    async def _remove_file(self, batch: Batch) -> None:
        """Remove what we uploaded; where that fails the next run tries once more."""
        if batch.file is None:
            return
        try:
            await self._desk.remove_file(batch.file)
        except (TryAgainError, StopRunError, RowError) as error:
            _log.info("the file %s stays at the server: %s", batch.file, error.message)
        else:
            self._ledger.update(batch, file=None)
